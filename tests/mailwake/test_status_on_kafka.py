"""What `mailwake status` makes of what a log in Kafka says."""

from typing import Any

from mailwake.cli.status import conclusion, partition_rows, stage_rows
from mailwake.worker.status import waiting


def stage(name: str, topic: str, partition: int, position: int, lag: int) -> dict[str, Any]:
    return {"stage": name, "topic": topic, "partition": partition, "position": position, "lag": lag}


def topic(name: str, partition: int, end: int) -> dict[str, Any]:
    return {"topic": name, "partition": partition, "begin": 0, "end": end}


STAGES = [
    stage("count", "mail.events", 0, 12, 1_000),
    stage("count", "mail.events", 1, 10, 500),
    stage("fold", "reputation.deltas", 0, 32, 0),
    stage("warehouse", "mail.events", 0, 7, 3),
    stage("warehouse", "reputation.buckets", 0, 5, 0),
]


def test_it_begins_with_what_waits_for_whom() -> None:
    assert waiting(STAGES) == {"count": 1_500, "warehouse": 3}
    assert (
        conclusion({"waiting": waiting(STAGES)})
        == "About 1,503 records wait for workers: count 1,500, warehouse 3."
    )
    assert conclusion({"waiting": waiting(STAGES[2:3])}).startswith("Everything is done")


def test_a_stage_is_a_row_and_every_partition_only_when_asked_for() -> None:
    assert stage_rows(STAGES) == [
        ("count", "mail.events", 2, 1_500),
        ("fold", "reputation.deltas", 1, 0),
        ("warehouse", "2 topics", 2, 3),
    ]


def test_a_stage_before_markers_only_is_at_the_end() -> None:
    report = {"topics": [topic("reputation.deltas", 0, 34), topic("mail.events", 0, 1_012)], "stages": STAGES}
    rows = partition_rows(report)
    assert rows[2] == ("fold", "reputation.deltas", 0, 34, 0)
    assert rows[0] == ("count", "mail.events", 0, 12, 1_000)
