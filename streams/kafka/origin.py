"""How a log in Kafka began: its id, how many partitions each topic that spreads was made with, whether with a registry.

All stand in the compacted topic `mailwake.meta`. Of those who open a log for the first time together, the last to
take the transactional id `mailwake.creation` over writes them, and the others find them then.
"""

import asyncio
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from schemas.catalog import installed
from streams.kafka import topics as kafka_topics
from streams.kafka.cluster import KafkaPartition
from streams.kafka.connection import Connection
from streams.kafka.reader import Reader
from streams.kafka.steps import Steps, Writes
from streams.kafka.topics import Wanted
from streams.log import Fenced, LogError, LogUnavailable, NoLog, Record, Topic

_ID = b"log.id"
_PARTITIONS = "partitions."
_REGISTRY = b"schema.registry"
"""Which schema registry was in use when one was first: from then on its ids are in the log."""

_OPENERS = 20


async def opened(connection: Connection, reader: Reader, topics: Sequence[Topic]) -> str:
    """Make what is missing of the log, and give its id.

    A topic that spreads has as many partitions as it was made with, whoever made it and whatever is declared now.
    Raises LogError for one that was given others since, for one that doesn't spread and has others than declared, and
    where this process has no schema registry and the log had one.
    """
    await connection.until_done("asking for the topics", connection.refresh)
    own = kafka_topics.wanted(connection.cluster, ())
    declared = kafka_topics.wanted(connection.cluster, _checked(topics))[len(own) :]
    for topic in own:
        await kafka_topics.make(connection, topic.name, topic.partitions, topic.settings)
    facts = await facts_of(connection, reader)
    counts = remembered(connection, facts)
    for topic in declared:
        await kafka_topics.make(
            connection, topic.name, counts.get(topic.name, topic.partitions), topic.settings
        )
    missing_of = partial(_missing, connection, declared)
    missing = missing_of(facts)
    return (await _write(connection, reader, missing_of) if missing else facts)[_ID].decode()


async def existing(connection: Connection, reader: Reader) -> str:
    """The id of a log that is there, which is left as it is. Raises NoLog."""
    await connection.until_done("asking for the topics", connection.refresh)
    facts = await facts_of(connection, reader)
    if _ID not in facts:
        raise NoLog(f"there is no log at {connection.cluster}: check the address and the prefix")
    return facts[_ID].decode()


async def noted(connection: Connection, reader: Reader, name: str) -> bytes | None:
    """What was noted of the log under this name."""
    return (await facts_of(connection, reader)).get(_note(name))


async def note(connection: Connection, reader: Reader, name: str, value: bytes) -> None:
    """Note this of the log. Raises LogError."""

    def missing(facts: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        return {} if facts.get(_note(name)) == value else {_note(name): value}

    await _write(connection, reader, missing)


async def facts_of(connection: Connection, reader: Reader) -> Mapping[bytes, bytes]:
    """What the log's meta topic says; nothing where there is none yet."""
    meta = connection.cluster.meta_topic
    return await reader.latest_async(KafkaPartition(meta, 0)) if meta in connection.topics() else {}


def remembered(connection: Connection, facts: Mapping[bytes, bytes]) -> dict[str, int]:
    """How many partitions topics were made with, by Kafka's name."""
    start = _PARTITIONS.encode()
    return {
        connection.cluster.topic(key.removeprefix(start).decode()): int(value)
        for key, value in facts.items()
        if key.startswith(start)
    }


def grown(connection: Connection, topic: str, made_with: int, found: int) -> str:
    """What to say of a topic whose partitions are not those that it was made with."""
    return (
        f"topic {topic} has {found} partitions in {connection.cluster} and was made with {made_with}: keys are in other "
        f"partitions now than what was folded of them. {way_out(connection, found)}"
    )


def way_out(connection: Connection, partitions: int) -> str:
    """How a log gets another number of partitions."""
    address = f"kafka://{','.join(connection.cluster.servers)}"
    return (
        f"To have {partitions}, copy the log into a new one, which puts each key where it belongs: "
        f"MAILWAKE_KAFKA_PARTITIONS={partitions} mailwake log copy {connection.cluster} {address}/NEWPREFIX"
    )


def _checked(topics: Sequence[Topic]) -> Sequence[Topic]:
    for topic in topics:
        if topic.partitions < 1:
            raise LogError(
                f"topic {topic.name} is declared with {topic.partitions} partitions; at least 1 is needed"
            )
    return topics


def _missing(
    connection: Connection, declared: Sequence[Wanted], facts: Mapping[bytes, bytes]
) -> dict[bytes, bytes]:
    """What is to be remembered and is not yet. Raises LogError for a topic that is not what it has to be."""
    counts = remembered(connection, facts)
    missing = {} if _ID in facts else {_ID: uuid.uuid4().hex.encode()}
    ids = installed()
    if ids is None and _REGISTRY in facts:
        raise LogError(
            f"records in {connection.cluster} carry the ids of the schema registry {facts[_REGISTRY].decode()}: set "
            "MAILWAKE_SCHEMA_REGISTRY, or none of them can be read"
        )
    if ids is not None and _REGISTRY not in facts:
        missing[_REGISTRY] = ids.registry.encode()
    for topic in declared:
        found = connection.known_partitions(topic.name)
        name = connection.cluster.named(topic.name) or topic.name
        if not topic.spreads:
            if found != topic.partitions:
                raise LogError(misplaced(connection, name, topic.partitions, found))
        elif topic.name not in counts:
            missing[f"{_PARTITIONS}{name}".encode()] = b"%d" % found
        elif counts[topic.name] != found:
            raise LogError(grown(connection, name, counts[topic.name], found))
    return missing


def misplaced(connection: Connection, topic: str, declared: int, found: int) -> str:
    """What to say of a topic that has to have the partitions that it is declared with, and has others."""
    return (
        f"topic {topic} has {found} partitions in {connection.cluster} and is declared with {declared}: another number "
        "would put keys elsewhere. Declare as many, or copy the records into a new log (a prefix after the address, "
        f"kafka://HOST:PORT/PREFIX, names one): mailwake log copy {connection.cluster} kafka://HOST:PORT/NEWPREFIX"
    )


def _note(name: str) -> bytes:
    return f"note.{name}".encode()


async def _write(
    connection: Connection,
    reader: Reader,
    missing_of: Callable[[Mapping[bytes, bytes]], dict[bytes, bytes]],
) -> Mapping[bytes, bytes]:
    """Write what is missing of the facts, and give them all."""
    place = KafkaPartition(connection.cluster.meta_topic, 0)
    for attempt in range(_OPENERS):
        opener = Steps(connection, connection.cluster.transactional_id("creation"))
        await opener.take_over()
        facts = await facts_of(connection, reader)
        missing = missing_of(facts)
        if not missing:
            return facts
        try:
            await opener.write(
                Writes({place: [Record(key, value, 0) for key, value in missing.items()]}),
                {place.topic: kafka_topics.LARGEST_BATCH},
            )
        except (Fenced, LogUnavailable):
            await asyncio.sleep(random.uniform(0, 0.1 * (attempt + 1)))
        else:
            return {**facts, **missing}
    raise LogUnavailable(
        f"{connection.cluster} is being written to by others who open it at the same time; open it again"
    )
