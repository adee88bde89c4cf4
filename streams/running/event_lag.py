"""How much event time lies between a position and the end of a partition."""

from schemas.columns import decode_frames
from schemas.record import CLOCK_TOLERANCE_MS
from streams.log import OffsetGone, Reading, TopicPartition


def seconds_behind(log: Reading, source: TopicPartition, position: int) -> float:
    """Event time from the record at this position to the last one, in seconds; 0 when nothing waits.

    Looks at two records, whatever their number. Raises LogError.
    """
    end = log.end(source)
    if position >= end:
        return 0.0
    first, last = _event_time(log, source, position), _event_time(log, source, end - 1)
    return 0.0 if first is None or last is None else max(0, last - first) / 1000


def _event_time(log: Reading, source: TopicPartition, offset: int) -> int | None:
    """Of the record at this offset or the next one there is, in ms; None where there is none any more."""
    try:
        batch = log.read(source, offset, 1)
    except OffsetGone as gone:
        batch = log.read(source, gone.begin, 1)
    if not batch.values:
        return None
    (timestamp, *_), values = batch.timestamps, batch.values[:1]
    for frame in decode_frames(values, ("occurred_at", "recorded_at")).frames.values():
        occurred, recorded = (int(frame.get_column(name)[0]) for name in ("occurred_at", "recorded_at"))
        return min(occurred, recorded + CLOCK_TOLERANCE_MS)
    return timestamp
