"""Reading for callers without an event loop: batches, bounds, compacted topics whole, digests for marks."""

from collections import deque
from collections.abc import Callable, Mapping

from streams.kafka.batches import Columns, decode
from streams.kafka.cluster import KafkaPartition
from streams.kafka.connection import Background, Connection
from streams.kafka.reading import EARLIEST, FETCH_BYTES, LATEST, OutOfRange, fetch, offsets
from streams.log import Batch, LogError, Mark, OffsetGone, TopicPartition
from streams.marks import record_digest

BATCH_BYTES = 8 * 2**20
"""A batch ends when about so much was fetched for it."""

_LOOK_BACK = (1, 8, 64, 512, 4096)
_FEW_BYTES = 2**16
_BATCHES_AHEAD = 4
"""How many batches of a partition may be read before a mark is made of the first."""


class Reader:
    """Reads as committed. What was fetched beyond a batch's limit is kept for the batch after it."""

    def __init__(self, background: Background, connection: Connection) -> None:
        self._background, self._connection = background, connection
        self._left: dict[KafkaPartition, tuple[int, Columns]] = {}
        self._ends: dict[KafkaPartition, int] = {}
        self._read_up_to: dict[KafkaPartition, deque[tuple[int, str]]] = {}

    def read(self, source: TopicPartition, place: KafkaPartition, offset: int, limit: int) -> Batch:
        """At most `limit` records from `offset` on. Raises OffsetGone, LogError.

        One record is what is looked at by those who look on: they fetch little, and leave alone what was kept.
        """
        if limit == 1:
            return self._one(source, place, offset)
        first, columns = self._left.pop(place, (-1, Columns(offset)))
        if first != offset:
            columns = Columns(offset)
            self._fill(place, columns, limit)
        batch = columns.take(limit)
        if columns.offsets:
            self._left[place] = (batch.next, columns)
        if batch.offsets:
            ends = self._read_up_to.setdefault(place, deque(maxlen=_BATCHES_AHEAD))
            ends.append((batch.next, _digest_of_last(batch, batch.next)))
        more = bool(columns.offsets) or batch.next < self._ends.get(place, 0)
        return Batch(
            source, offset, batch.next, batch.offsets, batch.keys, batch.values, batch.timestamps, more
        )

    def bounds(self, place: KafkaPartition) -> tuple[int, int]:
        """The first offset there is, and the end."""
        begin = self._background.run(offsets(self._connection, [place], EARLIEST))[place]
        return begin, self.end(place)

    def end(self, place: KafkaPartition) -> int:
        """The offset that everything decided is before."""
        end = self._background.run(offsets(self._connection, [place], LATEST))[place]
        self._ends[place] = max(end, self._ends.get(place, 0))
        return end

    def visible_end(self, place: KafkaPartition) -> int:
        """The offset after the last record that a committed reader sees; 0 when there is none."""
        begin, end = self.bounds(place)
        back = 64
        while True:
            start = max(begin, end - back)
            columns = self._records(place, start, end) if start < end else Columns(end)
            if columns.offsets:
                return columns.offsets[-1] + 1
            if start == begin:
                return 0
            back *= 8

    def end_beyond(self, place: KafkaPartition, offset: int) -> int:
        """An end that was seen, if it is at or after `offset`; else the end now."""
        seen = self._ends.get(place, 0)
        return seen if seen >= offset else self.end(place)

    def latest(
        self, place: KafkaPartition, goes_on: Callable[[], None] = lambda: None
    ) -> Mapping[bytes, bytes]:
        """The last value of each key of a compacted partition, as of now; `goes_on` is called as it is read."""
        return self._background.run(self.latest_async(place, goes_on))

    async def latest_async(
        self, place: KafkaPartition, goes_on: Callable[[], None] = lambda: None
    ) -> Mapping[bytes, bytes]:
        """See `latest`."""
        begin = (await offsets(self._connection, [place], EARLIEST))[place]
        end = (await offsets(self._connection, [place], LATEST))[place]
        found: dict[bytes, bytes] = {}
        columns = Columns(begin)
        while columns.next < end:
            fetched = await fetch(self._connection, place, columns.next)
            reached = columns.next
            decode(fetched.data, fetched.aborted, columns)
            if columns.next == reached:
                break
            goes_on()
            for key, value in zip(columns.keys, columns.values, strict=True):
                if value is not None:
                    found[key or b""] = value
                else:
                    found.pop(key or b"", None)
            columns = Columns(columns.next)
        return found

    def digest_read_before(self, place: KafkaPartition, offset: int) -> str | None:
        """`digest_before`, where a batch that was read lately ends there; None elsewhere."""
        return dict(self._read_up_to.get(place, ())).get(offset)

    def digest_before(self, place: KafkaPartition, begin: int, offset: int) -> str:
        """The digest of the last record before an offset, and how far back it is if not right before; "" if gone."""
        for back in _LOOK_BACK:
            start = max(begin, offset - back)
            columns = self._records(place, start, offset) if start < offset else Columns(offset)
            if columns.offsets:
                return _digest_of_last(columns, offset)
            if start == begin:
                break
        return ""

    def digest_again(
        self, place: KafkaPartition, begin: int, end: int, mark: Mark, compacted: bool
    ) -> tuple[str, int]:
        """That of the record which a mark is about, "" if it is gone; and how far before the mark it is.

        From between others only compaction removes records: elsewhere there never was one, and the log is another.
        """
        _, _, back = mark.digest.partition("-")
        distance = int(back or 1)
        at = mark.offset - distance
        if not begin <= at < end:
            return "", distance
        columns = self._records(place, at, at + 1)
        if not columns.offsets:
            return "" if compacted else "of no record", distance
        digest = record_digest(columns.keys[-1], columns.values[-1])
        return (f"{digest}-{distance}" if back else digest), distance

    def _records(self, place: KafkaPartition, start: int, stop: int) -> Columns:
        """Those from `start` on and before `stop`."""
        columns = Columns(start)
        while columns.next < stop:
            reached = columns.next
            try:
                fetched = self._background.run(fetch(self._connection, place, reached, _FEW_BYTES))
            except OutOfRange:
                break
            decode(fetched.data, fetched.aborted, columns)
            if columns.next == reached:
                break
        before = sum(offset < stop for offset in columns.offsets)
        return columns.take(before) if before else Columns(stop)

    def _one(self, source: TopicPartition, place: KafkaPartition, offset: int) -> Batch:
        columns = Columns(offset)
        self._fill(place, columns, 1, _FEW_BYTES)
        one = columns.take(1)
        return Batch(source, offset, one.next, one.offsets, one.keys, one.values, one.timestamps)

    def _fill(
        self, place: KafkaPartition, columns: Columns, limit: int, most_bytes: int = FETCH_BYTES
    ) -> None:
        fetched_bytes, first = 0, columns.next
        while len(columns.offsets) < limit and fetched_bytes < BATCH_BYTES:
            try:
                fetched = self._background.run(fetch(self._connection, place, columns.next, most_bytes))
            except OutOfRange:
                self._refuse(place, columns.next)
                continue
            self._ends[place] = max(fetched.end, self._ends.get(place, 0))
            if first > fetched.end:
                raise LogError(
                    f"{place.topic}/{place.partition} ends at {fetched.end}: there is nothing at {first} yet"
                )
            reached = columns.next
            decode(fetched.data, fetched.aborted, columns)
            fetched_bytes += len(fetched.data)
            if columns.next == reached:
                columns.next = max(reached, fetched.end)
            if columns.next >= fetched.end:
                return

    def _refuse(self, place: KafkaPartition, offset: int) -> None:
        """Say what is wrong with an offset, if it is still wrong."""
        begin, end = self.bounds(place)
        where = f"{place.topic}/{place.partition}"
        if offset < begin:
            raise OffsetGone(f"{where} begins at {begin}: {offset} is no longer kept", begin)
        if offset > end:
            raise LogError(f"{where} ends at {end}: there is nothing at {offset} yet")


def _digest_of_last(columns: Columns, offset: int) -> str:
    """Of the last record, and how far before an offset it is if not right before."""
    distance = offset - columns.offsets[-1]
    digest = record_digest(columns.keys[-1], columns.values[-1])
    return digest if distance == 1 else f"{digest}-{distance}"
