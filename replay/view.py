"""The log as a replay sees it: it ends where the replay ends, and what is appended goes to shadows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from streams.log import Batch, Log, Mark, Record, TopicPartition, Transaction
from streams.running.runner import Generation
from streams.topics import plain

Ends = Mapping[TopicPartition, int]
"""Where partitions end for a replay; one that is not named ends where it ends."""


def ends_now(log: Log, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """Where these topics end at this moment: what is emitted meanwhile is left to the next time."""
    return {source: log.end(source) for topic in topics for source in log.partitions(topic)}


@dataclass(frozen=True, slots=True)
class ReplayLog:
    """A `streams.log.Log` over another one, with ends of its own."""

    log: Log
    generation: Generation
    """Whose shadows take what is appended outside of a runner's steps: the loader's dead letters."""
    ends: Ends = field(default_factory=dict)

    @property
    def id(self) -> str:
        """See `Log.id`."""
        return self.log.id

    def partitions(self, topic: str) -> Sequence[TopicPartition]:
        """See `Log.partitions`."""
        return self.log.partitions(topic)

    def append(self, topic: str, records: Sequence[Record], partition: int | None = None) -> Sequence[int]:
        """See `Log.append`; to the generation's shadow of the topic."""
        return self.log.append(self.generation.topic(topic), records, partition)

    def append_all(self, records: Mapping[str, Sequence[Record]]) -> None:
        """See `Log.append_all`; to the generation's shadows."""
        self.log.append_all({self.generation.topic(topic): some for topic, some in records.items()})

    def read(self, source: TopicPartition, offset: int, limit: int) -> Batch:
        """See `Log.read`; nothing at or after the replay's end."""
        end = max(offset, self.end(source))
        batch = self.log.read(source, offset, min(limit, end - offset))
        if batch.next <= end:
            return batch
        kept = sum(1 for found in batch.offsets if found < end)
        return Batch(
            source,
            batch.first,
            end,
            batch.offsets[:kept],
            batch.keys[:kept],
            batch.values[:kept],
            batch.timestamps[:kept],
        )

    def begin(self, source: TopicPartition) -> int:
        """See `Log.begin`."""
        return self.log.begin(source)

    def end(self, source: TopicPartition) -> int:
        """See `Log.end`; never after the replay's."""
        end = self.log.end(source)
        return min(end, self.ends.get(source, end))

    def mark(self, source: TopicPartition, offset: int) -> Mark:
        """See `Log.mark`."""
        return self.log.mark(source, offset)

    def check(self, mark: Mark) -> None:
        """See `Log.check`."""
        self.log.check(mark)

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See `Log.committed`."""
        return self.log.committed(group)

    def state(self, stage: str) -> Iterator[tuple[bytes, bytes]]:
        """See `Log.state`."""
        return self.log.state(stage)

    def hold(self) -> AbstractContextManager[None]:
        """See `Log.hold`."""
        return self.log.hold()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """See `Log.transaction`; what it appends goes to the generation's shadows."""
        with self.log.transaction() as transaction:
            yield _ShadowTransaction(transaction, self.generation)

    def close(self) -> None:
        """The log under it stays its owner's to close."""


@dataclass(frozen=True, slots=True)
class _ShadowTransaction:
    _transaction: Transaction
    _generation: Generation

    def append(self, topic: str, records: Sequence[Record], partition: int | None = None) -> None:
        own = self._generation.topic(topic) if topic == plain(topic) else topic
        self._transaction.append(own, records, partition)

    def commit(self, group: str, source: TopicPartition, offset: int) -> None:
        self._transaction.commit(group, source, offset)

    def put_state(self, stage: str, chunks: Mapping[bytes, bytes | None]) -> None:
        self._transaction.put_state(stage, chunks)
