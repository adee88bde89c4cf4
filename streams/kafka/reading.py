"""Reading partitions as committed: fetches, and the offsets where they begin and end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest

from streams.kafka.cluster import KafkaPartition
from streams.kafka.connection import GROUPS, Again, Connection

_COMMITTED, _UNDECIDED_TOO = 1, 0
EARLIEST, LATEST = -2, -1
_OUT_OF_RANGE = 1
_EMPTY_TRIES = 3

FETCH_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one fetch brought; `end` is the offset that everything committed is before."""

    data: bytes
    end: int
    aborted: Sequence[tuple[int, int]]


class OutOfRange(Exception):
    """There is nothing at that offset: it is before the beginning or after the end."""


async def offsets(
    connection: Connection, sources: Sequence[KafkaPartition], at: int, isolation: int = _COMMITTED
) -> Mapping[KafkaPartition, int]:
    """EARLIEST: the first offset kept. LATEST: the one before which everything is decided (committed or given up)."""
    found: dict[KafkaPartition, int] = {}

    async def ask() -> None:
        by_node: dict[int, dict[str, list[tuple[int, int]]]] = {}
        for source in sources:
            if source not in found:
                topics = by_node.setdefault(await connection.leader(source), {})
                topics.setdefault(source.topic, []).append((source.partition, at))
        for node, topics in by_node.items():
            answer = await connection.send(node, OffsetRequest(-1, isolation, list(topics.items())))
            for topic, partitions in answer.topics:
                for partition, code, _, offset, *_ in partitions:
                    await connection.judge(code, f"asking where {topic}/{partition} begins or ends")
                    found[KafkaPartition(topic, partition)] = offset

    await connection.until_done("asking where partitions begin or end", ask)
    return found


async def until_decided(connection: Connection, sources: Sequence[KafkaPartition]) -> None:
    """Wait until all that is written now is committed or given up: readers wait behind a transaction that is open.

    The broker gives up one that stands still. Raises LogUnavailable.
    """
    written = await offsets(connection, sources, LATEST, _UNDECIDED_TOO)

    async def ask() -> None:
        decided = await offsets(connection, sources, LATEST)
        if any(decided[source] < end for source, end in written.items()):
            raise Again("a producer's transaction is open")

    await connection.until_done("waiting for what others have begun to write", ask)


async def positions_of(connection: Connection, group: str) -> Mapping[KafkaPartition, int]:
    """Where a group, by Kafka's name of it, goes on in each partition that it has committed."""

    async def ask() -> Mapping[KafkaPartition, int]:
        answer = await connection.send_to_coordinator(GROUPS, group, OffsetFetchRequest(group, None))
        found: dict[KafkaPartition, int] = {}
        for topic, partitions in answer.topics:
            for partition, offset, _, code in partitions:
                await connection.judge(code, f"asking where {group} goes on", (GROUPS, group))
                found[KafkaPartition(topic, partition)] = offset
        return found

    return await connection.until_done(f"asking where {group} goes on", ask)


async def fetch(
    connection: Connection, source: KafkaPartition, offset: int, most_bytes: int = FETCH_BYTES
) -> Fetched:
    """Committed batches from about `offset` on, one at least; none only where there is none. Raises OutOfRange."""
    tries = _EMPTY_TRIES

    async def ask() -> Fetched:
        nonlocal tries
        node = await connection.leader(source)
        wait_ms = 0 if tries == _EMPTY_TRIES else 100
        request = FetchRequest(
            wait_ms, 1, most_bytes, _COMMITTED, [(source.topic, [(source.partition, offset, most_bytes)])]
        )
        answer = await connection.send(node, request)
        for _, partitions in answer.topics:
            for _, code, _, end, *rest, data in partitions:
                if code == _OUT_OF_RANGE:
                    raise OutOfRange
                await connection.judge(code, f"reading {source.topic}/{source.partition}")
                if not data and offset < end and tries > 1:
                    # A broker that throttles answers with nothing too: only nothing again and again is nothing.
                    tries -= 1
                    continue
                aborted = next((part for part in rest if isinstance(part, list)), None) or []
                return Fetched(data or b"", end, [(producer, first) for producer, first in aborted])
        raise Again(f"{source.topic}/{source.partition} was left out of an answer")

    return await connection.until_done(f"reading {source.topic}/{source.partition}", ask)
