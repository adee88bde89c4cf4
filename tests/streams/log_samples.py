"""Topics and records for tests of logs, and how they read them back."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import pytest

from streams.log import (
    Log,
    Record,
    Retention,
    Topic,
    TopicPartition,
)

Opener = Callable[[Sequence[Topic]], Log]

EVENTS = TopicPartition("events")
LATEST = TopicPartition("latest")
BRIEF = TopicPartition("brief")
TOPICS = (
    Topic("events"),
    Topic("spread", partitions=4),
    Topic("latest", retention=Retention(compacted=True)),
    Topic("brief", retention=Retention(max_age_ms=1_000)),
)


def records(count: int, start: int = 0) -> list[Record]:
    return [Record(b"key %d" % i, b"value %d" % i, 1_000 + i) for i in range(start, start + count)]


def read_all(log: Log, source: TopicPartition, limit: int = 7) -> list[tuple[int, Record]]:
    """Everything of a partition, read in batches of `limit` that must join up."""
    found: list[tuple[int, Record]] = []
    offset = log.begin(source)
    while True:
        batch = log.read(source, offset, limit)
        assert batch.source == source
        assert batch.first == offset
        assert len(batch) == len(batch.offsets) == len(batch.keys) == len(batch.timestamps) <= limit
        assert all(batch.first <= o < batch.next for o in batch.offsets)
        found += [
            (o, Record(*rest))
            for o, *rest in zip(batch.offsets, batch.keys, batch.values, batch.timestamps, strict=True)
        ]
        if batch.next == batch.first:
            assert offset == log.end(source)
            return found
        offset = batch.next


def values_of(log: Log, source: TopicPartition) -> list[bytes | None]:
    return [record.value for _, record in read_all(log, source)]


class LogSuite(ABC):
    """What a suite is given by whoever subclasses it."""

    @pytest.fixture
    @abstractmethod
    def opener(self) -> Opener:
        """Opens one and the same log, empty at first: each call as another process would, all closed at the end."""

    @abstractmethod
    def retain(self, log: Log, now_ms: int) -> None:
        """Have retention and compaction done as of that time."""

    @pytest.fixture
    def log(self, opener: Opener) -> Log:
        return opener(TOPICS)
