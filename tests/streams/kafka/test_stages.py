"""The stages on a log in Kafka: step for step what they make of the same events in SQLite."""

from pathlib import Path

import pytest

from processors.documents.stage import DocumentStage
from processors.reputation.stage import ReputationStage
from schemas.mail import MessageBounced, MessageDelivered, MessageSent
from streams.blobs import Blobs
from streams.emitter import Emitter
from streams.kafka.cluster import KafkaCluster
from streams.kafka.log import KafkaLog
from streams.log import Log, TopicPartition
from streams.running.runner import Generation, StageRunner
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS, shadow

MADE = ("documents.outcomes", "dmarc.records", "reputation.buckets", "dead.letters")


def events() -> list:
    kinds = (MessageSent, MessageDelivered, MessageSent, MessageBounced)
    return [
        kinds[number % 4](
            from_domain=f"d{number % 7}.example",
            provider="gmail",
            source_event_id=str(number),
            occurred_at=1_700_000_000_000 + 61_000 * number,
            recorded_at=1_700_000_000_000 + 61_000 * number,
        )
        for number in range(400)
    ]


@pytest.mark.parametrize("generation", [Generation(), Generation(2, shadowing=True)], ids=["live", "rebuild"])
def test_stages_make_the_same_of_both_logs(
    cluster: KafkaCluster, tmp_path: Path, monkeypatch, generation
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_000_000_000)
    shadows = [topic.__class__(shadow(topic.name, 2)) for topic in TOPICS]
    logs: list[Log] = [
        SqliteLog.open(tmp_path / "log.db", (*TOPICS, *shadows)),
        KafkaLog.open(cluster, (*TOPICS, *shadows)),
    ]
    made = []
    for log in logs:
        with Emitter(log) as emitter:
            emitter.emit_many(events())
        for _ in range(2):  # Stopped after some steps, and started again.
            with log.hold():
                stages = [DocumentStage(Blobs(tmp_path / "blobs").get), ReputationStage()]
                for runner in [StageRunner(log, stage, generation, step_records=70) for stage in stages]:
                    for _ in range(3):
                        runner.step()
                    assert runner.lag() == log.end(runner.source) - log.committed(runner.group).get(
                        runner.source, 0
                    )
        made.append([(topic, *_kept(log, TopicPartition(generation.topic(topic)))) for topic in MADE])
        made[-1].append(sorted(log.state(generation.group("reputation"))))
        log.close()
    assert made[0] == made[1]
    assert any(len(values) > 1 for _, *values in made[0][:-1]) and made[0][-1]


def _kept(log: Log, source: TopicPartition) -> list[tuple[bytes | None, bytes | None, int]]:
    batch = log.read(source, 0, 1_000_000)
    return list(zip(batch.keys, batch.values, batch.timestamps, strict=True))
