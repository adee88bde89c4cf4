"""Appends to Kafka by one writer, each under a number: after a failure or a crash the last number kept is known.

Each is a transaction of the records and of the number, which lies among the positions. Whoever takes the writer's
name over ends what the one before left open, and fences it: then the last number tells whether its append was kept.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from streams.kafka_cluster import KafkaPartition
from streams.kafka_connection import Background, Connection
from streams.kafka_steps import Steps, Writes
from streams.log import Record, TopicPartition

if TYPE_CHECKING:
    from streams.kafka_log import KafkaLog

_PLACE = TopicPartition("writer")


class NumberedAppends:
    """One writer; `KafkaLog.numbered` makes one."""

    def __init__(self, log: "KafkaLog", background: Background, connection: Connection, writer: str) -> None:
        self._log, self._background, self._writer = log, background, writer
        self._positions = KafkaPartition(log.cluster.positions_topic, 0)
        self._steps = background.run(self._new_steps(connection, log.cluster.transactional_id(writer)))
        background.run(self._steps.take_over())

    def last(self) -> int | None:
        """The number of the last append that was kept, None before the first. Raises LogError."""
        return self._log.committed(self._writer).get(_PLACE)

    def append_all(self, records: Mapping[str, Sequence[Record]], number: int) -> None:
        """Append to several topics, all or nothing, and keep the number with it. Raises Fenced, and as `Log.append`."""
        writes = Writes()
        for topic, several in records.items():
            for place, routed in self._log.route(topic, several, None).items():
                writes.records.setdefault(place, []).extend(routed)
        key = json.dumps([self._writer, *_PLACE]).encode()
        writes.records[self._positions] = [Record(key, b"%d" % number, 0)]
        limits = self._log.limits_of({place.topic for place in writes.records})
        self._background.run(self._steps.write(writes, limits))

    async def _new_steps(self, connection: Connection, transactional_id: str) -> Steps:
        return Steps(connection, transactional_id, awaiting_visibility=False)
