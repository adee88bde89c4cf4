"""Compressed bodies: undone, and bounded whatever they claim."""

import contextlib
import gzip
import zlib

import pytest
import zstandard
from houses import House
from hypothesis import given
from hypothesis import strategies as st

from sources.intake.limits import MIB, IntakeLimits
from sources.intake.unpacking import TooMuch, Unreadable, unpacked

LIMITS = IntakeLimits()
TEXT = b'{"type": "MessageSent", "from_domain": "sender.example"}'


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw-deflate": raw_deflate,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("coding", PACKED)
@pytest.mark.parametrize("size", [0, 1, 100, 700_000])
def test_what_was_packed_is_unpacked(coding: str, size: int) -> None:
    data = (TEXT * (size // len(TEXT) + 1))[:size]
    assert unpacked(PACKED[coding](data), coding, MIB, LIMITS) == data


def test_several_streams_are_one_body_and_deflate_may_be_bare() -> None:
    assert unpacked(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", MIB, LIMITS) == b"ab"
    compress = zstandard.ZstdCompressor().compress
    assert unpacked(compress(b"a" * 600) + compress(b"b"), "zstd", MIB, LIMITS) == b"a" * 600 + b"b"
    assert unpacked(raw_deflate(TEXT), "deflate", MIB, LIMITS) == TEXT


@pytest.mark.parametrize("coding", PACKED)
def test_a_bomb_is_stopped_at_the_ratio_and_at_the_bound(coding: str) -> None:
    bomb = PACKED[coding](bytes(48 * MIB))
    with pytest.raises(TooMuch):
        unpacked(bomb, coding, 256 * MIB, LIMITS)
    with pytest.raises(TooMuch):
        unpacked(bomb, coding, MIB, IntakeLimits(ratio=10**6))


@pytest.mark.parametrize("coding", PACKED)
def test_what_ends_early_or_is_something_else_is_refused(coding: str) -> None:
    packed = PACKED[coding](TEXT * 50)
    for broken in (packed[:-1], packed[: len(packed) // 2], b"\xff" * 40):
        with pytest.raises(Unreadable):
            unpacked(broken, coding, MIB, LIMITS)


@given(st.sampled_from(sorted(PACKED)), st.binary(max_size=300), st.integers(0, 299), st.integers(1, 255))
def test_damage_never_does_more_than_be_refused(coding: str, data: bytes, at: int, flip: int) -> None:
    packed = bytearray(PACKED[coding](data))
    packed[at % len(packed)] ^= flip
    with contextlib.suppress(TooMuch, Unreadable):
        assert len(unpacked(bytes(packed), coding, MIB, LIMITS)) <= MIB


def test_over_http_each_coding_is_taken_and_a_bomb_is_413(here: House) -> None:
    for coding in ("gzip", "deflate", "zstd"):
        headers = {"content-type": "application/json", "content-encoding": coding}
        assert here.post("/v1/events", content=PACKED[coding](TEXT), headers=headers).status_code == 200
        said = here.post("/v1/events", content=PACKED[coding](bytes(64 * MIB)), headers=headers)
        assert (said.status_code, said.json()["error"]) == (413, "too_large")
        assert here.post("/v1/events", content=TEXT, headers=headers).status_code == 400
    for coding in ("br", "gzip, gzip", "nonsense"):
        headers = {"content-type": "application/json", "content-encoding": coding}
        assert here.post("/v1/events", content=TEXT, headers=headers).status_code == 415
