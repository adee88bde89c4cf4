from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from log_conformance import LogConformance
from log_samples import BRIEF, EVENTS, LATEST, Opener, read_all, records

from streams.log import Log, Record, Topic, TopicPartition
from streams.sqlite.log import SqliteLog


class TestSqliteLog(LogConformance):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Iterator[Opener]:
        opened: list[Log] = []

        def open_it(topics: Sequence[Topic]) -> Log:
            opened.append(SqliteLog.open(tmp_path / "log.db", topics))
            return opened[-1]

        yield open_it
        for log in opened:
            log.close()

    def retain(self, log: Log, now_ms: int) -> None:
        assert isinstance(log, SqliteLog)
        log.retain(now_ms)

    def test_steps_and_appends_leave_no_gaps(self, log: Log) -> None:
        with log.hold(), log.transaction() as step:
            step.append("events", records(3))
            step.append("spread", records(10), partition=2)
        assert (log.end(EVENTS), log.end(TopicPartition("spread", 2))) == (3, 10)
        log.append_all({"events": records(3), "spread": records(50)})
        assert log.end(EVENTS) == 6
        assert sum(log.end(source) for source in log.partitions("spread")) == 60

    def test_retention_waits_for_the_groups(self, log: Log) -> None:
        log.append("brief", records(10))
        with log.hold(), log.transaction() as step:
            step.commit("slow", BRIEF, 4)
            step.commit("fast", BRIEF, 9)
        self.retain(log, now_ms=10**9)
        assert log.begin(BRIEF) == 4

    def test_a_tombstone_stays_for_a_while_and_then_goes(self, log: Log) -> None:
        log.append("latest", [Record(b"a", b"1", 1), Record(b"b", b"2", 2), Record(b"a", None, 3)])
        self.retain(log, now_ms=4)
        assert [(o, r.value) for o, r in read_all(log, LATEST)] == [(1, b"2"), (2, None)]
        self.retain(log, now_ms=10**10)
        assert [(o, r.value) for o, r in read_all(log, LATEST)] == [(1, b"2")]
        assert list(log.append("latest", [Record(b"a", b"back", 5)])) == [3]
