"""A producer whose every request is either answered or known to be in doubt.

aiokafka's own producer retries for as long as it lives and keeps what it could not send: an append that was
reported as failed could still be written hours later, and a transaction that holds several groups' positions
registers only the first. So the requests are made here, one after another, on aiokafka's connections.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
    TxnOffsetCommitRequest,
)

from streams.kafka.batches import Encoded
from streams.kafka.cluster import KafkaPartition
from streams.kafka.connection import GROUPS, REQUEST_MS, TRANSACTIONS, Again, Connection
from streams.kafka.protocol import InitProducerId
from streams.log import LogError, LogUnavailable, RecordRefused

TRANSACTION_MS = 10_000
"""After this the broker gives up a transaction that stands still: until then committed readers wait behind it."""

Batches = Mapping[KafkaPartition, Sequence[Encoded]]
Positions = Mapping[str, Mapping[KafkaPartition, int]]
"""By Kafka's name of the group."""

_STALE = frozenset({47, 90})
_LOST_COUNT = frozenset({45, 46, 59})
_TOO_LARGE = frozenset({10, 18})
_NO_KEY = 87
_ENDED = 48
"""The transaction was ended meanwhile, by whoever took over or for standing still."""

_BROKER_FAILED = -1
"""What a broker (4.1) answers who commits just while another takes the transactional id over, in place of a stale epoch."""

_WRONG_TIME = 32
_TOGETHER_BYTES = 32 * 2**20


class StaleEpoch(Exception):
    """The producer's epoch is no longer current: it was overtaken, or its transaction timed out."""


class Producer:
    """One identity to produce under. One thing at a time: callers take turns."""

    def __init__(self, connection: Connection, transactional_id: str | None) -> None:
        self._connection, self.transactional_id = connection, transactional_id
        self._id, self._epoch = -1, -1
        self._sequences: dict[KafkaPartition, int] = {}

    @property
    def begun(self) -> bool:
        """Whether it has an identity."""
        return self._id >= 0

    def forget(self) -> None:
        """Go on under another identity: what was sent under this one, and not answered, is never sent again."""
        self._id, self._epoch = -1, -1

    async def begin(self) -> None:
        """Get an identity, or the next epoch of the one it has: either ends the transaction that is open.

        With a transactional id and no identity this takes over from whoever had the id. Raises StaleEpoch.
        """

        async def ask() -> None:
            request = InitProducerId(self.transactional_id, TRANSACTION_MS, self._id, self._epoch)
            if self.transactional_id is None:
                answer = await self._connection.send_to_any(request)
            else:
                answer = await self._connection.send_to_coordinator(
                    TRANSACTIONS, self.transactional_id, request
                )
            await self._judge(answer.error_code, "becoming a producer")
            self._id, self._epoch = answer.producer_id, answer.producer_epoch
            self._sequences = {}

        await self._until_done("becoming a producer", ask)

    async def produce(self, batches: Batches) -> Mapping[KafkaPartition, int]:
        """Write batches, each partition's in order; the offset of each partition's first record. Raises LogError."""
        firsts: dict[KafkaPartition, int] = {}
        for together in _rounds(batches):
            for source, batch in together.items():
                sequence = self._sequences.get(source, 0)
                batch.seal(self._id, self._epoch, sequence)
                self._sequences[source] = (sequence + batch.count) & 0x7FFFFFFF
            for source, first in (await self._produce(together)).items():
                firsts.setdefault(source, first)
        return firsts

    async def add_partitions(self, sources: Sequence[KafkaPartition]) -> None:
        """Make partitions part of the transaction, before anything is written to them."""
        topics: dict[str, list[int]] = {}
        for source in sources:
            topics.setdefault(source.topic, []).append(source.partition)

        async def ask() -> None:
            request = AddPartitionsToTxnRequest(self._named, self._id, self._epoch, list(topics.items()))
            answer = await self._coordinated(request)
            for _, partitions in answer.errors:
                for _, code in partitions:
                    await self._judge(code, "beginning a transaction")

        if topics:
            await self._until_done("beginning a transaction", ask)

    async def commit_positions(self, positions: Positions) -> None:
        """Make groups' positions part of the transaction."""
        for group, offsets in positions.items():
            topics: dict[str, list[tuple[int, int, str]]] = {}
            for source, offset in offsets.items():
                topics.setdefault(source.topic, []).append((source.partition, offset, ""))

            async def add(group: str = group) -> None:
                answer = await self._coordinated(
                    AddOffsetsToTxnRequest(self._named, self._id, self._epoch, group)
                )
                await self._judge(answer.error_code, f"adding group {group} to a transaction")

            async def commit(
                group: str = group, topics: dict[str, list[tuple[int, int, str]]] = topics
            ) -> None:
                request = TxnOffsetCommitRequest(
                    self._named, group, self._id, self._epoch, list(topics.items())
                )
                answer = await self._connection.send_to_coordinator(GROUPS, group, request)
                for _, partitions in answer.errors:
                    for _, code in partitions:
                        await self._judge(code, f"committing positions of group {group}", (GROUPS, group))

            await self._until_done(f"adding group {group} to a transaction", add)
            await self._until_done(f"committing positions of group {group}", commit)

    async def end(self) -> None:
        """Commit the transaction; asking again, whenever that is, is harmless. Raises StaleEpoch, LogUnavailable."""

        async def ask() -> None:
            answer = await self._coordinated(EndTxnRequest(self._named, self._id, self._epoch, True))
            if answer.error_code == _BROKER_FAILED:
                raise Again("the broker failed: somebody else may be taking the transactional id over")
            await self._judge(answer.error_code, "committing a transaction")

        await self._until_done("committing a transaction", ask)

    @property
    def _named(self) -> str:
        return self.transactional_id or ""

    async def _coordinated(self, request: object) -> Any:
        return await self._connection.send_to_coordinator(TRANSACTIONS, self._named, request)

    async def _until_done(self, what: str, act: Callable[[], Awaitable[None]]) -> None:
        await self._connection.until_done(what, act)

    async def _judge(self, code: int, what: str, coordinator: tuple[int, str] | None = None) -> None:
        if code in _STALE:
            raise StaleEpoch
        if coordinator is None and self.transactional_id is not None:
            coordinator = (TRANSACTIONS, self.transactional_id)
        await self._connection.judge(code, what, coordinator)

    async def _produce(self, together: Mapping[KafkaPartition, Encoded]) -> Mapping[KafkaPartition, int]:
        """Until every batch is written: a batch that was written already is recognised by its number."""
        firsts: dict[KafkaPartition, int] = {}

        async def ask() -> None:
            by_node: dict[int, dict[str, list[tuple[int, bytes]]]] = {}
            for source, batch in together.items():
                if source not in firsts:
                    topics = by_node.setdefault(await self._connection.leader(source), {})
                    topics.setdefault(source.topic, []).append((source.partition, batch.data))
            again: Again | None = None
            for node, topics in by_node.items():
                request = ProduceRequest(self.transactional_id, -1, REQUEST_MS, list(topics.items()))
                answer = await self._connection.send(node, request)
                for topic, partitions in answer.topics:
                    for partition, code, first, *_ in partitions:
                        source = KafkaPartition(topic, partition)
                        try:
                            await self._judge_written(code, source)
                            firsts[source] = first
                        except Again as passing:
                            again = passing
            if again:
                raise again

        await self._until_done("writing", ask)
        return firsts

    async def _judge_written(self, code: int, source: KafkaPartition) -> None:
        where = f"{source.topic}/{source.partition}"
        if code == _ENDED:
            raise StaleEpoch
        if code in _LOST_COUNT:
            raise LogUnavailable(
                f"{self._connection.cluster}: {where} has lost count of this producer's batches (error {code}); what was "
                "sent may have been kept or not: send it again"
            )
        if code in _TOO_LARGE:
            raise LogError(
                f"{where} refused a batch as too large: its max.message.bytes was made smaller since; nothing was kept. "
                "Open the log again"
            )
        if code == _NO_KEY:
            raise RecordRefused(f"{where} refused a record: in a compacted topic every record needs a key")
        if code == _WRONG_TIME:
            raise RecordRefused(
                f"{where} refused a record for its time: the topic's message.timestamp.before.max.ms or .after.max.ms are "
                "narrower than what happened"
            )
        await self._judge(code, f"writing to {where}")


def _rounds(batches: Batches) -> list[dict[KafkaPartition, Encoded]]:
    """What goes together in one request: at most one batch for each partition, and not too many bytes."""
    rounds: list[dict[KafkaPartition, Encoded]] = []
    for turn in range(max(map(len, batches.values()), default=0)):
        room = 0
        for source, several in batches.items():
            if turn >= len(several):
                continue
            if several[turn].size > room:
                rounds.append({})
                room = _TOGETHER_BYTES
            rounds[-1][source] = several[turn]
            room -= several[turn].size
    return rounds
