"""The log in Apache Kafka: any number of emitting processes, one runtime that is fenced by the broker.

aiokafka runs in a thread of its own behind this synchronous contract. Everything is read as committed, so
offsets have gaps where transactions ended or were given up, and `end` is behind what is still undecided.

What the contract asks for beyond Kafka's own: the log's id and partitions in `mailwake.meta`; groups' positions in
`mailwake.positions` (and in Kafka's groups too, for whoever watches lag there: Kafka forgets those after a week
without a commit); a stage's state in a changelog `mailwake.state.<stage>`. All three are compacted, and a step
changes them in one transaction with its outputs.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from streams.kafka import origin as kafka_origin
from streams.kafka import topics as kafka_topics
from streams.kafka.appending import Appender, Routed, prepared
from streams.kafka.cluster import KafkaCluster, KafkaPartition
from streams.kafka.connection import Background, Connection
from streams.kafka.hold import Hold
from streams.kafka.numbered import NumberedAppends
from streams.kafka.ownership import Ownership, Written
from streams.kafka.reader import Reader
from streams.kafka.reading import positions_of, until_decided
from streams.kafka.routing import KafkaTransaction, Routing
from streams.kafka.steps import Place, Steps, Writes
from streams.log import (
    Batch,
    LogError,
    Mark,
    Record,
    Topic,
    TopicPartition,
)
from streams.marks import check_mark
from streams.partitioner import partition_of

TIMEOUT_S = 30.0
"""How long each thing is tried while brokers do not answer."""


class KafkaLog:
    """`streams.log.Log` in a Kafka cluster; `open` makes one."""

    def __init__(
        self, background: Background, connection: Connection, topics: Sequence[Topic], create: bool = True
    ) -> None:
        self._background, self._connection = background, connection
        self.cluster = connection.cluster
        self._reader = Reader(background, connection)
        self.routing = Routing(background, connection)
        self._runtime: Steps | None = None
        self._id = background.run(
            self._opened(topics) if create else kafka_origin.existing(self._connection, self._reader)
        )
        self._appender = background.run(self._new_appender())

    @classmethod
    def open(
        cls,
        cluster: KafkaCluster,
        topics: Sequence[Topic],
        timeout_s: float = TIMEOUT_S,
        *,
        create: bool = True,
    ) -> "KafkaLog":
        """Open the log in this cluster; `topics` are made where it lacks them.

        Without `create` it must be there, and is left as it is. `timeout_s` is how long each call tries while brokers
        do not answer. Raises LogError, LogUnavailable.
        """
        connection = Connection(cluster, timeout_s)
        background = Background("mailwake-kafka")
        try:
            background.run(connection.start())
            return cls(background, connection, topics, create)
        except BaseException:
            background.run(connection.close())
            background.close()
            raise

    @property
    def id(self) -> str:
        """Made when the log was created, never changed."""
        return self._id

    def noted(self, name: str) -> bytes | None:
        """See `NotedLog.noted`."""
        return self._background.run(kafka_origin.noted(self._connection, self._reader, name))

    def note(self, name: str, value: bytes) -> None:
        """See `NotedLog.note`."""
        self._background.run(kafka_origin.note(self._connection, self._reader, name, value))

    def topics(self) -> Sequence[str]:
        """See `NotedLog.topics`."""
        self._background.run(self._connection.until_done("asking for the topics", self._connection.refresh))
        return sorted(filter(None, map(self.cluster.named, self._connection.topics())))

    def partitions(self, topic: str) -> Sequence[TopicPartition]:
        """See `Log.partitions`."""
        return [TopicPartition(topic, partition) for partition in range(self.routing.count(topic))]

    def append(self, topic: str, records: Sequence[Record], partition: int | None = None) -> Sequence[int]:
        """See `Log.append`; offsets count up from each partition's first."""
        routed = self.routing.route(topic, records, partition)
        firsts = self._append(routed)
        if len(routed) <= 1:
            return [first + index for first in firsts.values() for index in range(len(records))]
        places = {
            source.partition: iter(range(first, first + len(routed[source])))
            for source, first in firsts.items()
        }
        count = self.routing.count(topic)
        return [next(places[partition_of(record.key, count)]) for record in records]

    def append_all(self, records: Mapping[str, Sequence[Record]]) -> None:
        """See `Log.append_all`."""
        route = self.routing.route
        self._append({s: r for topic in records for s, r in route(topic, records[topic], None).items()})

    def read(self, source: TopicPartition, offset: int, limit: int) -> Batch:
        """See `Log.read`; large records make the batch end before `limit` (about 8 MiB)."""
        return self._reader.read(source, self.place(source), offset, limit)

    def begin(self, source: TopicPartition) -> int:
        """See `Log.begin`."""
        return self._reader.bounds(self.place(source))[0]

    def end(self, source: TopicPartition) -> int:
        """See `Log.end`: everything before it is decided; while a transaction is open, it stands still."""
        return self._reader.end(self.place(source))

    def mark(self, source: TopicPartition, offset: int) -> Mark:
        """See `Log.mark`; the record before may be some offsets back, where control records stand between."""
        place = self.place(source)
        if (read := self._reader.digest_read_before(place, offset)) is not None:
            return Mark(self.id, source, offset, read)
        begin, end = self._reader.bounds(place)
        if not 0 <= offset <= end:
            raise LogError(f"{source.topic}/{source.partition} ends at {end}: it has no position {offset}")
        return Mark(self.id, source, offset, self._reader.digest_before(place, begin, offset))

    def check(self, mark: Mark) -> None:
        """See `Log.check`."""
        if mark.log_id != self.id:
            check_mark(mark, self.id, 0, 0, "")
            return
        place = self.place(mark.source)
        begin, end = self._reader.bounds(place)
        compacted = self.routing.configuration(place.topic).compacted
        digest, distance = self._reader.digest_again(place, begin, end, mark, compacted)
        check_mark(mark, self.id, begin, end, digest, distance)

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See `Log.committed`."""
        found: dict[TopicPartition, int] = {}
        for key, value in self._reader.latest(KafkaPartition(self.cluster.positions_topic, 0)).items():
            name, topic, partition = json.loads(key)
            if name == group:
                found[TopicPartition(topic, partition)] = int(value)
        return found

    def state(self, stage: str) -> Iterator[tuple[bytes, bytes]]:
        """See `Log.state`: what is committed when it is called."""
        name = self.cluster.state_topic(stage)
        if name not in self._connection.topics():
            self._background.run(
                self._connection.until_done("asking for the topics", self._connection.refresh)
            )
        if name in self._connection.topics():
            yield from self._reader.latest(KafkaPartition(name, 0)).items()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """See `Log.hold`: the runtime's group, and the next epoch of its transactional id.

        Whoever held the log before is fenced when this begins, and its open transaction ended.
        """
        hold, steps = self._background.run(self._new_runtime())
        self._background.run(hold.take())
        try:
            self._background.run(steps.take_over())
            self._runtime = steps
            try:
                yield
            finally:
                self._runtime = None
        finally:
            self._background.run(hold.release())

    @contextmanager
    def transaction(self) -> Iterator[KafkaTransaction]:
        """See `Log.transaction`: gathered in memory, written when the block ends."""
        runtime = self._runtime
        if runtime is None:
            raise LogError(f"{self.cluster} is not held by this runtime: use hold() around its transactions")
        step = KafkaTransaction(self.routing)
        yield step
        self._check_positions(step.commits)
        writes = self._writes(step)
        limits = self.routing.limits_of({place.topic for place in writes.records})
        self._background.run(runtime.write(writes, limits))

    def own(
        self,
        group: str,
        source: TopicPartition,
        written: Written = lambda chunks, end: None,
        at: Callable[[Place], None] = lambda _: None,
    ) -> Ownership:
        """What a worker that has this partition of a stage needs; nothing is taken over yet."""
        return Ownership(self.routing, self._reader, group, source, written, at)

    def group_positions(self, group: str) -> Mapping[TopicPartition, int]:
        """Where a group goes on as Kafka knows it, whoever works for it: for looking on, not for going on."""
        found = self._background.run(positions_of(self._connection, self.cluster.group(group)))
        named = ((self.cluster.named(place.topic), place, offset) for place, offset in found.items())
        return {TopicPartition(topic, place.partition): offset for topic, place, offset in named if topic}

    def waiting(self, source: TopicPartition, position: int) -> int:
        """How many offsets hold something to read from a position on; 0 where only control markers follow."""
        place = self.place(source)
        end = self._reader.end(place)
        if position >= end or position >= self._reader.visible_end(place):
            return 0
        return end - position

    def left_by(self, group: str, source: TopicPartition) -> int:
        """How many offsets of a partition a group has yet to deal with, as Kafka knows it. Raises LogError."""
        return self.waiting(source, self.group_positions(group).get(source, self.begin(source)))

    def place(self, source: TopicPartition) -> KafkaPartition:
        """A partition as Kafka names it. Raises UnknownTopic."""
        return self.routing.place(source)

    def visible_end(self, place: KafkaPartition) -> int:
        """The offset after the last record that a committed reader sees; 0 when there is none."""
        return self._reader.visible_end(place)

    def numbered(self, writer: str) -> NumberedAppends:
        """Appends under this name, of which only one process at a time may write: the one before is fenced."""
        return NumberedAppends(self.routing, self._reader, writer)

    def until_decided(self, topic: str) -> None:
        """Wait until no transaction is open before what is in a topic now. Raises LogUnavailable."""
        places = [self.place(source) for source in self.partitions(topic)]
        self._background.run(until_decided(self._connection, places))

    def close(self) -> None:
        """See `Log.close`."""
        try:
            self._background.run(self._connection.close())
        except LogError:
            return
        self._background.close()

    def _append(self, routed: Routed) -> Mapping[KafkaPartition, int]:
        if not routed:
            return {}
        batches, transactional = prepared(routed, self.routing.limits_of({place.topic for place in routed}))
        return self._background.run(self._appender.append(batches, transactional))

    def _writes(self, step: KafkaTransaction) -> Writes:
        """A step as one transaction: its outputs, its state's changes, its positions for us and for Kafka."""
        writes = Writes({place: list(records) for place, records in step.appends.items()})
        for (stage, key), value in step.state.items():
            place = KafkaPartition(self._changelog(stage), 0)
            writes.records.setdefault(place, []).append(Record(key, value, 0))
        positions = KafkaPartition(self.cluster.positions_topic, 0)
        for (group, source), offset in step.commits.items():
            key = json.dumps([group, *source]).encode()
            writes.records.setdefault(positions, []).append(Record(key, b"%d" % offset, 0))
            writes.positions.setdefault(self.cluster.group(group), {})[self.place(source)] = offset
        return writes

    def _check_positions(self, commits: Mapping[tuple[str, TopicPartition], int]) -> None:
        for (group, source), offset in commits.items():
            place = self.place(source)
            end = self._reader.end_beyond(place, offset)
            if not 0 <= offset <= end:
                raise LogError(
                    f"group {group} cannot commit {offset}: {source.topic}/{source.partition} ends at {end}"
                )

    def _changelog(self, stage: str) -> str:
        name = self.cluster.state_topic(stage)
        if name not in self._connection.topics():
            self._background.run(kafka_topics.make(self._connection, name, 1, kafka_topics.STATE))
        return name

    async def _opened(self, topics: Sequence[Topic]) -> str:
        return await kafka_origin.opened(self._connection, self._reader, topics)

    async def _new_appender(self) -> Appender:
        return Appender(self._connection)

    async def _new_runtime(self) -> tuple[Hold, Steps]:
        await asyncio.sleep(0)
        return Hold(self._connection), Steps(self._connection, self.cluster.transactional_id("runtime"))
