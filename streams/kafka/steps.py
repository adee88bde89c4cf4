"""Writing the runtime's steps: each a transaction, fenced, and known to be kept or not before another is written."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from streams.kafka.batches import encode
from streams.kafka.cluster import KafkaPartition
from streams.kafka.connection import Connection
from streams.kafka.producing import Batches, Producer, StaleEpoch
from streams.kafka.reading import LATEST, offsets
from streams.log import Fenced, LogUnavailable, Record

VISIBLE_WITHIN_S = 5.0

_GIVEN_UP = "{}: the broker gave up a transaction that stood still; nothing of it was kept, do it again"


Place = Literal["fenced", "recovered", "begun", "sent", "positioned", "ended"]
"""Where a crash must lose nothing: the former owner is fenced, its state is read; within a transaction partitions
were added, records written, positions added, and it was committed."""


@dataclass(slots=True)
class Writes:
    """What one transaction holds: records by partition, and positions by Kafka's name of the group."""

    records: dict[KafkaPartition, list[Record]] = field(default_factory=dict)
    positions: dict[str, dict[KafkaPartition, int]] = field(default_factory=dict)

    def encoded(self, limits: Mapping[str, int]) -> Batches:
        """The batches to send; `limits` by topic, in bytes. Raises RecordTooLarge."""
        return {
            source: encode(records, limits[source.topic], True, f"{source.topic}/{source.partition}")
            for source, records in self.records.items()
            if records
        }


class Steps:
    """The runtime's producer: `take_over` once, then `write` as often as there are steps."""

    def __init__(
        self,
        connection: Connection,
        transactional_id: str,
        awaiting_visibility: bool = True,
        at: Callable[[Place], None] = lambda _: None,
    ) -> None:
        """`awaiting_visibility`: a step ends when committed readers see it, not when it is durable."""
        self._connection, self._awaiting_visibility, self._at = connection, awaiting_visibility, at
        self._producer = Producer(connection, transactional_id)
        self._turns = asyncio.Lock()
        self._open = False
        self._in_doubt: Writes | None = None
        self._kept: list[Writes] = []

    async def take_over(self) -> None:
        """Become the only one who can write steps: the transaction of the one before is ended, and it is fenced."""
        await self._producer.begin()

    async def renew(self) -> bool:
        """Whether nobody has taken over since the last step, or since `take_over`. Raises LogUnavailable."""
        async with self._turns:
            try:
                if self._in_doubt is not None:
                    await self._settle()
                await self._next_epoch()
            except Fenced:
                return False
            return True

    async def write(self, step: Writes, limits: Mapping[str, int]) -> Mapping[KafkaPartition, int]:
        """All of a step, or nothing of it; the offset after it in each partition, where that is known.

        After LogUnavailable the step may have been kept: written again as it was, it is recognised. Raises Fenced,
        LogUnavailable, RecordTooLarge, LogError.
        """
        async with self._turns:
            if self._in_doubt is not None:
                await self._settle()
            if step in self._kept:
                self._kept.remove(step)
                return {}
            batches = step.encoded(limits)
            return await self._write(step, batches) if batches or step.positions else {}

    async def _write(self, step: Writes, batches: Batches) -> Mapping[KafkaPartition, int]:
        if self._open:
            await self._next_epoch()
        self._open = True
        try:
            await self._producer.add_partitions(list(batches))
            self._at("begun")
            firsts = await self._producer.produce(batches)
            self._at("sent")
            await self._producer.commit_positions(step.positions)
            self._at("positioned")
        except StaleEpoch:
            await self._next_epoch()
            raise LogUnavailable(_GIVEN_UP.format(self._connection.cluster)) from None
        self._in_doubt = step
        if not await self._committed():
            raise LogUnavailable(_GIVEN_UP.format(self._connection.cluster))
        self._at("ended")
        written = ends(firsts, batches)
        if self._awaiting_visibility:
            await wait_until_visible(self._connection, written)
        return written

    async def _settle(self) -> None:
        """Find out what became of the step that got no answer, whoever wrote it."""
        step = self._in_doubt
        if await self._committed() and step is not None:
            self._kept.append(step)

    async def _committed(self) -> bool:
        """Have the transaction committed; False if the broker has given it up. Raises Fenced, LogUnavailable."""
        try:
            await self._producer.end()
        except StaleEpoch:
            await self._next_epoch()
            return False
        self._in_doubt, self._open = None, False
        return True

    async def _next_epoch(self) -> None:
        """Give up the transaction that is open, if nobody has overtaken us. Raises Fenced."""
        try:
            await self._producer.begin()
        except StaleEpoch:
            raise Fenced(
                f"another runtime has taken {self._connection.cluster} over ({self._producer.transactional_id}): nothing "
                "of this step was written, this process must stop"
            ) from None
        self._in_doubt, self._open = None, False


def ends(firsts: Mapping[KafkaPartition, int], batches: Batches) -> dict[KafkaPartition, int]:
    """The offset after what was written to each partition in one transaction."""
    return {source: first + sum(batch.count for batch in batches[source]) for source, first in firsts.items()}


async def wait_until_visible(connection: Connection, until: Mapping[KafkaPartition, int]) -> None:
    """Wait until committed readers see up to these offsets.

    The broker answers a commit before it has marked it in each partition. Another producer's open transaction
    holds readers up too: what was committed is durable all the same, so this does not wait for long.
    """
    deadline, pause = time.monotonic() + VISIBLE_WITHIN_S, 0.001
    while until and time.monotonic() < deadline:
        found = await offsets(connection, list(until), LATEST)
        if all(found[source] >= end for source, end in until.items()):
            return
        await asyncio.sleep(pause)
        pause = min(2 * pause, 0.1)
