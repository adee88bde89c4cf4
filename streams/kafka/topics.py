"""Topics in Kafka as declared: what each is made with, and how it is made and asked about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka.protocol.admin import CreateTopicsRequest, DescribeConfigsRequest

from streams.kafka.cluster import KafkaCluster
from streams.kafka.connection import REQUEST_MS, Again, Connection
from streams.kafka.protocol import TOPIC, IncrementalAlterConfigs
from streams.log import Retention, Topic, UnknownTopic

LARGEST_BATCH = 8 * 2**20
"""Bytes: what one append may write to a partition in one go, and so the largest record."""

REPLICAS = 3
"""Of each partition, where the cluster has so many brokers."""

_EXISTS = 36
_OF_THE_TOPIC = 1
"""Where a setting's value comes from: the topic has it itself."""


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as it should be in Kafka, by the name it has there."""

    name: str
    partitions: int
    settings: Mapping[str, str]
    spreads: bool = False
    """See `Topic.spreads`."""


def wanted(cluster: KafkaCluster, topics: Sequence[Topic]) -> list[Wanted]:
    """The declared topics, and those of the log's own that every log has (a changelog comes with its stage)."""
    return [
        Wanted(cluster.positions_topic, 1, POSITIONS),
        Wanted(cluster.meta_topic, 1, POSITIONS),
        *(Wanted(cluster.topic(t.name), t.partitions, kept(t.retention), t.spreads) for t in topics),
    ]


def least_in_sync(replicas: int) -> str:
    """Of so many replicas, how many must have a record before it counts as durable: all but one where there are 3."""
    return "2" if replicas >= REPLICAS else "1"


def replicas_of(connection: Connection) -> int:
    """How many replicas a topic gets that is made now."""
    return connection.cluster.replicas or min(REPLICAS, connection.brokers())


async def make(connection: Connection, name: str, partitions: int, configuration: Mapping[str, str]) -> None:
    """Make a topic unless there is one of that name, and wait until it can be used. Raises LogError."""
    if name in connection.topics():
        return

    async def create() -> None:
        replicas = replicas_of(connection)
        settings = {**configuration, "min.insync.replicas": least_in_sync(replicas)}
        asked: tuple[object, ...] = (name, partitions, replicas, [], list(settings.items()))
        answer = await connection.send_to_any(CreateTopicsRequest([asked], REQUEST_MS, False))
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
class Setting:
    """A topic's setting as it is in force, and whether the topic has it itself or inherits it."""

    value: str | None
    own: bool


async def settings(
    connection: Connection, name: str, only: Sequence[str] | None = None
) -> dict[str, Setting]:
    """A topic's settings, all or `only` these. Raises UnknownTopic."""

    async def describe() -> dict[str, Setting]:
        asked = (TOPIC, name, None if only is None else list(only))
        answer = await connection.send_to_any(DescribeConfigsRequest([asked]))
        code, message, _, _, entries = answer.resources[0]
        if code == 3:
            raise UnknownTopic(f"{connection.cluster} has no topic {name}")
        await connection.judge(code, f"asking for the configuration of {name} ({message})")
        return {entry[0]: Setting(entry[1], entry[3] == _OF_THE_TOPIC) for entry in entries}

    return await connection.until_done(f"asking for the configuration of {name}", describe)


async def alter(connection: Connection, name: str, changed: Mapping[str, str]) -> None:
    """Change these settings of a topic and no others, and wait until they show. Raises LogError."""

    async def change() -> None:
        answer = await connection.send_to_any(IncrementalAlterConfigs(name, changed))
        for code, message, _, _ in answer.resources:
            await connection.judge(code, f"changing the configuration of {name} ({message})")

    async def shown() -> None:
        found = await settings(connection, name, list(changed))
        if any(name not in found or not same(found[name].value, value) for name, value in changed.items()):
            raise Again("the broker does not show it yet")

    await connection.until_done(f"changing the configuration of {name}", change)
    await connection.until_done(f"waiting for the configuration of {name}", shown)


def same(found: str | None, declared: str) -> bool:
    """Whether two values of a setting mean the same: the order of a list's parts does not matter."""
    return found is not None and sorted(found.split(",")) == sorted(declared.split(","))


@dataclass(frozen=True, slots=True)
class Configured:
    """What a topic allows: `largest_batch` in bytes, and whether records may go from between others."""

    largest_batch: int
    compacted: bool


async def configured(connection: Connection, name: str) -> Configured:
    """The configuration of a topic. Raises UnknownTopic."""
    found = await settings(connection, name, ("max.message.bytes", "cleanup.policy"))
    largest, policy = found["max.message.bytes"].value, found["cleanup.policy"].value
    return Configured(int(largest or 0), "compact" in (policy or ""))
