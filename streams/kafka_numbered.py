"""Appends to Kafka by one writer, each under a number: after a failure or a crash the last number kept is known.

Each is a transaction of the records and of the number, which lies in a compacted topic of its own. Whoever takes the
writer's name over ends what the one before left open, and fences it: then the last number tells whether its append
was kept.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from streams import kafka_topics
from streams.kafka_cluster import KafkaPartition
from streams.kafka_connection import Background, Connection
from streams.kafka_reader import Reader
from streams.kafka_reading import until_decided
from streams.kafka_steps import Steps, Writes
from streams.log import Record

if TYPE_CHECKING:
    from streams.kafka_log import KafkaLog


class NumberedAppends:
    """One writer; `KafkaLog.numbered` makes one."""

    def __init__(self, log: "KafkaLog", parts: tuple[Background, Connection, Reader], writer: str) -> None:
        self._log, self._key = log, writer.encode()
        self._background, self._connection, self._reader = parts
        self._numbers = KafkaPartition(log.cluster.topic("mailwake.writers"), 0)
        self._steps = self._background.run(self._take_over(log.cluster.transactional_id(writer)))

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
            for place, routed in self._log.route(topic, several, None).items():
                writes.records.setdefault(place, []).extend(routed)
        writes.records[self._numbers] = [Record(self._key, b"%d" % number, 0)]
        limits = self._log.limits_of({place.topic for place in writes.records})
        self._background.run(self._steps.write(writes, limits))

    async def _take_over(self, transactional_id: str) -> Steps:
        await kafka_topics.make(self._connection, self._numbers.topic, 1, kafka_topics.POSITIONS)
        steps = Steps(self._connection, transactional_id, awaiting_visibility=False)
        await steps.take_over()
        return steps
