"""Reputation as stages: in one piece, or in the two halves that a partitioned log needs.

`ReputationStage` takes mail events and emits buckets. Where mail events have several partitions, an identity's
events lie in more than one of them: `CountStage` runs on each and spreads its deltas by identity, `FoldStage`
runs on each partition of the deltas. Both ways give the same view. A stage instance serves one partition.

Scores are a fold over what `Fold.flush` returns: `Folded.rows` with part 0 are the buckets that changed, with
their absolute counts. Its place is in `_buckets`, before the rows are packed, with chunks of its own.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from processors.reputation.combine import KEYS, add
from processors.reputation.counting import Counting, CountingSettings, dead_letters
from processors.reputation.fold import Fold
from processors.reputation.grains import GRAIN_DEFAULTS, Grain
from processors.reputation.packing import packed
from processors.stage import Emission, Flush, Slice, Tally
from schemas.columns import INDEX, unpack_rows
from schemas.record import EARLIEST_MS, LATEST_MS
from schemas.reputation import ReputationBuckets, ReputationDeltas


@dataclass(frozen=True, slots=True)
class ReputationSettings:
    """What is counted, and in which buckets."""

    counting: CountingSettings = field(default_factory=CountingSettings)
    grains: tuple[Grain, ...] = GRAIN_DEFAULTS


class _Taken:
    """What a stage has taken since its last flush, and since it was made."""

    def __init__(self) -> None:
        self.letters: list[Emission] = []
        self.last: Slice | None = None
        self.tally = Tally()

    def add(self, records: Slice, letters: Iterable[Emission], repeats: int = 0) -> None:
        letters = list(letters)
        self.last = records
        self.letters += letters
        now = self.tally
        self.tally = Tally(now.taken + len(records), now.repeats + repeats, now.late, now.dead + len(letters))

    def origin(self, stage: str) -> str:
        """Names a flush by its input: no two flushes of a stage end at the same offset."""
        assert self.last is not None
        return f"{stage}/{self.last.topic}/{self.last.partition}/{self.last.next}"

    def flushed(self, emissions: Iterable[Emission], chunks: Mapping[bytes, bytes | None]) -> Flush:
        letters, self.letters, self.last = self.letters, [], None
        return Flush([*letters, *emissions], chunks)


class ReputationStage:
    """Mail events to buckets in one stage, for a log whose `mail.events` have one partition."""

    name = "reputation"
    reads = "mail.events"

    def __init__(self, settings: ReputationSettings | None = None) -> None:
        """Raises ValueError for settings that can't be."""
        settings = settings or ReputationSettings()
        self._counting = Counting(self.name, settings.counting)
        self._fold = Fold(settings.grains)
        self._taken = _Taken()

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin from the chunks that earlier flushes left."""
        held = dict(chunks)
        self._counting.restore(held)
        self._fold.restore(held)

    def take(self, records: Slice) -> None:
        """Admit, count and fold. Raises ValueError for another partition than 0."""
        if records.partition:
            raise ValueError(
                f"{records.topic} partition {records.partition}: an identity would be folded in several places; "
                "run CountStage and FoldStage where mail events have more than one partition"
            )
        counted = self._counting.take(records)
        self._fold.add(counted.deltas, part_of(records))
        self._fold.advance(self._counting.watermark)
        self._taken.add(records, counted.letters, counted.repeats)

    def flush(self) -> Flush:
        """The buckets that changed, dead letters, and the state."""
        if self._taken.last is None:
            return Flush()
        emissions, chunks = _buckets(self._fold, self._taken, self.name, self._counting.recorded_at)
        return self._taken.flushed(emissions, {**self._counting.flush(), **chunks})

    def tally(self) -> Tally:
        """Counts since the stage was made; `late` are the additions."""
        return _with_late(self._taken.tally, self._fold)


class CountStage:
    """Mail events to deltas, spread by identity."""

    name = "count"
    reads = "mail.events"

    def __init__(self, settings: CountingSettings | None = None, keys: Sequence[str] = ("0",)) -> None:
        """`keys` are those over which the deltas are spread: one that goes to each partition of their topic.

        All deltas of an identity, at all providers, have the same key, and so the same partition.
        """
        if not keys:
            raise ValueError("keys: got none, wants one for each partition of the deltas")
        self._counting = Counting(self.name, settings or CountingSettings())
        self._keys = tuple(keys)
        self._deltas: list[pl.DataFrame] = []
        self._taken = _Taken()

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin from the chunks that earlier flushes left."""
        self._counting.restore(dict(chunks))

    def take(self, records: Slice) -> None:
        """Admit and count."""
        counted = self._counting.take(records)
        self._deltas.append(counted.deltas)
        self._taken.add(records, counted.letters, counted.repeats)

    def flush(self) -> Flush:
        """The deltas, dead letters, and the state."""
        if self._taken.last is None:
            return Flush()
        origin = self._taken.origin(self.name)
        deltas, self._deltas = add(self._deltas), []
        emissions = [
            emission
            for key, rows in _by_key(deltas, self._keys)
            for emission in packed(
                ReputationDeltas,
                rows,
                key,
                origin,
                self._counting.recorded_at,
                self._counting.watermark,
            )
        ]
        return self._taken.flushed(emissions, self._counting.flush())

    def tally(self) -> Tally:
        """Counts since the stage was made."""
        return self._taken.tally


class FoldStage:
    """Deltas to buckets."""

    name = "fold"
    reads = "reputation.deltas"

    def __init__(self, grains: tuple[Grain, ...] = GRAIN_DEFAULTS) -> None:
        """Raises ValueError for grains that are no multiples of one another."""
        self._fold = Fold(grains)
        self._recorded_at = 0
        self._taken = _Taken()

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin from the chunks that earlier flushes left."""
        held = dict(chunks)
        self._fold.restore(held)
        self._recorded_at = int(held.get(_RECORDED, b"0"))

    def take(self, records: Slice) -> None:
        """Fold deltas in."""
        unpacked = unpack_rows(ReputationDeltas, records.values)
        wrong = unpacked.rows.filter(~_WHOLE).get_column(INDEX).unique().to_list()
        bad = sorted(
            [*unpacked.bad, *((index, "ReputationDeltas: a row without its key") for index in wrong)]
        )
        headers: dict[int, Any] = {index: unpacked.headers[index] for index in sorted(unpacked.headers)}
        good = [index for index in headers if index not in wrong]
        times = [self._recorded_at, *(headers[index].recorded_at for index in good)]
        rows = unpacked.rows.filter(~pl.col(INDEX).is_in(wrong)) if wrong else unpacked.rows
        self._fold.add(rows.drop(INDEX), part_of(records))
        if good:
            self._recorded_at = max(times[1:])
            watermark = max(headers[index].watermark for index in good)
            self._fold.advance(watermark if watermark > EARLIEST_MS else None)
        self._taken.add(records, dead_letters(records, bad, self.name, good, times))

    def flush(self) -> Flush:
        """The buckets that changed, dead letters, and the state."""
        if self._taken.last is None:
            return Flush()
        emissions, chunks = _buckets(self._fold, self._taken, self.name, self._recorded_at)
        return self._taken.flushed(emissions, {**chunks, _RECORDED: b"%d" % self._recorded_at})

    def tally(self) -> Tally:
        """Counts since the stage was made; `late` are the additions."""
        return _with_late(self._taken.tally, self._fold)


_RECORDED = b"recorded_at"

_WHOLE = pl.all_horizontal(pl.col(KEYS).is_not_null()) & pl.col("minute").is_between(EARLIEST_MS, LATEST_MS)


def part_of(records: Slice) -> int:
    """The part of additions that a slice makes: not 0, and of no other slice of the topic."""
    return (records.first << 16 | records.partition) + 1


def _buckets(
    fold: Fold, taken: _Taken, stage: str, recorded_at: int
) -> tuple[list[Emission], Mapping[bytes, bytes | None]]:
    assert taken.last is not None
    folded = fold.flush()
    key, origin = str(taken.last.partition), taken.origin(stage)
    return packed(ReputationBuckets, folded.rows, key, origin, recorded_at, fold.watermark), folded.chunks


def _with_late(tally: Tally, fold: Fold) -> Tally:
    return Tally(tally.taken, tally.repeats, fold.late, tally.dead)


def _by_key(deltas: pl.DataFrame, keys: Sequence[str]) -> list[tuple[str, pl.DataFrame]]:
    """The deltas by key: the CRC-32 of the identity's names chooses."""
    if len(keys) == 1 or not deltas.height:
        return [(keys[0], deltas)] if deltas.height else []
    names = ["tenant", "kind", "identity"]
    distinct = deltas.select(names).unique()
    chosen = [zlib.crc32("\x1f".join(row).encode()) % len(keys) for row in distinct.rows()]
    placed = deltas.join(
        distinct.with_columns(chosen=pl.Series(chosen, dtype=pl.Int64)), on=names, maintain_order="left"
    )
    parts = placed.partition_by("chosen", as_dict=True, include_key=False)
    return [(keys[index], rows) for (index,), rows in sorted(parts.items())]
