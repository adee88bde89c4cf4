"""Appends to Kafka by one writer, each under a number: after a failure or a crash the last number kept is known.

Each is a transaction of the records and of the number, which lies in a compacted topic of its own. Whoever takes the
writer's name over ends what the one before left open, and fences it: then the last number tells whether its append
was kept.
"""

from collections.abc import Mapping, Sequence

from streams.kafka import topics as kafka_topics
from streams.kafka.cluster import KafkaPartition
from streams.kafka.reader import Reader
from streams.kafka.reading import until_decided
from streams.kafka.routing import Routing
from streams.kafka.steps import Steps, Writes
from streams.log import Record


class NumberedAppends:
    """One writer; `KafkaLog.numbered` makes one."""

    def __init__(self, routing: Routing, reader: Reader, writer: str) -> None:
        self._routing, self._reader, self._key = routing, reader, writer.encode()
        self._background, self._connection = routing.background, routing.connection
        self._numbers = KafkaPartition(routing.cluster.topic("mailwake.writers"), 0)
        self._steps = self._background.run(self._take_over(routing.cluster.transactional_id(writer)))

    def last(self) -> int | None:
        """The number of the last append that was kept, None before the first. Raises LogError, LogUnavailable."""
        # Other writers' transactions share the partition, and ours may be behind one that is open.
        self._background.run(until_decided(self._connection, [self._numbers]))
        found = self._reader.latest(self._numbers).get(self._key)
        return None if found is None else int(found)

    def append_all(self, records: Mapping[str, Sequence[Record]], number: int) -> None:
        """Append to several topics, all or nothing, and keep the number with it. Raises Fenced, and as `Log.append`."""
        writes = Writes()
        for topic, several in records.items():
            for place, routed in self._routing.route(topic, several, None).items():
                writes.records.setdefault(place, []).extend(routed)
        writes.records[self._numbers] = [Record(self._key, b"%d" % number, 0)]
        limits = self._routing.limits_of({place.topic for place in writes.records})
        self._background.run(self._steps.write(writes, limits))

    async def _take_over(self, transactional_id: str) -> Steps:
        await kafka_topics.make(self._connection, self._numbers.topic, 1, kafka_topics.POSITIONS)
        steps = Steps(self._connection, transactional_id, awaiting_visibility=False)
        await steps.take_over()
        return steps
