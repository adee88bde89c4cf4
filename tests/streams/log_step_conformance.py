"""What a step of a log must do: all of it or nothing, positions and state with it, one runtime at a time."""

import pytest
from log_samples import BRIEF, EVENTS, TOPICS, LogSuite, Opener, read_all, records

from streams.log import (
    Log,
    LogError,
    LogInUse,
    TopicPartition,
    UnknownTopic,
)


class StepConformance(LogSuite):
    def test_a_step_shows_all_at_once(self, opener: Opener) -> None:
        log, other = opener(TOPICS), opener(TOPICS)
        with log.hold():
            with log.transaction() as step:
                step.append("events", records(2))
                step.append("events", records(1, start=2))
                step.append("spread", records(10), partition=2)
                step.commit("group", BRIEF, 0)
                step.put_state("stage", {b"chunk": b"1"})
                assert log.end(EVENTS) == other.end(EVENTS) == 0
                assert log.committed("group") == {}
                assert list(log.state("stage")) == []
            for one in (log, other):
                assert read_all(one, EVENTS) == list(enumerate(records(3)))
                assert [r for _, r in read_all(one, TopicPartition("spread", 2))] == records(10)
                assert one.committed("group") == {BRIEF: 0}
                assert list(one.state("stage")) == [(b"chunk", b"1")]

    def test_a_step_that_raises_leaves_nothing(self, log: Log) -> None:
        log.append("events", records(3))
        with log.hold():
            with pytest.raises(ZeroDivisionError), log.transaction() as step:
                step.append("events", records(2))
                step.commit("group", EVENTS, 3)
                step.put_state("stage", {b"chunk": b"1"})
                raise ZeroDivisionError
            assert log.end(EVENTS) == 3
            assert log.committed("group") == {}
            assert list(log.state("stage")) == []
            with log.transaction() as step:
                step.commit("group", EVENTS, 3)
        assert log.committed("group") == {EVENTS: 3}

    def test_a_step_that_cannot_be_kept_whole_leaves_nothing(self, log: Log) -> None:
        with log.hold():
            with pytest.raises(UnknownTopic), log.transaction() as step:
                step.append("events", records(1))
                step.append("nowhere", records(1))
            with pytest.raises(LogError), log.transaction() as step:
                step.append("events", records(1))
                step.put_state("stage", {b"chunk": b"1"})
                step.commit("group", EVENTS, 2)
            assert log.end(EVENTS) == 0
            assert list(log.state("stage")) == []

    def test_a_step_may_hold_nothing(self, log: Log) -> None:
        with log.hold():
            with log.transaction() as step:
                step.append("events", [])
                step.put_state("stage", {})
            with log.transaction() as step:
                step.append("events", records(1))
        assert [record for _, record in read_all(log, EVENTS)] == records(1)

    def test_positions_are_kept_by_group_and_partition(self, opener: Opener) -> None:
        log = opener(TOPICS)
        spread = log.partitions("spread")
        log.append("spread", records(100))
        with log.hold():
            for step_number in range(3):
                with log.transaction() as step:
                    step.commit("one", spread[0], step_number)
                    step.commit("two", spread[0], 2 * step_number)
                    step.commit("one", spread[3], 1)
        log.close()
        log = opener(TOPICS)
        assert log.committed("one") == {spread[0]: 2, spread[3]: 1}
        assert log.committed("two") == {spread[0]: 4}
        assert log.committed("three") == {}

    def test_state_is_replaced_by_chunk(self, opener: Opener) -> None:
        log = opener(TOPICS)
        with log.hold():
            with log.transaction() as step:
                step.put_state("stage", {b"a": b"1", b"b": b"2", b"c": b""})
                step.put_state("other", {b"a": b"theirs"})
            with log.transaction() as step:
                step.put_state("stage", {b"a": b"10", b"d": b"lost"})
                step.put_state("stage", {b"b": None, b"d": None, b"never": None})
        log.close()
        log = opener(TOPICS)
        assert dict(log.state("stage")) == {b"a": b"10", b"c": b""}
        assert dict(log.state("other")) == {b"a": b"theirs"}

    def test_what_was_handed_over_may_change_afterwards(self, log: Log) -> None:
        mine = records(2)
        chunks: dict[bytes, bytes | None] = {b"a": b"1"}
        with log.hold(), log.transaction() as step:
            step.append("events", mine)
            step.put_state("stage", chunks)
            mine.clear()
            chunks.clear()
        assert [r for _, r in read_all(log, EVENTS)] == records(2)
        assert dict(log.state("stage")) == {b"a": b"1"}

    def test_emitters_go_on_during_a_step(self, opener: Opener) -> None:
        log, emitter = opener(TOPICS), opener(TOPICS)
        with log.hold(), log.transaction() as step:
            step.append("events", records(1))
            assert list(emitter.append("events", records(1, start=1))) == [0]
        assert [r for _, r in read_all(log, EVENTS)] == [*records(1, start=1), *records(1)]

    def test_one_runtime_at_a_time(self, opener: Opener) -> None:
        log, other = opener(TOPICS), opener(TOPICS)
        with log.hold():
            with pytest.raises(LogInUse), other.hold():
                pass
            with log.transaction() as step:
                step.append("events", records(1))
        with other.hold(), other.transaction() as step:
            step.append("events", records(1))
        assert [r for _, r in read_all(log, EVENTS)] == 2 * records(1)

    def test_no_step_without_holding_the_log(self, log: Log) -> None:
        with pytest.raises(LogError, match="hold"), log.transaction():
            pass
        with log.hold():
            pass
        with pytest.raises(LogError, match="hold"), log.transaction():
            pass
