"""Makes what these tests share importable, and its assertions as telling as theirs."""

import sys
import time
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from streams.kafka.cluster import KafkaCluster

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite(
    "log_conformance", "log_mark_conformance", "log_samples", "log_step_conformance"
)


@pytest.fixture
def cluster(kafka: Broker) -> KafkaCluster:
    """The session's broker, under a prefix that no other test has."""
    return KafkaCluster.of(f"kafka://{kafka.address}/t{time.time_ns()}")
