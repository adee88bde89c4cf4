"""Randomness by counting: every draw is a pure function of a seed, a purpose and a number.

So the same message draws the same whatever else is simulated with it, in whatever slices, on whatever machine.
The mixing is SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
"""

from functools import cache
from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Numbers = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Draws:
    """Draws of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._keys: dict[str, np.uint64] = {}

    def bits(self, purpose: str, numbers: Numbers) -> Numbers:
        """64 bits for each number."""
        key = self._keys.get(purpose)
        if key is None:
            key = self._keys[purpose] = np.uint64(stable_bits(self.seed, purpose))
        with np.errstate(over="ignore"):
            return _mix(_mix(numbers * _GOLDEN + key) ^ key)

    def uniform(self, purpose: str, numbers: Numbers) -> Floats:
        """A float in (0, 1) for each number."""
        return ((self.bits(purpose, numbers) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53

    def below(self, purpose: str, numbers: Numbers, limits: Ints | int) -> Ints:
        """A whole number in [0, limit) for each number; limits are at least 1."""
        chosen: Ints = (self.uniform(purpose, numbers) * limits).astype(np.int64)
        return chosen

    def choice(self, purpose: str, numbers: Numbers, cumulative: Floats) -> Ints:
        """An index drawn by weight for each number, from the weights' running sum."""
        chosen: Ints = np.searchsorted(cumulative, self.uniform(purpose, numbers) * cumulative[-1])
        return chosen

    def waits(self, purpose: str, numbers: Numbers, mean_ms: float) -> Ints:
        """Exponential waiting times in ms."""
        return (-np.log(self.uniform(purpose, numbers)) * mean_ms).astype(np.int64)

    def long_waits(self, purpose: str, numbers: Numbers, scale_ms: float, tail: float, most_ms: int) -> Ints:
        """Waiting times in ms as people have: half within about the scale, a few very long, none over `most_ms`."""
        u = self.uniform(purpose, numbers)
        return np.minimum(scale_ms * (u**-tail - 1.0), most_ms).astype(np.int64)


def stable_bits(*parts: object) -> int:
    """64 bits from a few words and numbers, the same everywhere."""
    return int.from_bytes(blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest(), "big")


def hex_texts(*bits: Numbers) -> pl.Series:
    """16 hex digits for each number of each argument, side by side."""
    return _joined([_quads(part) for part in bits])


def uuid_texts(high: Numbers, low: Numbers) -> pl.Series:
    """UUIDs of version 8 (RFC 9562, 5.8) from 2 x 64 bits."""
    high = (high & np.uint64(0xFFFFFFFFFFFF0FFF)) | np.uint64(0x8000)
    low = (low & np.uint64(0x3FFFFFFFFFFFFFFF)) | np.uint64(0x8000000000000000)
    (a, b, c, d), (e, f, g, h) = _quads(high), _quads(low)
    return _joined([[a, b], [c], [d], [e], [f, g, h]], "-")


@cache
def _hex_table() -> pl.Series:
    return pl.Series([f"{i:04x}" for i in range(65536)])


def _quads(bits: Numbers) -> list[pl.Series]:
    table = _hex_table()
    return [
        table.gather(((bits >> np.uint64(s)) & np.uint64(0xFFFF)).astype(np.uint32)) for s in (48, 32, 16, 0)
    ]


def _joined(groups: list[list[pl.Series]], separator: str = "") -> pl.Series:
    columns: dict[str, pl.Series] = {}
    pieces: list[pl.Expr] = []
    for i, group in enumerate(groups):
        if i and separator:
            pieces.append(pl.lit(separator))
        for part in group:
            name = str(len(columns))
            columns[name] = part
            pieces.append(pl.col(name))
    return pl.DataFrame(columns).select(pl.concat_str(pieces).alias("text"))["text"]


def _mix(values: Numbers) -> Numbers:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
