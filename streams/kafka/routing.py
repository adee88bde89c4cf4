"""Where records go in Kafka: the partitions of a topic, which of them a record belongs to, how large a batch may be.

And a step, gathered: the records, positions and chunks of one transaction, each where it goes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streams.kafka import topics as kafka_topics
from streams.kafka.cluster import KafkaPartition
from streams.kafka.connection import Background, Connection
from streams.log import Record, TopicPartition, UnknownTopic
from streams.partitioner import partition_of


class Routing:
    """Of one open log; what brokers say about a topic is asked for once. Each call may raise LogUnavailable."""

    def __init__(self, background: Background, connection: Connection) -> None:
        self.background, self.connection = background, connection
        self.cluster = connection.cluster
        self._configured: dict[str, kafka_topics.Configured] = {}

    def count(self, topic: str) -> int:
        """How many partitions a topic has. Raises UnknownTopic."""
        return self.count_in_kafka(self.cluster.topic(topic), topic)

    def count_in_kafka(self, name: str, told_as: str = "") -> int:
        """The same by the name that Kafka has for it; `told_as` is what errors call it. Raises UnknownTopic."""
        if known := self.connection.known_partitions(name):
            return known
        asking = self.connection.until_done(
            f"asking for topic {told_as or name}", lambda: self.connection.partitions(name)
        )
        return self.background.run(asking)

    def place(self, source: TopicPartition) -> KafkaPartition:
        """A partition as Kafka names it. Raises UnknownTopic."""
        count = self.count(source.topic)
        if not 0 <= source.partition < count:
            raise UnknownTopic(
                f"topic {source.topic} has partitions 0 to {count - 1}, none numbered {source.partition}"
            )
        return KafkaPartition(self.cluster.topic(source.topic), source.partition)

    def route(
        self, topic: str, records: Sequence[Record], partition: int | None
    ) -> dict[KafkaPartition, list[Record]]:
        """The records for each partition, in their order. Raises UnknownTopic."""
        count = self.count(topic)
        name = self.cluster.topic(topic)
        if partition is not None or count == 1:
            place = self.place(TopicPartition(topic, partition or 0))
            return {place: list(records)} if records else {}
        routed: dict[KafkaPartition, list[Record]] = {}
        for record in records:
            routed.setdefault(KafkaPartition(name, partition_of(record.key, count)), []).append(record)
        return routed

    def limits_of(self, topics: set[str]) -> Mapping[str, int]:
        """The most bytes of one batch, by Kafka's name of the topic. Raises UnknownTopic."""
        return {name: self.configuration(name).largest_batch for name in topics}

    def configuration(self, name: str) -> kafka_topics.Configured:
        """What a topic allows, by Kafka's name of it. Raises UnknownTopic."""
        if name not in self._configured:
            self._configured[name] = self.background.run(kafka_topics.configured(self.connection, name))
        return self._configured[name]


@dataclass(slots=True)
class KafkaTransaction:
    """A step, gathered; whoever gave it out writes it when its block ends."""

    _routing: Routing
    appends: dict[KafkaPartition, list[Record]] = field(default_factory=dict)
    commits: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)
    state: dict[tuple[str, bytes], bytes | None] = field(default_factory=dict)

    def append(self, topic: str, records: Sequence[Record], partition: int | None = None) -> None:
        """See `Transaction.append`."""
        for place, routed in self._routing.route(topic, records, partition).items():
            self.appends.setdefault(place, []).extend(routed)

    def commit(self, group: str, source: TopicPartition, offset: int) -> None:
        """See `Transaction.commit`."""
        self._routing.place(source)
        self.commits[group, source] = offset

    def put_state(self, stage: str, chunks: Mapping[bytes, bytes | None]) -> None:
        """See `Transaction.put_state`."""
        self.state.update({(stage, key): value for key, value in chunks.items()})
