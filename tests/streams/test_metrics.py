"""The catalogue keeps to Prometheus' conventions, and what steps do is counted once."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry

from processors.documents.stage import DocumentStage
from processors.stage import Emission, Flush, Slice, Tally
from schemas.codec import encode
from schemas.documents import DocumentReceived, Outcome
from schemas.mail import MessageSent
from streams import metrics
from streams.emitter import Emitter
from streams.log import LogFull, Record, Topic, TopicPartition
from streams.metrics import Counter, Histogram, catalogue, reason_of, stage_of
from streams.metrics_reference import PAGE, page
from streams.running.runner import Generation, StageRunner
from streams.running.workers import Patience, Worker, Workers
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS, shadow

DOCUMENTS = TopicPartition("documents")
SHADOWS = [Topic(shadow(topic, 2)) for topic in ("reputation.buckets", "dead.letters")]

BOUNDED = {
    "stage", "topic", "outcome", "reason", "phase", "part", "version",
    "route", "status", "provider", "format",
}  # fmt: skip
"""The labels there may be: what they can hold is known beforehand, and little."""

Value = Callable[..., float | None]


@pytest.fixture
def value(measured: CollectorRegistry) -> Value:
    """Reads a sample by its name and labels; None where there is none."""
    return lambda name, **labels: measured.get_sample_value(name, labels)


@pytest.mark.parametrize("metric", catalogue(), ids=lambda metric: metric.name)
def test_names_and_labels_are_as_prometheus_has_them(metric: metrics.Metric) -> None:
    assert re.fullmatch(r"mailwake(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == isinstance(metric, Counter)
    assert set(metric.labels) <= BOUNDED
    assert metric.help.endswith(".") and len(metric.help) > 15
    if isinstance(metric, Histogram):
        assert list(metric.buckets) == sorted(metric.buckets)
        assert metric.name.endswith(("_seconds", "_records"))


def test_no_name_is_used_twice() -> None:
    names = [metric.name for metric in catalogue()]
    assert len(names) == len(set(names)) > 20


def test_nothing_is_loaded_or_measured_before_somebody_wants_to_see_it() -> None:
    program = """
import sys
from streams import metrics
metrics.RECORDS_IN.add(1, "a", "b")
metrics.STAGE_PAUSED.set(1, "a")
with metrics.PHASE_SECONDS.timing("a", "read"):
    pass
import mailwake.pipeline, streams.emitter
assert "prometheus_client" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_series_begin_at_zero(value: Value) -> None:
    assert value("mailwake_dead_letters_total", stage="s") is None
    metrics.DEAD_LETTERS.begin("s")
    assert value("mailwake_dead_letters_total", stage="s") == 0
    assert value("mailwake_queries_total", outcome="refused") == 0


def test_a_block_that_fails_is_not_timed(value: Value) -> None:
    with pytest.raises(ZeroDivisionError), metrics.PHASE_SECONDS.timing("s", "take"):
        raise ZeroDivisionError
    with metrics.PHASE_SECONDS.timing("s", "read"):
        pass
    assert value("mailwake_step_phase_seconds_count", stage="s", phase="take") is None
    assert value("mailwake_step_phase_seconds_count", stage="s", phase="read") == 1


def test_labels_of_workers_and_errors_are_few() -> None:
    assert [stage_of(name) for name in ("reputation", "reputation/3", "watch /a/folder")] == [
        "reputation",
        "reputation",
        "watch",
    ]
    assert reason_of(LogFull("no room")) == reason_of(LogFull) == "log_full"


def test_waits_are_counted_told_and_shown_before_there_are_any(value: Value) -> None:
    told, tries = [], iter([True, True, False])

    def step() -> int:
        if next(tries):
            raise LogFull("no room")
        return 0

    workers = Workers([Worker("watch in", step)], Patience((LogFull, KeyError), give_up_after_s=60))
    workers.waits = lambda name, error: told.append((name, str(error)))
    workers.run(until_idle=True)
    assert told == [("watch in", "no room")] * 2
    assert value("mailwake_waits_total", stage="watch", reason="log_full") == 2
    assert value("mailwake_waits_total", stage="watch", reason="key_error") == 0


def test_an_emitter_counts_appends_by_outcome(value: Value, tmp_path: Path, monkeypatch) -> None:
    log = SqliteLog.open(tmp_path / "log.db", TOPICS)

    def full(*_: object) -> None:
        raise LogFull("no room")

    with Emitter(log) as emitter:
        emitter.emit_many([MessageSent(from_domain="a.example")] * 3)
        monkeypatch.setattr(SqliteLog, "append_all", full)
        with pytest.raises(LogFull):
            emitter.emit(MessageSent(from_domain="a.example"))
    log.close()
    appends = [value("mailwake_emitter_appends_total", outcome=name) for name in metrics.APPEND_OUTCOMES]
    assert appends == [1, 1, 0]
    assert value("mailwake_emitter_records_total", topic="mail.events") == 3
    assert value("mailwake_emitter_append_seconds_count") == 1


class Telling:
    """A stage that passes records on; "again" is a repeat, "late" an addition, "bad" a dead letter."""

    name, reads = "telling", "mail.events"

    def __init__(self) -> None:
        self.out: list[Emission] = []
        self.told = Tally()

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        self.told = Tally(repeats=100)

    def take(self, records: Slice) -> None:
        values = list(records.values)
        self.out = [
            Emission("dead.letters" if value == b"bad" else "reputation.buckets", b"", value or b"", 1)
            for value in values
        ]
        self.told = Tally(
            repeats=self.told.repeats + values.count(b"again"), late=self.told.late + values.count(b"late")
        )

    def flush(self) -> Flush:
        return Flush(self.out)

    def tally(self) -> Tally:
        return self.told


def test_a_runner_counts_what_came_of_each_step_once_it_is_durable(
    value: Value, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SqliteLog.open(tmp_path / "log.db", [*TOPICS, *SHADOWS])
    words = ["again", "bad", "late", "again", "late", "good", "again"]
    log.append("mail.events", [Record(b"k", word.encode(), 1) for word in words])
    transaction = SqliteLog.transaction

    def full(self: SqliteLog) -> None:
        raise LogFull("no room")

    with log.hold():
        runner = StageRunner(log, Telling(), Generation(2, shadowing=True), step_records=3)
        assert value("mailwake_dead_letters_total", stage="telling") == 0
        monkeypatch.setattr(SqliteLog, "transaction", full)
        with pytest.raises(LogFull):
            runner.step()
        assert value("mailwake_repeats_total", stage="telling") == 0
        monkeypatch.setattr(SqliteLog, "transaction", transaction)
        while runner.step():
            pass
    log.close()
    assert value("mailwake_records_in_total", stage="telling", topic="mail.events") == 7
    assert value("mailwake_records_out_total", stage="telling", topic="reputation.buckets") == 6
    assert value("mailwake_dead_letters_total", stage="telling") == 1
    assert value("mailwake_repeats_total", stage="telling") == 3
    assert value("mailwake_late_additions_total", stage="telling") == 2
    assert value("mailwake_batch_records_count", stage="telling") == 3
    for phase in ("read", "take", "flush", "write"):
        assert value("mailwake_step_phase_seconds_count", stage="telling", phase=phase) == 3


def test_documents_are_counted_by_what_became_of_them(value: Value, tmp_path: Path) -> None:
    bodies = {
        "parsed": b'[{"event": "delivered", "email": "jo@example.org", "timestamp": 1767603600, "sg_event_id": "1"}]',
        "partial": b'[{"event": "open", "email": "jo@example.org", "timestamp": 1767603600, "sg_event_id": "2"}, {"event": "new"}]',
        "rejected": b'[{"event": "new"}]',
    }
    log = SqliteLog.open(tmp_path / "log.db", TOPICS)
    for outcome in ("rejected", *bodies):
        told = DocumentReceived(source="sendgrid", channel="hook", receipt_id=f"{log.end(DOCUMENTS)}", sha256="0" * 64,
                                size=len(bodies[outcome]), content=bodies[outcome], recorded_at=1_767_603_600_000)  # fmt: skip
        log.append("documents", [Record(b"k", encode(told), told.recorded_at)])
    with log.hold():
        runner = StageRunner(log, DocumentStage(lambda *_: None), step_records=3)
        assert value("mailwake_documents_total", outcome="rejected") == 0
        while runner.step():
            pass
    log.close()
    counted = {outcome: value("mailwake_documents_total", outcome=outcome) for outcome in get_args(Outcome)}
    assert counted == {
        "parsed": 1,
        "partial": 1,
        "rejected": 2,
        "duplicate": 0,
        "conflict": 0,
        "forgotten": 0,
    }


def test_the_reference_is_what_the_catalogue_says() -> None:
    assert PAGE.read_text() == page(), "run python -m streams.metrics_reference"
