"""What a mark in a log must tell: whether another log, or this one later, continues what was read before it."""

from dataclasses import replace

import pytest
from log_samples import BRIEF, EVENTS, LATEST, TOPICS, LogSuite, Opener, read_all, records

from streams.log import (
    Log,
    LogError,
    Record,
    TopicPartition,
)


class MarkConformance(LogSuite):
    def test_a_mark_holds_as_the_log_grows_and_is_reopened(self, opener: Opener) -> None:
        log = opener(TOPICS)
        log.append("events", records(5))
        marks = [log.mark(EVENTS, offset) for offset in range(6)]
        assert [m.offset for m in marks] == list(range(6))
        assert all(m.log_id == log.id and m.source == EVENTS for m in marks)
        assert len({m.digest for m in marks}) == 6
        log.append("events", records(5))
        log.close()
        for mark in marks:
            opener(TOPICS).check(mark)

    def test_a_mark_after_a_step_is_about_its_last_record(self, log: Log) -> None:
        with log.hold():
            for number in range(2):
                with log.transaction() as step:
                    step.append("events", records(3, start=3 * number))
        end = log.end(EVENTS)
        mark = log.mark(EVENTS, end)
        assert mark.digest
        log.append("events", records(2))
        log.check(mark)
        with pytest.raises(LogError, match=r"another record at \d+, before the position"):
            log.check(replace(mark, digest=log.mark(EVENTS, 1).digest))

    def test_reading_passes_what_a_step_leaves_between_records(self, log: Log) -> None:
        with log.hold():
            for number in range(3):
                with log.transaction() as step:
                    step.append("events", records(2, start=2 * number))
        for limit in (1, 2, 3, 100):
            assert [r for _, r in read_all(log, EVENTS, limit)] == records(6)
        assert log.read(EVENTS, 0, 100).next == log.end(EVENTS)

    def test_no_mark_past_the_end(self, log: Log) -> None:
        log.append("events", records(5))
        with pytest.raises(LogError, match="5"):
            log.mark(EVENTS, 6)

    def test_a_mark_tells_what_differs(self, log: Log) -> None:
        log.append("events", records(5))
        mark = log.mark(EVENTS, 3)
        for other, said in (
            (replace(mark, log_id="ffff"), r"another log.*ffff"),
            (replace(mark, offset=6), r"ends before the position.*5.*6"),
            (replace(mark, offset=4), r"another record at 3"),
        ):
            with pytest.raises(LogError, match=said):
                log.check(other)

    def test_a_mark_of_another_log_without_the_topic(self, log: Log) -> None:
        mark = replace(log.mark(EVENTS, 0), log_id="ffff", source=TopicPartition("nowhere"))
        with pytest.raises(LogError, match="another log"):
            log.check(mark)

    def test_a_mark_and_retention(self, log: Log) -> None:
        log.append("brief", [Record(None, b"%d" % i, i) for i in range(10)])
        marks = [log.mark(BRIEF, offset) for offset in range(11)]
        self.retain(log, now_ms=1_005)
        assert log.begin(BRIEF) == 5
        for mark in marks[:5]:
            with pytest.raises(LogError, match=r"begins after the position.*5"):
                log.check(mark)
        for mark in marks[5:]:
            log.check(mark)
        log.check(log.mark(BRIEF, 5))

    def test_a_mark_and_compaction(self, log: Log) -> None:
        log.append("latest", [Record(b"same", b"%d" % i, i) for i in range(10)])
        marks = [log.mark(LATEST, offset) for offset in range(11)]
        self.retain(log, now_ms=10)
        for mark in marks:
            log.check(mark)
        with pytest.raises(LogError, match="another record at 9"):
            log.check(replace(marks[10], digest=marks[9].digest))
