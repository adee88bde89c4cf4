"""Deltas to buckets: the second phase of the aggregation.

Minutes, hours and days are counted independently. A bucket that is open has absolute counts in the state; each
flush emits those that changed under part 0, with a revision one higher than the last. A bucket is closed when
its end lies further behind the watermark than its grain's horizon, and is then forgotten for good: what still
comes for it is emitted as an addition, under a part of its own. So the counts of a bucket are the latest
revision of part 0 plus all additions, the same integers in whatever order, batches and flushes events came.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from processors.reputation import identities
from processors.reputation.buckets import Buckets, bucket_of, identity_of, key_of
from processors.reputation.grains import GRAIN_DEFAULTS, Grain
from processors.reputation.identities import Identities
from processors.reputation.runs import sum_runs
from schemas.reputation import COUNTS

STATE = b"fold"
"""The key of the chunk that says how far the fold has come."""

_FORMAT = 1


class UnknownState(ValueError):
    """Chunks that this version can't read: the state must be rebuilt from the log."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What a flush of the fold gives."""

    rows: pl.DataFrame
    """Columns of `schemas.reputation.BucketRow`, those of counts that are null throughout left out."""
    chunks: Mapping[bytes, bytes | None]


class Fold:
    """The buckets of all identities of a partition."""

    def __init__(self, grains: Sequence[Grain] = GRAIN_DEFAULTS) -> None:
        """Grains from the narrowest to the widest, each a multiple of the one before."""
        for narrow, wide in pairwise(grains):
            if wide.width % narrow.width:
                raise ValueError(
                    f"grain {wide.name}: got {wide.width} ms, wants a multiple of {narrow.width}"
                )
        self._grains = [Buckets(grain) for grain in grains]
        self._identities = Identities()
        self._late: list[pl.DataFrame] = []
        self.watermark: int | None = None
        self.late = 0
        """How many additions it has made."""

    def add(self, deltas: pl.DataFrame, part: int) -> None:
        """Add the deltas of a slice; `part` (not 0, and given to no other slice) is for what comes too late.

        Columns tenant, kind, identity, provider, minute, and some of COUNTS, of which null is 0.
        """
        if not deltas.height:
            return
        rows, width = self._numbered(deltas), self._grains[0].grain.width
        for buckets in self._grains:
            grain = buckets.grain
            start = bucket_of(pl.col("key")) * width
            rows = rows.with_columns(key_of(identity_of(pl.col("key")), start // grain.width))
            rows, width = sum_runs(rows, ["key"]), grain.width
            on_time = rows.filter(buckets.open())
            if on_time.height < rows.height:
                self._add_late(rows.filter(~buckets.open()), grain, part)
            if on_time.height:
                buckets.add(on_time)

    def advance(self, watermark: int | None) -> None:
        """Move the watermark (ms), never back: what comes from now on is judged by it."""
        if watermark is None:
            return
        self.watermark = watermark if self.watermark is None else max(watermark, self.watermark)
        for buckets in self._grains:
            buckets.close(self.watermark)

    def flush(self) -> Folded:
        """The buckets that changed since the last flush, the additions, and the state."""
        emitted = self._late
        self._late = []
        chunks: dict[bytes, bytes | None] = {}
        evicted = []
        for buckets in self._grains:
            changed = buckets.merge()
            emitted.append(_emitted(changed, buckets.grain, part=0))
            evicted.append(buckets.evict())
            chunks |= buckets.chunks(changed)
        rows = self._named(pl.concat(emitted, how="diagonal"))
        if evicted[-1]:  # the widest grain holds an identity longest
            self._identities.keep(pl.concat([buckets.live() for buckets in self._grains]).unique())
        return Folded(rows, {**chunks, **self._identities.flush(), STATE: self._state()})

    def restore(self, chunks: Mapping[bytes, bytes]) -> None:
        """Begin from the chunks of earlier flushes. Raises UnknownState."""
        if STATE not in chunks:
            return
        state = json.loads(chunks[STATE])
        if (state["format"], state["layout"]) != (_FORMAT, self._layout()):
            raise UnknownState(
                f"reputation state is of format {state['format']} with grains {state['layout']}, wants format "
                f"{_FORMAT} with grains {self._layout()}: rebuild it from the log, or go back to what wrote it"
            )
        self.watermark = state["watermark"]
        self._identities.restore((chunks[key] for key in _of(identities.PREFIX, chunks)), state["identities"])
        for buckets in self._grains:
            own = _of(buckets.prefix, chunks)
            buckets.restore(((key, chunks[key]) for key in own), state["first_open"].get(buckets.grain.name))

    def size(self) -> dict[str, tuple[int, int]]:
        """How many rows are held and in how many bytes, by grain; under `identities` the same of those."""
        sizes = {buckets.grain.name: buckets.size() for buckets in self._grains}
        return {**sizes, "identities": self._identities.size()}

    def _numbered(self, deltas: pl.DataFrame) -> pl.DataFrame:
        """Columns key, ascending, in the narrowest grain, and the counts that are not 0 throughout."""
        counts = [name for name in COUNTS if name in deltas.columns]
        highest = deltas.select(pl.col(counts).max()).row(0, named=True) if counts else {}
        counts = [name for name in counts if highest[name]]
        bucket = pl.col("minute") // self._grains[0].grain.width
        numbers = self._identities.number(deltas).alias("id")
        return (
            deltas.with_columns(numbers)
            .select(key_of(pl.col("id"), bucket), pl.col(counts).fill_null(0))
            .sort("key")
        )

    def _add_late(self, rows: pl.DataFrame, grain: Grain, part: int) -> None:
        self.late += rows.height
        self._late.append(_emitted(rows.with_columns(revision=pl.lit(1, pl.Int64)), grain, part))

    def _named(self, rows: pl.DataFrame) -> pl.DataFrame:
        counts = [name for name in COUNTS if name in rows.columns]
        named = self._identities.names(rows.get_column("id"))
        return rows.select(
            *named.get_columns(),
            *(pl.when(pl.col(name) != 0).then(pl.col(name)) for name in counts),
            "grain",
            "bucket",
            "part",
            "revision",
        )

    def _layout(self) -> dict[str, list[int]]:
        """What chunks can't be read without; horizons may change."""
        grains = [buckets.grain for buckets in self._grains]
        return {grain.name: [grain.width, grain.period, grain.identities] for grain in grains}

    def _state(self) -> bytes:
        first_open = {buckets.grain.name: buckets.first_open for buckets in self._grains}
        return json.dumps(
            {
                "format": _FORMAT,
                "layout": self._layout(),
                "watermark": self.watermark,
                "first_open": first_open,
                "identities": self._identities.next,
            }
        ).encode()


def _emitted(rows: pl.DataFrame, grain: Grain, part: int) -> pl.DataFrame:
    return rows.select(
        identity_of(pl.col("key")).alias("id"),
        (bucket_of(pl.col("key")) * grain.width).alias("bucket"),
        pl.exclude("key"),
        grain=pl.lit(grain.name),
        part=pl.lit(part, pl.Int64),
    )


def _of(prefix: bytes, chunks: Iterable[bytes]) -> list[bytes]:
    return sorted(key for key in chunks if key.startswith(prefix))
