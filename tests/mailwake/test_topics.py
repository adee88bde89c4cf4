"""`mailwake topics` on a real broker."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.kafka.broker import Broker
from mailwake.opening import kafka_cluster, open_any_log
from mailwake.settings import load_settings
from streams.kafka import topics as kafka_topics
from streams.kafka.connection import Background, Connection

Done = subprocess.CompletedProcess[str]


@pytest.fixture(autouse=True)
def a_log(kafka: Broker, tmp_path: Path, monkeypatch) -> None:
    """Settings that name a log which nobody has opened yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILWAKE_LOG", f"kafka://{kafka.address}/p{time.time_ns()}")


def mailwake(*arguments: str) -> Done:
    command = [sys.executable, "-m", "mailwake", "topics", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def planned() -> tuple[int, dict[str, dict[str, Any]]]:
    """The plan's exit code, and what it says of each topic by our name."""
    done = mailwake("plan", "--json")
    prefix = kafka_cluster(load_settings()).prefix + "."
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {row["topic"].removeprefix(prefix): row for row in rows}


def operator_sets(topic: str, **changed: str) -> None:
    """As an operator does with Kafka's tools."""
    connection, background = Connection(kafka_cluster(load_settings()), 30), Background("operator")
    named = {name.replace("_", "."): value for name, value in changed.items()}
    background.run(connection.start())
    background.run(kafka_topics.alter(connection, connection.cluster.topic(topic), named))
    background.run(connection.close())
    background.close()


def test_a_plan_changes_nothing_and_applying_leaves_nothing_to_do(monkeypatch) -> None:
    monkeypatch.setenv("MAILWAKE_KAFKA_PARTITIONS", "3")
    for _ in range(2):
        code, topics = planned()
        assert code == 1 and {topic["action"] for topic in topics.values()} == {"make"}
        assert {"mail.events", "documents", "mailwake.meta", "mailwake.positions"} <= topics.keys()
        assert (topics["mail.events"]["partitions"], topics["documents"]["partitions"]) == (3, 1)
    assert mailwake("apply").returncode == 0
    code, topics = planned()
    assert code == 0 and {topic["action"] for topic in topics.values()} == {"keep"}
    applied = mailwake("apply", "--json")
    assert applied.returncode == 0
    assert {json.loads(line)["action"] for line in applied.stdout.splitlines()} == {"keep"}


def test_what_differs_is_set_and_what_nobody_declared_is_left() -> None:
    assert mailwake("apply").returncode == 0
    operator_sets("mail.events", retention_ms="1000", segment_ms="60000", cleanup_policy="compact")
    code, topics = planned()
    assert code == 1 and [name for name, topic in topics.items() if topic["action"] == "alter"] == [
        "mail.events"
    ]
    assert topics["mail.events"]["changes"] == {
        "cleanup.policy": {"found": "compact", "declared": "delete"},
        "retention.ms": {"found": "1000", "declared": "-1"},
    }
    assert topics["mail.events"]["undeclared"] == {"segment.ms": "60000"}
    said = mailwake("plan").stdout
    assert "mail.events: retention.ms 1000 -> -1\n" in said
    assert "mail.events: segment.ms=60000 is not declared, and left as it is\n" in said
    assert mailwake("apply").returncode == 0
    code, topics = planned()
    assert code == 0 and topics["mail.events"]["undeclared"] == {"segment.ms": "60000"}


def test_another_number_of_partitions_is_refused_and_nothing_is_changed(monkeypatch) -> None:
    monkeypatch.setenv("MAILWAKE_KAFKA_PARTITIONS", "2")
    assert mailwake("apply").returncode == 0
    operator_sets("documents", retention_ms="1000")
    monkeypatch.setenv("MAILWAKE_KAFKA_PARTITIONS", "4")
    code, topics = planned()
    assert code == 3 and topics["mail.events"]["action"] == topics["reputation.scores"]["action"] == "refuse"
    refused = mailwake("apply")
    assert refused.returncode == 3 and refused.stdout == ""
    assert "mail.events has 2 partitions, and MAILWAKE_KAFKA_PARTITIONS is 4" in refused.stderr
    assert "MAILWAKE_KAFKA_PARTITIONS=4 mailwake log copy kafka://" in refused.stderr
    monkeypatch.delenv("MAILWAKE_KAFKA_PARTITIONS")
    code, topics = planned()
    assert code == 1 and topics["documents"]["changes"]["retention.ms"]["found"] == "1000"


def test_a_changelog_is_looked_after_too() -> None:
    log = open_any_log(load_settings())
    with log.hold(), log.transaction() as step:
        step.put_state("reputation", {b"chunk": b"state"})
    log.close()
    operator_sets("mailwake.state.reputation", segment_bytes="1048576")
    code, topics = planned()
    changes = topics["mailwake.state.reputation"]["changes"]
    assert code == 1 and changes == {"segment.bytes": {"found": "1048576", "declared": "16777216"}}


def test_replicas_that_differ_are_told_and_nothing_else(monkeypatch) -> None:
    assert mailwake("apply").returncode == 0
    monkeypatch.setenv("MAILWAKE_KAFKA_REPLICAS", "3")
    code, topics = planned()
    assert code == 0 and topics["mail.events"]["action"] == "keep"
    assert "kafka-reassign-partitions.sh" in topics["mail.events"]["note"]


def test_more_replicas_than_brokers_are_refused(monkeypatch) -> None:
    monkeypatch.setenv("MAILWAKE_KAFKA_REPLICAS", "3")
    refused = mailwake("apply")
    assert refused.returncode == 3 and "replication" in refused.stderr.lower()


def test_a_log_in_sqlite_has_nothing_to_plan(monkeypatch) -> None:
    monkeypatch.delenv("MAILWAKE_LOG")
    refused = mailwake("plan")
    assert refused.returncode == 2 and "topics make themselves" in refused.stderr
