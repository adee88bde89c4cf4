"""How many replicas must have a record, by how many there are."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from streams.kafka.cluster import KafkaCluster
from streams.kafka.topics import least_in_sync, replicas_of


@pytest.mark.parametrize(("brokers", "set_to", "replicas", "in_sync"), [
    (1, None, 1, "1"), (2, None, 2, "1"), (3, None, 3, "2"), (9, None, 3, "2"), (3, 1, 1, "1"), (5, 5, 5, "2"), (1, 3, 3, "2"),
])  # fmt: skip
def test_two_of_three_replicas_must_have_a_record(
    brokers: int, set_to: int | None, replicas: int, in_sync: str
) -> None:
    cluster = replace(KafkaCluster.of("kafka://127.0.0.1:1"), replicas=set_to)
    connection = SimpleNamespace(cluster=cluster, brokers=lambda: brokers)
    assert replicas_of(connection) == replicas and least_in_sync(replicas) == in_sync
