"""A span of event time, and the part of the log's traffic that lies in it.

What belongs to a span: a mail event by its effective time (when it occurred, at most 5 minutes after it was
recorded, which is the time it is counted at), a bucket of reputation by its start. The stages still fold
everything that the log holds, from its beginning: so a bucket in the span has exactly the counts that the live
one has, whatever came late or was told twice. Only what lies in the span is loaded; documents, DMARC records and
dead letters, of which there are few, are loaded whole.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl

from replay.lineage import Span
from replay.view import ReplayLog
from schemas.columns import EFFECTIVE_TIME, INDEX, decode_frames, pack_rows, unpack_rows
from schemas.record import millis_of
from schemas.reputation import ReputationBuckets
from streams.log import Batch, TopicPartition
from streams.topics import plain


class InvalidSpan(ValueError):
    """Times that make no span."""


def span_between(begin: datetime | None, end: datetime | None) -> Span | None:
    """The span from `begin` to `end`, not included; without a zone they are UTC. Raises InvalidSpan."""
    if begin is None and end is None:
        return None
    if begin is None or end is None:
        raise InvalidSpan("a span needs both --from and --to")
    span = millis_of(begin), millis_of(end)
    if span[0] >= span[1]:
        raise InvalidSpan(f"--from {begin} is not before --to {end}")
    return span


def shown(span: Span) -> str:
    """A span as people read it."""
    begin, end = (datetime.fromtimestamp(ms / 1000, UTC).isoformat(" ", "seconds") for ms in span)
    return f"{begin} to {end}"


@dataclass(frozen=True, slots=True)
class SpanLog(ReplayLog):
    """The log as the loader of a span reads it: without the traffic that lies elsewhere."""

    span: Span = (0, 0)

    def read(self, source: TopicPartition, offset: int, limit: int) -> Batch:
        """See `Log.read`; what lies outside the span is left out, as if it had been compacted away."""
        # Named because super() without arguments does not work in a dataclass with slots.
        batch = ReplayLog.read(self, source, offset, limit)
        if plain(source.topic) == "mail.events":
            return _events_within(batch, self.span)
        if plain(source.topic) == "reputation.buckets":
            return _buckets_within(batch, self.span)
        return batch


def _events_within(batch: Batch, span: Span) -> Batch:
    within = [
        frame.filter(EFFECTIVE_TIME.is_between(*span, closed="left")).get_column(INDEX)
        for frame in decode_frames(batch.values, ("occurred_at", "recorded_at")).frames.values()
    ]
    return _only(batch, sorted(index for indices in within for index in indices))


def _buckets_within(batch: Batch, span: Span) -> Batch:
    opened = unpack_rows(ReputationBuckets, batch.values)
    within = opened.rows.filter((pl.col("bucket") >= span[0]) & (pl.col("bucket") < span[1]))
    packed = {
        index: pack_rows(opened.headers[index], rows.drop(INDEX))
        for (index,), rows in within.group_by(INDEX, maintain_order=True)
        if isinstance(index, int)
    }
    kept = _only(batch, sorted(packed))
    return replace(kept, values=[packed[index] for index in sorted(packed)])


def _only(batch: Batch, indices: list[int]) -> Batch:
    return replace(
        batch,
        offsets=[batch.offsets[index] for index in indices],
        keys=[batch.keys[index] for index in indices],
        values=[batch.values[index] for index in indices],
        timestamps=[batch.timestamps[index] for index in indices],
    )
