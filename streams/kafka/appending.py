"""Appends of any process: one batch by itself where it can be, else a transaction; either is all or nothing."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence

from streams.kafka.batches import encode
from streams.kafka.cluster import KafkaPartition
from streams.kafka.connection import Connection
from streams.kafka.producing import Batches, Producer, StaleEpoch
from streams.kafka.steps import ends, wait_until_visible
from streams.log import LogUnavailable, Record

Routed = Mapping[KafkaPartition, Sequence[Record]]


def prepared(routed: Routed, limits: Mapping[str, int]) -> tuple[Batches, bool]:
    """The batches to send, and whether they need a transaction. Raises RecordTooLarge.

    A batch is written whole or not at all, so records that fit into one need no transaction.
    """
    several = len(routed) > 1
    batches = _encoded(routed, limits, several)
    if not several and any(len(found) > 1 for found in batches.values()):
        return _encoded(routed, limits, True), True
    return batches, several


def _encoded(routed: Routed, limits: Mapping[str, int], transactional: bool) -> Batches:
    return {
        source: encode(records, limits[source.topic], transactional, f"{source.topic}/{source.partition}")
        for source, records in routed.items()
    }


class Appender:
    """This process's producers; each gets its identity when it is first needed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._plain = Producer(connection, None)
        self._whole = Producer(connection, connection.cluster.transactional_id(f"emitter.{uuid.uuid4().hex}"))
        self._turns = {producer: asyncio.Lock() for producer in (self._plain, self._whole)}

    async def append(self, batches: Batches, transactional: bool) -> Mapping[KafkaPartition, int]:
        """Write them, all or nothing; each partition's first offset. Raises LogUnavailable, LogError."""
        producer = self._whole if transactional else self._plain
        async with self._turns[producer]:
            try:
                return await (self._transaction if transactional else self._batch)(producer, batches)
            except StaleEpoch:
                producer.forget()
                raise LogUnavailable(
                    f"{self._connection.cluster}: the broker gave up a transaction that stood still; nothing of it was "
                    "kept, do it again"
                ) from None
            except BaseException:
                producer.forget()
                raise

    async def _batch(self, producer: Producer, batches: Batches) -> Mapping[KafkaPartition, int]:
        if not producer.begun:
            await producer.begin()
        return await producer.produce(batches)

    async def _transaction(self, producer: Producer, batches: Batches) -> Mapping[KafkaPartition, int]:
        if not producer.begun:
            await producer.begin()
        await producer.add_partitions(list(batches))
        firsts = await producer.produce(batches)
        await producer.end()
        await wait_until_visible(self._connection, ends(firsts, batches))
        return firsts
