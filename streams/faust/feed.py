"""What Faust delivers, as batches for a runner's thread: bounded, contiguous, and of the current owner only."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streams.kafka.cluster import KafkaPartition
from streams.kafka.log import KafkaLog
from streams.log import Batch, LogError, TopicPartition


@dataclass(frozen=True, slots=True)
class Pace:
    """How much comes together before a step is made of it."""

    linger_s: float = 1.0
    """How long the first record waits for others."""
    more_by_age: float = 0.1
    """How much longer, as a part of its age: what is late anyway is folded in larger steps, each of which costs less."""
    longest: float = 10.0
    """But never more than so many times `linger_s`, and not when nothing has come for that time."""
    step_bytes: int = 8 * 2**20
    """So many bytes wait for no others."""
    most_bytes: int = 64 * 2**20
    """So many, over all partitions, make Faust wait and wait for nothing."""


@dataclass(slots=True)
class _Lane:
    """What waits of a partition, from its owner's position on."""

    next: int
    """Nothing before this is taken any more."""
    first: int | None
    """The offset of the first record there is at the position, if there is one yet."""
    offsets: deque[int] = field(default_factory=deque)
    keys: deque[bytes | None] = field(default_factory=deque)
    values: deque[bytes] = field(default_factory=deque)
    timestamps: deque[int] = field(default_factory=deque)
    bytes: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    """When what waits came, by the monotonic clock."""


class Feed:
    """`Reading` of a topic that Faust reads. Put to by Faust's event loop, read by the runner's thread."""

    def __init__(
        self,
        log: KafkaLog,
        pace: Pace,
        now: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._log, self._pace, self._now, self._clock = log, pace, now, clock
        self._lanes: dict[int, _Lane] = {}
        self._changing = threading.Lock()
        self._ends: dict[TopicPartition, tuple[int, int]] = {}

    def open(self, source: TopicPartition, position: int) -> None:
        """From now on take what Faust delivers from this position on. Raises LogError where that is gone."""
        begin = self._log.begin(source)
        if position < begin:
            raise LogError(
                f"{source.topic}/{source.partition} begins at {begin}, and its stage stopped at {position}: what lay "
                "between was removed before it was folded. Let another log be filled from this one: mailwake log copy"
            )
        there = self._log.read(source, position, 1)
        first = there.offsets[0] if there.offsets else None
        with self._changing:
            self._lanes[source.partition] = _Lane(there.next if first is None else first, first)

    def close(self, source: TopicPartition) -> None:
        """Take no more of a partition, and forget what waits."""
        with self._changing:
            self._lanes.pop(source.partition, None)

    def full(self) -> bool:
        """Whether Faust is to wait."""
        with self._changing:
            return self._full()

    def put(self, partition: int, offset: int, key: bytes | None, value: bytes, timestamp: int) -> None:
        """Take a record, unless it was taken before or there is something missing before it.

        Faust delivers in order, but may still hand over what it read for the owner before: then the record at the
        position itself is yet to come.
        """
        with self._changing:
            lane = self._lanes.get(partition)
            if lane is None or offset < lane.next or (lane.first is not None and offset > lane.first):
                return
            lane.last_at = self._now()
            if not lane.offsets:
                lane.first_at = lane.last_at
            lane.offsets.append(offset)
            lane.keys.append(key)
            lane.values.append(value)
            lane.timestamps.append(timestamp)
            lane.next, lane.first = offset + 1, None
            lane.bytes += len(value)

    def partitions(self, topic: str) -> Sequence[TopicPartition]:
        """See `Reading.partitions`."""
        return self._log.partitions(topic)

    def read(self, source: TopicPartition, offset: int, limit: int) -> Batch:
        """See `Reading.read`; nothing until enough has come together, or has waited for long."""
        with self._changing:
            lane = self._lanes.get(source.partition)
            if lane is None or not self._due(lane):
                return Batch(source, offset, offset, (), (), (), ())
            count = min(limit, len(lane.offsets))
            columns = [
                [queue.popleft() for _ in range(count)]
                for queue in (lane.offsets, lane.keys, lane.values, lane.timestamps)
            ]
            offsets, keys, values, timestamps = columns
            lane.bytes -= sum(map(len, values))  # type: ignore[arg-type]
            more = bool(lane.offsets)
        return Batch(source, offset, offsets[-1] + 1, offsets, keys, values, timestamps, more)  # type: ignore[operator, arg-type]

    def begin(self, source: TopicPartition) -> int:
        """See `Reading.begin`."""
        return self._log.begin(source)

    def end(self, source: TopicPartition) -> int:
        """See `Reading.end`: after the last record that can be seen, so that nothing seems to wait at the end."""
        end = self._log.end(source)
        known, visible = self._ends.get(source, (-1, 0))
        if end != known:
            place = KafkaPartition(self._log.cluster.topic(source.topic), source.partition)
            visible = self._log.visible_end(place)
            self._ends[source] = (end, visible)
        return visible

    def _full(self) -> bool:
        return sum(lane.bytes for lane in self._lanes.values()) >= self._pace.most_bytes

    def _due(self, lane: _Lane) -> bool:
        pace, now = self._pace, self._now()
        if not lane.offsets:
            return False
        if lane.bytes >= pace.step_bytes or now - lane.last_at >= pace.linger_s or self._full():
            return True
        late_s = pace.more_by_age * (self._clock() - lane.timestamps[0] / 1000)
        return now - lane.first_at >= min(max(pace.linger_s, late_s), pace.longest * pace.linger_s)
