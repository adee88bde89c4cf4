"""When a stage has stalled, by moments that the tests say."""

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from schemas.codec import encode
from schemas.mail import MessageSent
from streams.log import LogError, LogFull, LogUnavailable, Record, TopicPartition
from streams.running.event_lag import seconds_behind
from streams.running.vitals import Moment, Vitals, Watched
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

STALL_S = 60
MAIL = TopicPartition("mail.events")


def at(seconds: float) -> Moment:
    return Moment(1_800_000_000 + seconds, 500 + seconds)


@dataclass
class Stage:
    """A stage that says what a test wants."""

    name: str = "stage"
    waiting: int = 0
    paused: bool = False
    silent: bool = False

    def watched(self) -> Watched:
        return Watched(self.name, self.lag, lambda: self.lag() / 10, lambda: self.paused)

    def lag(self) -> int:
        if self.silent:
            raise LogError("gone")
        return self.waiting


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def vitals(stage: Stage) -> Vitals:
    return Vitals([stage.watched()], at(0))


def stalled(vitals: Vitals, seconds: float) -> list[str]:
    vitals.look(at(seconds))
    return [found.name for found in vitals.conditions(at(seconds)) if found.stalled(STALL_S)]


def test_a_stage_with_input_and_no_progress_has_stalled(stage: Stage, vitals: Vitals) -> None:
    stage.waiting = 7
    assert stalled(vitals, 0) == [] and stalled(vitals, 59) == []
    assert stalled(vitals, 60) == ["stage"]
    (condition,) = vitals.conditions(at(90))
    assert (condition.waiting, condition.since, condition.idle_s) == (7, at(0), 90)


def test_progress_ends_it(stage: Stage, vitals: Vitals) -> None:
    stage.waiting = 7
    assert stalled(vitals, 1) == [] and stalled(vitals, 70) == ["stage"]
    vitals.stepped("stage", 3, at(75))
    assert stalled(vitals, 134) == []
    assert stalled(vitals, 135) == ["stage"]


def test_a_step_that_did_nothing_is_no_progress_while_records_wait(stage: Stage, vitals: Vitals) -> None:
    stage.waiting = 7
    for seconds in range(0, 60, 5):
        vitals.look(at(seconds))
        vitals.stepped("stage", 0, at(seconds))
    assert stalled(vitals, 60) == ["stage"]


def test_input_that_comes_after_a_long_quiet_time_is_not_late(stage: Stage, vitals: Vitals) -> None:
    vitals.look(at(1_000))
    stage.waiting = 1
    assert stalled(vitals, 1_005) == [], "it came since"
    assert stalled(vitals, 1_064) == []
    assert stalled(vitals, 1_065) == ["stage"]


def test_a_paused_stage_has_not_stalled_and_gets_its_time_when_it_goes_on(
    stage: Stage, vitals: Vitals
) -> None:
    stage.waiting, stage.paused = 7, True
    assert stalled(vitals, 500) == []
    vitals.look(at(900))
    stage.paused = False
    assert stalled(vitals, 959) == []
    assert stalled(vitals, 960) == ["stage"]


def test_a_log_that_does_not_say_what_waits_is_no_health(stage: Stage, vitals: Vitals) -> None:
    stage.silent = True
    assert stalled(vitals, 0) == []
    vitals.stepped("stage", 0, at(30))
    assert stalled(vitals, 59) == [] and stalled(vitals, 60) == ["stage"]
    assert vitals.conditions(at(60))[0].waiting is None


def test_a_log_that_is_away_is_asked_once_in_a_look_and_by_nobody_who_wants_to_know() -> None:
    asked = []

    def away() -> int:
        asked.append(1)
        raise LogUnavailable("no answer")

    vitals = Vitals([Watched(f"stage/{number}", away, lambda: 0.0) for number in range(3)], at(0))
    vitals.look(at(1))
    assert [one.waiting for one in vitals.conditions(at(70))] == [None] * 3 and len(asked) == 1
    assert all(one.stalled(STALL_S) and not one.stuck(STALL_S) for one in vitals.conditions(at(70)))


def test_what_it_waits_for_is_told_until_a_step_ends_well(stage: Stage, vitals: Vitals) -> None:
    stage.waiting = 1
    vitals.waits("stage", LogFull("no room"))
    assert vitals.conditions(at(1))[0].waits_for == "no room"
    assert [(name, str(error)) for name, error in vitals.busy()] == [("stage", "no room")]
    vitals.stepped("stage", 1, at(2))
    assert vitals.conditions(at(3))[0].waits_for is None and not vitals.busy()


def test_a_clock_that_is_set_right_stalls_nobody(stage: Stage, vitals: Vitals) -> None:
    stage.waiting = 1
    (condition,) = vitals.conditions(Moment(at(0).unix + 86_400, at(10).steady))
    assert condition.idle_s == 10


def test_workers_that_are_no_stages_are_passed_over(vitals: Vitals) -> None:
    vitals.stepped("watch incoming", 1, at(1))
    assert [found.name for found in vitals.conditions(at(1))] == ["stage"]


def test_metrics_show_the_worst_of_a_stages_partitions(measured: CollectorRegistry) -> None:
    parts = [Stage("fold/0", 5), Stage("fold/1", 30)]
    vitals = Vitals([part.watched() for part in parts], at(0))
    vitals.look(at(0))
    vitals.stepped("fold/0", 1, at(50))

    def shown(name: str) -> float:
        vitals.look(at(70))
        vitals.publish(vitals.conditions(at(70)), STALL_S)
        value = measured.get_sample_value(f"mailwake_stage_{name}", {"stage": "fold"})
        assert value is not None
        return value

    assert shown("lag_records") == 35 and shown("lag_seconds") == 3
    assert shown("last_progress_timestamp_seconds") == at(0).unix
    assert shown("stalled") == 1 and shown("paused") == 0
    parts[1].silent = True
    assert math.isnan(shown("lag_records")) and math.isnan(shown("lag_seconds"))


@pytest.fixture
def log(tmp_path: Path):
    opened = SqliteLog.open(tmp_path / "log.db", TOPICS)
    yield opened
    opened.close()


def event(occurred_at: int) -> Record:
    sent = MessageSent(from_domain="a.example", occurred_at=occurred_at, recorded_at=1_790_000_900_000)
    return Record(b"k", encode(sent), 1_790_000_900_000)


def test_lag_in_event_time_is_from_the_next_record_to_the_last(log: SqliteLog) -> None:
    log.append("mail.events", [event(1_790_000_000_000 + second * 1_000) for second in (0, 5, 12)])
    assert [seconds_behind(log, MAIL, position) for position in range(4)] == [12, 7, 0, 0]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (Record(b"k", b"garbage", 1_790_000_003_000), 3),
        (Record(b"k", None, 1_790_000_004_000), 4),
        (event(1_999_000_000_000), 1_200),
        (event(1_789_000_000_000), 0),
    ],
    ids=["garbage", "tombstone", "clock ahead", "late"],
)
def test_lag_stands_what_records_say(log: SqliteLog, last: Record, expected: float) -> None:
    log.append("mail.events", [event(1_790_000_000_000), last])
    assert seconds_behind(log, MAIL, 0) == expected


def test_lag_of_what_retention_has_removed_begins_where_the_log_does(log: SqliteLog, monkeypatch) -> None:
    from streams.log import OffsetGone

    log.append("mail.events", [event(1_790_000_000_000 + second * 1_000) for second in (0, 5, 12)])
    read = SqliteLog.read

    def gone(self: SqliteLog, source: TopicPartition, offset: int, limit: int):
        if offset < 1:
            raise OffsetGone("gone", 1)
        return read(self, source, offset, limit)

    monkeypatch.setattr(SqliteLog, "read", gone)
    assert seconds_behind(log, MAIL, 0) == 7
