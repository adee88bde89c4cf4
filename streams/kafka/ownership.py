"""One partition of a stage, owned: what a worker on a log in Kafka needs of `Progress`, and keeps from all others.

State and position lie in a compacted changelog, in the partition of the same number. So nobody else's transaction
stands in the way of reading them, and they change with the outputs or not at all. Kafka's own group has the position
as well, for whoever watches lag there.

The transactional id is that of the partition, whoever owns it: to take over is to end what the former owner has
open, and to fence it if it was only paused. That comes before anything is read.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from streams.kafka import topics as kafka_topics
from streams.kafka.cluster import KafkaCluster, KafkaPartition
from streams.kafka.reader import Reader
from streams.kafka.routing import KafkaTransaction, Routing
from streams.kafka.steps import Place, Steps, Writes
from streams.log import LogError, Record, TopicPartition
from streams.running.seats import Work

POSITION = b"\x00position"
"""The key of the position among the chunks."""

Written = Callable[[Mapping[bytes, bytes | None], int | None], None]
"""Told which chunks a step has changed, and the changelog's offset after them where that is known."""


class Ownership:
    """`Progress` of one stage on one partition; `KafkaLog.own` makes one. Used by one thread at a time."""

    def __init__(
        self,
        routing: Routing,
        reader: Reader,
        group: str,
        source: TopicPartition,
        written: Written,
        at: Callable[[Place], None],
    ) -> None:
        self._routing, self._reader, self._written, self._at = routing, reader, written, at
        self._background, self._cluster = routing.background, routing.cluster
        self.group, self.source = group, source
        self.changelog = KafkaPartition(changelog_of(self._cluster, group, source.topic), source.partition)
        self._steps = Steps(
            routing.connection,
            self._cluster.transactional_id(f"{group}.{source.topic}.{source.partition}"),
            awaiting_visibility=False,
            at=at,
        )
        self._position: int | None = None
        self._chunks: Mapping[bytes, bytes] = {}

    def take_over(self) -> None:
        """Become the owner: whoever was it before can write nothing more. Raises LogUnavailable, LogError."""
        make_changelog(self._routing, self.group, self.source.topic)
        self._background.run(self._steps.take_over())
        self._at("fenced")

    def renew(self) -> bool:
        """Whether this is still the owner, and nobody was meanwhile. Raises LogUnavailable."""
        return self._background.run(self._steps.renew())

    def recover(
        self, chunks: Mapping[bytes, bytes] | None = None, goes_on: Callable[[], None] = lambda: None
    ) -> None:
        """Learn state and position: from the changelog, or from what somebody else has read of it to the end.

        `goes_on` is called as the changelog is read.
        """
        found = dict(self._reader.latest(self.changelog, goes_on) if chunks is None else chunks)
        position = found.pop(POSITION, None)
        self._position, self._chunks = None if position is None else int(position), found
        self._at("recovered")

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See `Progress.committed`."""
        self._refuse_another(group, self.source)
        return {} if self._position is None else {self.source: self._position}

    def state(self, stage: str) -> Iterator[tuple[bytes, bytes]]:
        """See `Progress.state`: what was recovered, given once."""
        chunks, self._chunks = self._chunks, {}
        return iter(chunks.items())

    @contextmanager
    def transaction(self) -> Iterator[KafkaTransaction]:
        """See `Progress.transaction`."""
        step = KafkaTransaction(self._routing)
        yield step
        chunks: dict[bytes, bytes | None] = {key: value for (_, key), value in step.state.items()}
        writes = Writes({place: list(records) for place, records in step.appends.items()})
        for (group, source), offset in step.commits.items():
            self._refuse_another(group, source)
            chunks[POSITION] = b"%d" % offset
            writes.positions[self._cluster.group(group)] = {self._routing.place(source): offset}
        if chunks:
            writes.records[self.changelog] = [Record(key, value, 0) for key, value in chunks.items()]
        limits = self._routing.limits_of({place.topic for place in writes.records})
        ends = self._background.run(self._steps.write(writes, limits))
        for offset in step.commits.values():
            self._position = offset
        self._written(chunks, ends.get(self.changelog))

    def _refuse_another(self, group: str, source: TopicPartition) -> None:
        if (group, source) != (self.group, self.source):
            raise LogError(
                f"{group} on {source.topic}/{source.partition} is not what is owned here, "
                f"{self.group} on {self.source.topic}/{self.source.partition}"
            )


@dataclass(frozen=True, slots=True)
class Owned:
    """A seat: work on a partition that is owned."""

    ownership: Ownership
    work: Work
    close: Callable[[], None] = lambda: None
    """Lets go of what the work holds."""

    def step(self) -> int:
        """See `Work.step`."""
        return self.work.step()

    def lag(self) -> int:
        """See `Work.lag`."""
        return self.work.lag()

    def lag_seconds(self) -> float:
        """See `Work.lag_seconds`."""
        return self.work.lag_seconds()

    def renew(self) -> bool:
        """See `Seat.renew`."""
        return self.ownership.renew()


def changelog_of(cluster: KafkaCluster, group: str, topic: str) -> str:
    """Kafka's name of the changelog of a stage on a topic."""
    return cluster.state_topic(f"{group}.{topic}")


def make_changelog(routing: Routing, group: str, topic: str) -> None:
    """Make the changelog of a stage on a topic where it is missing. Raises LogError where it does not fit it."""
    name, partitions = changelog_of(routing.cluster, group, topic), routing.count(topic)
    routing.background.run(kafka_topics.make(routing.connection, name, partitions, kafka_topics.STATE))
    if (found := routing.count_in_kafka(name)) != partitions:
        raise LogError(
            f"the changelog {name} has {found} partitions, and {topic} has {partitions}: it was not made by mailwake, "
            "or the topic grew. Let another log be filled from this one: mailwake log copy"
        )
