"""The log, the contract that everything else stands on.

A log has topics; a topic has partitions; a partition is a sequence of records at offsets 0, 1, 2, ... that
is only ever appended to. Offsets are never reused. Retention and compaction remove records: the offsets that
are left stay what they were.

Two things change a log: `Log.append`, which any number of processes may call, and a `Transaction`, which the
one runtime that holds the log uses to make a step's outputs, state and positions durable together or not at
all. `tests/streams/log_conformance.py` holds what every implementation must pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class LogError(Exception):
    """Something about the log an operator must know; the message says what, where and what to do."""


class NoLog(LogError):
    """There is no log there."""


class LogInUse(LogError):
    """Another runtime holds this log."""


class Fenced(LogError):
    """Another runtime has taken this log over since; this one must write nothing more and exit."""


class LogFull(LogError):
    """The log could not grow (disk full, quota, file size limit). Nothing of the append was kept."""


class LogUnavailable(LogError):
    """The log's servers do not answer now. It passes: wait, and do the same again.

    What an append had sent may have been kept all the same; a step that is done again as it was is kept once.
    """


class RecordRefused(LogError):
    """The log takes no such record, whenever it is appended. Nothing of the append was kept."""


class RecordTooLarge(RecordRefused):
    """A record is larger than the log takes; `size` and `limit` are in bytes. Nothing of the append was kept."""

    def __init__(self, message: str, size: int, limit: int) -> None:
        super().__init__(message)
        self.size, self.limit = size, limit


class OffsetGone(LogError):
    """The offset asked for is before the oldest record still kept; `begin` is the first one there is."""

    def __init__(self, message: str, begin: int) -> None:
        super().__init__(message)
        self.begin = begin


class UnknownTopic(LogError):
    """No such topic, or no such partition of it."""


class TopicPartition(NamedTuple):
    """One partition of a topic: the unit of order."""

    topic: str
    partition: int = 0


class Record(NamedTuple):
    """What is appended: a key (chooses the partition, and what compaction replaces) and a framed Avro value.

    A value of None is a tombstone: compaction then forgets the key. `timestamp` is when it was appended, in
    milliseconds since the epoch; retention by age goes by it.
    """

    key: bytes | None
    value: bytes | None
    timestamp: int


@dataclass(frozen=True, slots=True)
class Batch:
    """The unit of work: consecutive records of one partition.

    `offsets[i]` is the offset of `values[i]`; they have gaps where compaction removed records. `next` is the
    offset to read at afterwards; `next == first` only at the end of the partition.
    """

    source: TopicPartition
    first: int
    next: int
    offsets: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    timestamps: Sequence[int]
    more: bool = False
    """Whether more was seen behind it when it was read; what came since may be there all the same."""

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Mark:
    """A position that can be checked later: where, in which log, and a digest of the record just before it.

    Whoever stores a position outside the log (the warehouse does) stores a mark and hands it to
    `Log.check` before going on, so that a log that was replaced, cut or regrown is noticed.
    """

    log_id: str
    source: TopicPartition
    offset: int
    digest: str


class Transaction(Protocol):
    """One step of the runtime: nothing of it is visible before the `with` block ends, all of it after."""

    def append(self, topic: str, records: Sequence[Record], partition: int | None = None) -> None:
        """Add records to a topic; each key chooses its partition (`streams.partitioner`) unless one is given."""

    def commit(self, group: str, source: TopicPartition, offset: int) -> None:
        """The group has dealt with everything of that partition before `offset`."""

    def put_state(self, stage: str, chunks: Mapping[bytes, bytes | None]) -> None:
        """Replace chunks of a stage's state by key; None removes one."""


class Reading(Protocol):
    """Partitions as whoever works on them reads them."""

    def partitions(self, topic: str) -> Sequence[TopicPartition]:
        """The partitions of a topic. Raises UnknownTopic."""

    def read(self, source: TopicPartition, offset: int, limit: int) -> Batch:
        """At most `limit` records from `offset` on, fewer if large. Raises OffsetGone; LogError past the end."""

    def begin(self, source: TopicPartition) -> int:
        """The first offset to read at: retention by age or size has removed what was before (compaction has not)."""

    def end(self, source: TopicPartition) -> int:
        """The offset that the next record will get."""


class Progress(Protocol):
    """What a runtime has done for good, and the steps by which it goes on."""

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """Where a group goes on, for each partition it has committed; nothing uncommitted shows."""

    def state(self, stage: str) -> Iterator[tuple[bytes, bytes]]:
        """All chunks of a stage's committed state."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A step of the runtime that holds the log; rolled back if the block raises. Raises Fenced, LogFull."""


class Log(Reading, Progress, Protocol):
    """A durable, ordered, partitioned log of framed records. Methods block until done; safe to use from threads."""

    @property
    def id(self) -> str:
        """Made when the log was created, never changed."""

    def append(self, topic: str, records: Sequence[Record], partition: int | None = None) -> Sequence[int]:
        """Add records, all or nothing; returns their offsets once they are durable. Raises LogFull, UnknownTopic."""

    def append_all(self, records: Mapping[str, Sequence[Record]]) -> None:
        """Add records to several topics in one go, all or nothing. Raises as `append`."""

    def mark(self, source: TopicPartition, offset: int) -> Mark:
        """A checkable form of this position."""

    def check(self, mark: Mark) -> None:
        """Raise LogError, saying what differs, unless this log continues the one that the mark was made on."""

    def hold(self) -> AbstractContextManager[None]:
        """Become the log's one runtime for the length of the block. Raises LogInUse."""

    def close(self) -> None:
        """Release files and connections."""


class NotedLog(Log, Protocol):
    """A log that also knows its topics, and keeps short notes about itself: which keyring it belongs to, say."""

    def topics(self) -> Sequence[str]:
        """The names of all topics there are."""

    def noted(self, name: str) -> bytes | None:
        """What was last noted under this name; None if nothing was."""

    def note(self, name: str, value: bytes) -> None:
        """Note something under a name, durable when it returns; whoever may append may. Raises LogError."""


@dataclass(frozen=True, slots=True)
class Retention:
    """What a topic keeps: records up to an age, and up to so many bytes in each partition; None means for ever.

    A compacted topic keeps the latest record of each key, a tombstone for a while, and records without a key.
    """

    max_age_ms: int | None = None
    max_bytes: int | None = None
    compacted: bool = False
    since_append: bool = False
    """Age counts from the append, not from the record's timestamp: what is made anew from years-old input is not too
    old when it is made. Kafka stamps such a topic's records itself; embedded there is none."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as declared: its name, how many partitions, and what is kept."""

    name: str
    partitions: int = 1
    retention: Retention = field(default_factory=Retention)
    spreads: bool = False
    """Whether `partitions` only says how many it is made with: any number will do that stays what it was."""
