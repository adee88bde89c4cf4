"""The state of one grain: absolute counts of every open bucket.

A row is a key (identity number and bucket number in one Int64), a revision and counts. Rows lie in frames by
period, each sorted by key and as narrow as its numbers allow; a count that is 0 in the whole frame has no
column. What is added waits until the next flush, when it is merged with the periods it touches.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import polars as pl

from processors.reputation.chunks import narrowed, read_chunk, write_chunk
from processors.reputation.grains import Grain
from processors.reputation.runs import sum_runs
from schemas.reputation import COUNTS

_BUCKETS = 2**32
_ZERO = 2**31
_NONE = pl.DataFrame(schema={"key": pl.Int64, "revision": pl.Int64})


def key_of(identity: pl.Expr, bucket: pl.Expr) -> pl.Expr:
    """The key of a row: in order of keys, an identity's buckets are together and in order of time."""
    return (identity * _BUCKETS + bucket + _ZERO).alias("key")


def identity_of(key: pl.Expr) -> pl.Expr:
    """The number of the identity in a key."""
    return key // _BUCKETS


def bucket_of(key: pl.Expr) -> pl.Expr:
    """The number of the bucket in a key."""
    return key % _BUCKETS - _ZERO


class _Shard(NamedTuple):
    """Where a chunk's rows lie: which period, and which range of identities."""

    period: int
    number: int


class Buckets:
    """The open buckets of one grain."""

    def __init__(self, grain: Grain) -> None:
        """No counts, and everything open."""
        self.grain = grain
        self.first_open: int | None = None
        self._periods: dict[int, pl.DataFrame] = {}
        self._waiting: list[pl.DataFrame] = []
        self._written: set[_Shard] = set()

    @property
    def prefix(self) -> bytes:
        """What the keys of its chunks begin with."""
        return self.grain.name.encode() + b"/"

    def add(self, rows: pl.DataFrame) -> None:
        """Add counts (Int64) to open buckets: columns key, ascending and without repeats, and some of COUNTS."""
        self._waiting.append(rows)

    def close(self, watermark: int) -> None:
        """Close what lies beyond the horizon; what is closed stays so, whatever a later watermark says."""
        first = self.grain.first_open(watermark)
        self.first_open = first if self.first_open is None else max(first, self.first_open)

    def open(self) -> pl.Expr:
        """Whether the bucket of a row is open."""
        return pl.lit(True) if self.first_open is None else bucket_of(pl.col("key")) >= self.first_open

    def merge(self) -> pl.DataFrame:
        """Merge what was added; the rows that it changed, with their new absolute counts."""
        if not self._waiting:
            return _NONE
        added = self._waiting[0] if len(self._waiting) == 1 else sum_runs(_sorted(self._waiting), ["key"])
        self._waiting = []
        added = added.select("key", pl.lit(1, pl.Int64).alias("revision"), pl.exclude("key"))
        closed, still_open = added.filter(~self.open()), added.filter(self.open())
        gone = [rows.filter(~self.open()) for rows in self._held(self._periods_of(closed))]
        whole, changed = _merged(self._held(self._periods_of(still_open)), still_open)
        for period, rows in self._by_period(whole):
            self._periods[period] = narrowed(rows, keep="key")
        return pl.concat([_NONE, _merged(gone, closed)[1], changed], how="diagonal")

    def evict(self) -> bool:
        """Drop closed buckets; True when a period has gone."""
        if self.first_open is None:
            return False
        before = len(self._periods)
        partly = self.first_open // self.grain.period
        self._periods = {period: rows for period, rows in self._periods.items() if period >= partly}
        if partly in self._periods:
            rows = self._periods[partly].filter(self.open())
            self._periods[partly] = narrowed(rows, keep="key") if rows.height else rows
        return len(self._periods) < before

    def chunks(self, changed: pl.DataFrame) -> dict[bytes, bytes | None]:
        """The chunks that hold the changed rows, and None for those whose period has gone."""
        shards = self._shards_of(changed)
        chunks: dict[bytes, bytes | None] = {}
        for shard in sorted(shard for shard in self._written if shard.period not in self._periods):
            chunks[self._chunk_key(shard)] = None
            self._written.discard(shard)
        for shard in shards:
            rows = self._rows_of(shard)
            if rows is None:
                continue
            chunks[self._chunk_key(shard)] = write_chunk(narrowed(rows, keep="key"))
            self._written.add(shard)
        return chunks

    def restore(self, chunks: Iterable[tuple[bytes, bytes]], first_open: int | None) -> None:
        """Hold what is in these chunks."""
        self.first_open = first_open
        parts: dict[int, list[pl.DataFrame]] = {}
        for key, chunk in sorted(chunks):
            shard = _Shard(*(int(part) for part in key.removeprefix(self.prefix).split(b"/")))
            self._written.add(shard)
            parts.setdefault(shard.period, []).append(read_chunk(chunk))
        for period, rows in parts.items():
            self._periods[period] = narrowed(_sorted(rows), keep="key")
        self.evict()

    def live(self) -> pl.Series:
        """The numbers of the identities that it holds counts of."""
        ids = [
            rows.select(identity_of(pl.col("key"))).to_series().unique() for rows in self._periods.values()
        ]
        return pl.concat([pl.Series("key", [], pl.Int64), *ids]).unique()

    def size(self) -> tuple[int, int]:
        """Rows held, and their bytes."""
        frames = self._periods.values()
        return sum(rows.height for rows in frames), sum(int(rows.estimated_size()) for rows in frames)

    def _periods_of(self, rows: pl.DataFrame) -> list[int]:
        return rows.select(self._period()).to_series().unique().sort().to_list()

    def _held(self, periods: Iterable[int]) -> list[pl.DataFrame]:
        return [self._periods[period] for period in periods if period in self._periods]

    def _by_period(self, rows: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
        if not rows.height:
            return []
        parts = rows.with_columns(self._period()).partition_by("period", include_key=False, as_dict=True)
        return sorted(((int(period), part) for (period,), part in parts.items()), key=lambda item: item[0])

    def _period(self) -> pl.Expr:
        return (bucket_of(pl.col("key")) // self.grain.period).alias("period")

    def _shards_of(self, rows: pl.DataFrame) -> list[_Shard]:
        shards = rows.select(
            self._period(), (identity_of(pl.col("key")) // self.grain.identities).alias("number")
        )
        return [_Shard(*shard) for shard in shards.unique().sort("period", "number").rows()]

    def _rows_of(self, shard: _Shard) -> pl.DataFrame | None:
        rows = self._periods.get(shard.period)
        if rows is None or not rows.height:
            return None
        keys, width = rows.get_column("key"), self.grain.identities * _BUCKETS
        if keys[0] // width == keys[-1] // width == shard.number:
            return rows
        rows = rows.filter(identity_of(pl.col("key")) // self.grain.identities == shard.number)
        return rows if rows.height else None

    def _chunk_key(self, shard: _Shard) -> bytes:
        return self.prefix + b"%d/%d" % shard


def _merged(held: list[pl.DataFrame], added: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The sum of both, and those rows of it that have something of `added`; sorted by key."""
    if not held:
        return added, added
    both = [
        rows.with_columns(changed=pl.lit(mark, pl.Int8)) for mark, rows in ((0, _sorted(held)), (1, added))
    ]
    whole = sum_runs(_sorted(both), ["key"])
    return whole.drop("changed"), whole.filter(pl.col("changed") > 0).drop("changed")


def _sorted(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The rows of all frames by key: counts Int64, those that a frame lacks 0, in the order of COUNTS."""
    there = {name for rows in frames for name in rows.columns}
    columns = ["key", *(name for name in ("revision", "changed", *COUNTS) if name in there)]
    return pl.concat([_with(rows, columns) for rows in frames]).sort("key")


def _with(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """These columns as Int64; a column that is not there is 0."""
    none = pl.Series([0], dtype=pl.Int64)
    return pl.DataFrame(
        [
            rows.get_column(name).cast(pl.Int64)
            if name in rows.columns
            else none.new_from_index(0, rows.height).alias(name)
            for name in columns
        ]
    )
