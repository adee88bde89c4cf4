"""How far each topic partition is loaded: a table of the warehouse, written after the data it speaks of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from processors.stage import Slice
from schemas.record import now_ms
from sinks.sink import SinkRefused
from sinks.warehouse.arrow import arrow_stream
from sinks.warehouse.client import Client
from sinks.warehouse.frames import NONE_SEEN
from streams.log import Mark, TopicPartition

_TIME = pl.Datetime("ms", "UTC")
_COLUMNS = {
    "generation": pl.UInt32(),
    "topic": pl.String(),
    "partition": pl.UInt32(),
    "log_id": pl.String(),
    "offset": pl.UInt64(),
    "digest": pl.String(),
    "records": pl.UInt64(),
    "bad": pl.UInt64(),
    "occurred_until": _TIME,
    "recorded_until": _TIME,
    "loaded_at": _TIME,
}

_HELD = """
SELECT log_id, offset, digest, records, bad,
       toUnixTimestamp64Milli(occurred_until), toUnixTimestamp64Milli(recorded_until)
FROM positions_told
WHERE generation = {generation:UInt32} AND topic = {topic:String} AND partition = {partition:UInt32}
ORDER BY offset DESC
LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Position:
    """Where loading goes on, and what was loaded up to there."""

    mark: Mark
    records: int
    """Records loaded before the mark."""
    bad: int
    """Those before the mark that could not be understood."""
    occurred_until: int | None
    """The latest effective event time among them, ms."""
    recorded_until: int | None
    """The latest time of record among them, ms."""


def held(client: Client, generation: int, source: TopicPartition) -> Position | None:
    """What the warehouse holds of a partition; None before its first load."""
    named = {"generation": generation, "topic": source.topic, "partition": source.partition}
    found = client.rows(_HELD, named)
    if not found:
        return None
    log_id, offset, digest, records, bad, occurred, recorded = found[0]
    return Position(Mark(log_id, source, offset, digest), records, bad, occurred, recorded)


def refuse_what_does_not_follow(position: Position | None, records: Slice, mark: Mark) -> None:
    """Raise SinkRefused unless a slice continues, overlaps or repeats what was loaded up to `position`."""
    if (mark.source, mark.offset) != ((records.topic, records.partition), records.next):
        raise ValueError(
            f"the mark {mark} is not that of the slice's end, {records.topic}/{records.partition} at {records.next}"
        )
    if position is None:
        return
    where, at = f"{records.topic}/{records.partition}", position.mark.offset
    if position.mark.log_id != mark.log_id:
        raise SinkRefused(
            f"the warehouse was loaded from log {position.mark.log_id} and this is log {mark.log_id} ({where}): "
            "give it the log it belongs to, or rebuild it from this one: "
            "mailwake replay rebuild && mailwake replay swap"
        )
    if records.first > at:
        raise SinkRefused(
            f"the warehouse holds {where} up to offset {at} and was given {records.first} and on: "
            "what lies between would be lost; load from where it is"
        )
    if mark.offset == at and mark.digest != position.mark.digest:
        raise SinkRefused(
            f"the warehouse was loaded from another record before offset {at} of {where} than this log has there: "
            "the log was cut and grew again; rebuild the warehouse from it: "
            "mailwake replay rebuild && mailwake replay swap"
        )


def advanced(
    position: Position | None, mark: Mark, seen: Sequence[pl.DataFrame], bad: Sequence[int]
) -> Position:
    """The position after a slice; what of it was loaded before is not counted again.

    `seen` are the good records as `Told.records` has them, `bad` the offsets of the others.
    """
    before = position or Position(replace(mark, offset=0), 0, 0, None, None)
    start = before.mark.offset
    new = pl.concat([NONE_SEEN, *seen]).filter(pl.col("offset") >= start)
    return Position(
        mark,
        before.records + new.height,
        before.bad + sum(offset >= start for offset in bad),
        _later(before.occurred_until, new.get_column("occurred").max()),
        _later(before.recorded_until, new.get_column("recorded").max()),
    )


def write(client: Client, generation: int, position: Position) -> None:
    """Make a position durable: one row, one part, all or nothing."""
    mark = position.mark
    row = (
        generation, mark.source.topic, mark.source.partition, mark.log_id, mark.offset, mark.digest,
        position.records, position.bad, position.occurred_until, position.recorded_until,
        now_ms(),
    )  # fmt: skip
    client.insert(
        "positions_told", list(_COLUMNS), arrow_stream(pl.DataFrame([row], schema=_COLUMNS, orient="row"))
    )


def _later(one: int | None, other: object) -> int | None:
    return max((time for time in (one, other) if isinstance(time, int)), default=None)
