"""Where records go in the database: the numbers of a topic's partitions, and which of them a record belongs to.

And a step, gathered: the records, positions and chunks of one transaction, each where it goes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streams.log import Record, TopicPartition, UnknownTopic
from streams.partitioner import partition_of
from streams.sqlite.connections import Connections
from streams.sqlite.schema import numbers


class Routing:
    """Of one open log; the database is asked again about a topic that was not there."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._numbers: Mapping[str, Sequence[int]] = {}
        self.topics()

    def topics(self) -> Sequence[str]:
        """Those that there are now."""
        with self._connections.reading() as connection:
            self._numbers = numbers(connection)
        return list(self._numbers)

    def numbers(self, topic: str) -> Sequence[int]:
        """The number of each partition of a topic. Raises UnknownTopic."""
        if topic not in self._numbers:
            self.topics()
        try:
            return self._numbers[topic]
        except KeyError:
            raise UnknownTopic(
                f"{self._connections.path} has no topic {topic}; it has {', '.join(self._numbers) or 'none'}"
            ) from None

    def number(self, source: TopicPartition) -> int:
        """The partition's number in the database. Raises UnknownTopic."""
        partitions = self.numbers(source.topic)
        if not 0 <= source.partition < len(partitions):
            raise UnknownTopic(
                f"topic {source.topic} has partitions 0 to {len(partitions) - 1}, none numbered {source.partition}"
            )
        return partitions[source.partition]

    def route(self, topic: str, records: Sequence[Record], partition: int | None) -> dict[int, list[Record]]:
        """The records for each partition's number, in their order. Raises UnknownTopic."""
        partitions = self.numbers(topic)
        if partition is None and len(partitions) == 1:
            partition = 0
        if partition is not None:
            return {self.number(TopicPartition(topic, partition)): list(records)}
        routed: dict[int, list[Record]] = {}
        for record in records:
            routed.setdefault(partitions[partition_of(record.key, len(partitions))], []).append(record)
        return routed


@dataclass(slots=True)
class SqliteTransaction:
    """A step of the runtime, gathered; `SqliteLog.transaction` writes it when its block ends."""

    _routing: Routing
    appends: list[tuple[int, list[Record]]] = field(default_factory=list)
    commits: list[tuple[str, TopicPartition, int]] = field(default_factory=list)
    state: dict[tuple[str, bytes], bytes | None] = field(default_factory=dict)

    def append(self, topic: str, records: Sequence[Record], partition: int | None = None) -> None:
        """See `Transaction.append`."""
        self.appends += self._routing.route(topic, records, partition).items()

    def commit(self, group: str, source: TopicPartition, offset: int) -> None:
        """See `Transaction.commit`."""
        self._routing.number(source)
        self.commits.append((group, source, offset))

    def put_state(self, stage: str, chunks: Mapping[bytes, bytes | None]) -> None:
        """See `Transaction.put_state`."""
        self.state.update({(stage, key): value for key, value in chunks.items()})
