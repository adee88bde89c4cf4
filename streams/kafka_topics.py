"""Topics in Kafka: declared ones made where they are missing, and what their configuration allows."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.protocol.admin import CreateTopicsRequest, DescribeConfigsRequest

from streams.kafka_connection import REQUEST_MS, Connection
from streams.log import LogError, Retention, Topic, UnknownTopic

LARGEST_BATCH = 8 * 2**20
"""Bytes: what one append may write to a partition in one go, and so the largest record."""

REPLICAS = 3
"""Of each partition, where the cluster has so many brokers."""

_EXISTS = 36
_TOPIC = 2


def kept(retention: Retention) -> dict[str, str]:
    """A declared retention as Kafka's configuration."""
    limited = retention.max_age_ms is not None or retention.max_bytes is not None
    policy = ["compact"] * retention.compacted + ["delete"] * (limited or not retention.compacted)
    return {
        "cleanup.policy": ",".join(policy),
        "retention.ms": str(-1 if retention.max_age_ms is None else retention.max_age_ms),
        "retention.bytes": str(-1 if retention.max_bytes is None else retention.max_bytes),
        "max.message.bytes": str(LARGEST_BATCH),
        "message.timestamp.type": "LogAppendTime" if retention.since_append else "CreateTime",
        "message.timestamp.after.max.ms": str(2**63 - 1),
    }


STATE = {
    **kept(Retention(compacted=True)),
    "segment.bytes": str(16 * 2**20),
    "min.cleanable.dirty.ratio": "0.2",
}
"""A changelog: small segments, so that compaction keeps up and recovery reads little."""

POSITIONS = {
    **kept(Retention(compacted=True)),
    "segment.bytes": str(2**20),
    "max.message.bytes": str(2**18),
    "min.cleanable.dirty.ratio": "0.1",
}


async def declare(connection: Connection, topics: Sequence[Topic]) -> None:
    """Make the topics that are missing. Raises LogError where there is one with other partitions."""
    await connection.until_done("asking for the topics", connection.refresh)
    for topic in topics:
        if topic.partitions < 1:
            raise LogError(
                f"topic {topic.name} is declared with {topic.partitions} partitions; at least 1 is needed"
            )
        name = connection.cluster.topic(topic.name)
        await make(connection, name, topic.partitions, kept(topic.retention))
        found = connection.known_partitions(name)
        if found != topic.partitions:
            raise LogError(
                f"topic {topic.name} has {found} partitions in {connection.cluster} and is declared with "
                f"{topic.partitions}: another number would put keys elsewhere. Declare {found}, or copy the records "
                "into a new log (a prefix after the address, kafka://HOST:PORT/PREFIX, names one)"
            )


async def make(connection: Connection, name: str, partitions: int, configuration: dict[str, str]) -> None:
    """Make a topic unless there is one of that name, and wait until it can be used. Raises LogError."""
    if name in connection.topics():
        return

    async def create() -> None:
        replicas = min(REPLICAS, connection.brokers())
        wanted: tuple[object, ...] = (name, partitions, replicas, [], list(configuration.items()))
        answer = await connection.send_to_any(CreateTopicsRequest([wanted], REQUEST_MS, False))
        for _, code, message in answer.topic_errors:
            if code != _EXISTS:
                await connection.judge(code, f"making topic {name} ({message})")

    async def usable() -> None:
        await connection.refresh()
        if name not in connection.topics():
            await connection.judge(3, f"topic {name}")

    await connection.until_done(f"making topic {name}", create)
    await connection.until_done(f"waiting for topic {name}", usable)


@dataclass(frozen=True, slots=True)
class Configured:
    """What a topic allows: `largest_batch` in bytes, and whether records may go from between others."""

    largest_batch: int
    compacted: bool


async def configured(connection: Connection, name: str) -> Configured:
    """The configuration of a topic. Raises UnknownTopic."""

    async def describe() -> Configured:
        resource = (_TOPIC, name, ["max.message.bytes", "cleanup.policy"])
        answer = await connection.send_to_any(DescribeConfigsRequest([resource]))
        code, message, _, _, entries = answer.resources[0]
        if code == 3:
            raise UnknownTopic(f"{connection.cluster} has no topic {name}")
        await connection.judge(code, f"asking for the configuration of {name} ({message})")
        found = {entry[0]: entry[1] for entry in entries}
        return Configured(int(found["max.message.bytes"]), "compact" in found["cleanup.policy"])

    return await connection.until_done(f"asking for the configuration of {name}", describe)
