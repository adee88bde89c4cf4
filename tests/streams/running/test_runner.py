from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest

from processors.stage import Emission, Flush, Slice, Tally
from streams.log import LogFull, Record, Topic, TopicPartition
from streams.running.runner import Boundary, Generation, StageRunner
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS, shadow

MAIL = TopicPartition("mail.events")


class Summing:
    """Emits the running sum of the numbers it reads."""

    name, reads = "summing", "mail.events"

    def __init__(self) -> None:
        self.sum, self.out = 0, []

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        self.sum = int(dict(chunks).get(b"sum", b"0"))

    def take(self, records: Slice) -> None:
        for value in records.values:
            self.sum += int(value or 0)
            self.out.append(Emission("reputation.buckets", b"", str(self.sum).encode(), 1))

    def flush(self) -> Flush:
        out, self.out = self.out, []
        return Flush(out, {b"sum": str(self.sum).encode()})

    def tally(self) -> Tally:
        return Tally()


class Killed(BaseException):
    pass


@pytest.fixture
def log(tmp_path: Path):
    opened = SqliteLog.open(tmp_path / "log.db", TOPICS)
    opened.append("mail.events", [Record(b"k", str(n).encode(), 1) for n in range(1, 11)])
    with opened.hold():
        yield opened
    opened.close()


def drain(runner: StageRunner) -> None:
    while runner.step():
        pass


def sums(log: SqliteLog, topic: str = "reputation.buckets") -> list[int]:
    return [int(value) for value in log.read(TopicPartition(topic), 0, 1000).values]


EXPECTED = [sum(range(1, n + 1)) for n in range(1, 11)]


def test_outputs_state_and_position_change_together(log):
    runner = StageRunner(log, Summing(), step_records=3)
    assert runner.lag() == 10
    drain(runner)
    assert sums(log) == EXPECTED and runner.lag() == 0
    assert log.committed("summing") == {MAIL: 10} and dict(log.state("summing")) == {b"sum": b"55"}


@pytest.mark.parametrize("boundary", get_args(Boundary))
@pytest.mark.parametrize("step", [1, 2])
def test_a_crash_at_any_boundary_loses_and_repeats_nothing(log, boundary, step):
    seen = []

    def die(at: Boundary) -> None:
        seen.append(at)
        if seen.count(boundary) == step:
            raise Killed

    with pytest.raises(Killed):
        drain(StageRunner(log, Summing(), step_records=4, at=die))
    drain(StageRunner(log, Summing(), step_records=3))
    assert sums(log) == EXPECTED


def test_a_step_that_found_no_room_is_written_later_and_taken_once(log, monkeypatch):
    transaction = SqliteLog.transaction
    runner = StageRunner(log, Summing(), step_records=4)

    def full(self):
        raise LogFull("no room")

    monkeypatch.setattr(SqliteLog, "transaction", full)
    for _ in range(3):
        with pytest.raises(LogFull):
            runner.step()
    monkeypatch.setattr(SqliteLog, "transaction", transaction)
    drain(runner)
    assert sums(log) == EXPECTED


def test_a_rebuild_has_its_own_state_position_and_outputs(tmp_path):
    log = SqliteLog.open(tmp_path / "log.db", [*TOPICS, Topic(shadow("reputation.buckets", 2))])
    log.append("mail.events", [Record(b"k", b"7", 1)])
    with log.hold():
        drain(StageRunner(log, Summing(), Generation(2, shadowing=True)))
        assert sums(log) == [] and sums(log, "reputation.buckets@2") == [7]
        drain(StageRunner(log, Summing()))
        assert sums(log) == [7] and log.committed("summing@2") == log.committed("summing")
    log.close()
