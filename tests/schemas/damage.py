"""Ways for bytes to go wrong, by a seed."""

import random
from collections.abc import Callable

Damage = Callable[[random.Random, bytes, bytes], bytes]
"""(randomness, a record, another one) -> the record, damaged."""


def cut(rng: random.Random, value: bytes, _: bytes) -> bytes:
    return value[: rng.randrange(len(value))]


def lengthened(rng: random.Random, value: bytes, _: bytes) -> bytes:
    return value + rng.randbytes(rng.randint(1, 20))


def two_in_one(_: random.Random, value: bytes, other: bytes) -> bytes:
    return value + other[5:]


def half_and_half(rng: random.Random, value: bytes, other: bytes) -> bytes:
    return value[: rng.randrange(len(value))] + other[rng.randrange(len(other)) :]


def flipped(rng: random.Random, value: bytes, other: bytes) -> bytes:
    out = bytearray(value)
    for _ in range(rng.randint(1, 3)):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def replaced(rng: random.Random, value: bytes, _: bytes) -> bytes:
    at, size = rng.randrange(len(value)), rng.randint(1, 12)
    return (
        value[:at]
        + rng.choice([b"\x00", b"\x01", b"\x02", b"\x04", b"\x80", b"\xff"]) * size
        + value[at + size :]
    )


def inserted(rng: random.Random, value: bytes, _: bytes) -> bytes:
    at = rng.randrange(len(value))
    return value[:at] + rng.randbytes(rng.randint(1, 8)) + value[at:]


def removed(rng: random.Random, value: bytes, _: bytes) -> bytes:
    at = rng.randrange(len(value))
    return value[:at] + value[at + rng.randint(1, 8) :]


def noise(rng: random.Random, value: bytes, _: bytes) -> bytes:
    return value[:5] + rng.randbytes(rng.randint(0, 300))


def byte_set(rng: random.Random, value: bytes, _: bytes) -> bytes:
    at = rng.randrange(5, len(value))
    return value[:at] + bytes([rng.randrange(256)]) + value[at + 1 :]


DAMAGES: tuple[Damage, ...] = (
    cut, lengthened, two_in_one, half_and_half, flipped, replaced, inserted, removed, noise, byte_set,
)  # fmt: skip
