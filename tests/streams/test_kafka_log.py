"""The Log contract on a real broker, and what is Kafka's own: retention by the broker, and its compaction."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from kafka_broker_side import apply_retention
from log_conformance import LogConformance, Opener

from deploy.kafka.broker import Broker
from streams.kafka_cluster import KafkaCluster
from streams.kafka_log import KafkaLog
from streams.log import Log, Topic


@pytest.fixture
def cluster(kafka: Broker, tmp_path: Path) -> KafkaCluster:
    """The session's broker, under a prefix that no other test has."""
    return KafkaCluster.of(f"kafka://{kafka.address}/t{time.time_ns()}")


class TestKafkaLog(LogConformance):
    @pytest.fixture
    def opener(self, cluster: KafkaCluster) -> Iterator[Opener]:
        opened: list[KafkaLog] = []

        def open_it(topics: Sequence[Topic]) -> Log:
            opened.append(KafkaLog.open(cluster, topics))
            return opened[-1]

        yield open_it
        for log in opened:
            log.close()

    def retain(self, log: Log, now_ms: int) -> None:
        assert isinstance(log, KafkaLog)
        apply_retention(log, now_ms)
