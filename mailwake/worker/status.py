"""How far the workers on a log in Kafka have come, all of them together."""

from collections.abc import Mapping, Sequence
from typing import Any

from mailwake.opening import existing_any_log
from mailwake.settings import Settings
from processors.classification.stage import ClassifyStage
from processors.documents.stage import DocumentStage
from processors.reputation.stage import CountStage, FoldStage
from processors.suppressions.stage import SuppressStage
from replay.lineage import LOADED, LOADER
from streams.kafka.log import KafkaLog
from streams.log import TopicPartition
from streams.topics import TOPICS

_STAGES = (DocumentStage, CountStage, FoldStage, ClassifyStage, SuppressStage)

READS = (
    *((stage.name, stage.reads) for stage in _STAGES),
    *((LOADER, topic) for topic in LOADED),
)
"""Each part of a worker, and a topic that it reads."""


def worker_status(settings: Settings) -> dict[str, Any]:
    """Topics with their offsets, each part's position and lag on each partition, and what waits for which part in all.

    Positions are Kafka's of the parts' groups, which change with the outputs. Offsets count control markers: there are
    fewer records than `end` says. Raises LogError.
    """
    log = existing_any_log(settings)
    try:
        assert isinstance(log, KafkaLog)
        stages = _stages(log)
        return {"log": log.id, "topics": _topics(log), "stages": stages, "waiting": waiting(stages)}
    finally:
        log.close()


def waiting(stages: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many offsets wait for each part that any wait for, on all its partitions."""
    found: dict[str, int] = {}
    for one in stages:
        if one["lag"]:
            found[one["stage"]] = found.get(one["stage"], 0) + one["lag"]
    return found


def _topics(log: KafkaLog) -> list[dict[str, Any]]:
    return [
        {**source._asdict(), "begin": log.begin(source), "end": log.end(source)}
        for topic in TOPICS
        for source in log.partitions(topic.name)
    ]


def _stages(log: KafkaLog) -> list[dict[str, Any]]:
    positions = {name: log.group_positions(name) for name in dict.fromkeys(name for name, _ in READS)}
    return [
        _part(log, name, source, positions[name].get(source))
        for name, topic in READS
        for source in log.partitions(topic)
    ]


def _part(log: KafkaLog, name: str, source: TopicPartition, known: int | None) -> dict[str, Any]:
    position = log.begin(source) if known is None else known
    return {
        "stage": name,
        **source._asdict(),
        "position": position,
        "lag": log.waiting(source, position),
    }
