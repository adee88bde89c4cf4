"""Records to and from Kafka's record batches, and which of them a committed reader sees."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from streams.log import LogError, Record, RecordTooLarge


@dataclass(slots=True)
class Encoded:
    """Records of one batch, until a producer puts its name and number on them: then `data` is what is sent."""

    builder: Any
    count: int
    size: int
    data: bytes = b""

    def seal(self, producer_id: int, epoch: int, sequence: int) -> None:
        """Give the batch its place in the producer's order; once."""
        self.builder.set_producer_state(producer_id, epoch, sequence)
        self.data = bytes(self.builder.build())
        self.builder = None


def encode(records: Sequence[Record], limit: int, transactional: bool, where: str) -> list[Encoded]:
    """The records in as few batches of at most `limit` bytes as there can be. Raises RecordTooLarge."""
    batches: list[Encoded] = []
    place = 0
    while place < len(records):
        builder = DefaultRecordBatchBuilder(2, 0, int(transactional), -1, -1, 0, limit)
        append: Callable[..., object] = builder.append
        start = place
        for index in range(start, len(records)):
            key, value, timestamp = records[index]
            if append(index - start, timestamp, key, value, []) is None:
                break
            place += 1
        size = builder.size()
        if size > limit:
            raise RecordTooLarge(
                f"a record for {where} takes {size} bytes and the topic's max.message.bytes is {limit}: nothing was "
                "kept. Make the record smaller (documents go to blobs), or raise that limit of the topic",
                size,
                limit,
            )
        batches.append(Encoded(builder, place - start, size))
    return batches


@dataclass(slots=True)
class Columns:
    """Decoded records side by side; `next` is the offset after everything that was looked at."""

    next: int
    offsets: list[int] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)

    def take(self, count: int) -> "Columns":
        """The first `count` records, at least one if there are any; they are removed here."""
        head = Columns(
            self.next, self.offsets[:count], self.keys[:count], self.values[:count], self.timestamps[:count]
        )
        del self.offsets[:count], self.keys[:count], self.values[:count], self.timestamps[:count]
        if self.offsets:
            head.next = head.offsets[-1] + 1
        return head


def decode(raw: bytes, aborted: Iterable[tuple[int, int]], into: Columns) -> None:
    """Add what a committed reader sees of fetched batches, from `into.next` on, and move that on.

    `aborted` are the (producer, first offset) of transactions that were given up. Control records and what those
    transactions wrote are passed over. Raises LogError for what is damaged.
    """
    pending = sorted(aborted, key=lambda pair: pair[1], reverse=True)
    given_up: set[int] = set()
    fetched: Any = MemoryRecords(raw)
    while fetched.has_next():
        batch = fetched.next_batch()
        if not batch.validate_crc():
            raise LogError(f"the batch at offset {batch.base_offset} is damaged: its checksum differs")
        while pending and pending[-1][1] <= batch.base_offset:
            given_up.add(pending.pop()[0])
        if batch.is_control_batch:
            if ControlRecord.parse(next(batch).key) == ABORT_MARKER:
                given_up.discard(batch.producer_id)
        elif not (batch.is_transactional and batch.producer_id in given_up):
            _add(batch, into)
        into.next = max(into.next, batch.next_offset)


def _add(batch: Iterable[Any], into: Columns) -> None:
    first = into.next
    for record in batch:
        offset = record.offset
        if offset >= first:
            into.offsets.append(offset)
            into.keys.append(record.key)
            into.values.append(record.value)
            into.timestamps.append(record.timestamp)
