"""The loader beside a small sink: what a crash between the sink and the log must not lose."""

from pathlib import Path

import pytest

from processors.stage import Slice
from schemas.codec import decode
from sinks.loading import Loader, LoadPlan
from sinks.sink import Loaded, SinkBusy
from streams.log import Fenced, Mark, Record, TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import DAY_MS, TOPICS

OUTCOMES, LETTERS = TopicPartition("documents.outcomes"), TopicPartition("dead.letters")
PLAN = LoadPlan([OUTCOMES.topic], {}, frozenset(), batch_records=2)


class Remembering:
    """Keeps values by offset; what is not ASCII digits is bad."""

    name, topics = "remembering", (OUTCOMES.topic,)

    def __init__(self) -> None:
        self.held: Mark | None = None
        self.rows: dict[int, bytes | None] = {}

    def position(self, source: TopicPartition) -> Mark | None:
        return self.held

    def prepare(self, records: Slice) -> None:
        pass

    def load(self, records: Slice, mark: Mark) -> Loaded:
        good = [value is not None and value.isdigit() for value in records.values]
        self.rows |= {o: v for o, v, ok in zip(records.offsets, records.values, good, strict=True) if ok}
        if self.held is None or mark.offset > self.held.offset:
            self.held = mark
        return Loaded(sum(good), [(index, "no number") for index, ok in enumerate(good) if not ok])

    def close(self) -> None:
        pass


class Killed(BaseException):
    pass


@pytest.fixture
def log(tmp_path: Path):
    opened = SqliteLog.open(tmp_path / "log.db", TOPICS)
    values = [b"0", b"garbage", b"2", b"3", b"4"]
    opened.append(OUTCOMES.topic, [Record(b"k", value, 1_000 + n) for n, value in enumerate(values)])
    yield opened
    opened.close()


def drain(loader: Loader) -> None:
    while loader.step():
        pass
    loader.close()


def letters(log: SqliteLog) -> list[tuple[int, int]]:
    found = [decode(value) for value in log.read(LETTERS, 0, 100).values if value is not None]
    return [(letter.origin_offset, letter.recorded_at) for letter in found]


def test_loads_everything_and_tells_what_is_bad(log):
    sink = Remembering()
    with log.hold():
        drain(Loader(log, sink, PLAN))
    assert sorted(sink.rows) == [0, 2, 3, 4] and letters(log) == [(1, 1_001)]
    assert log.committed("warehouse") == {OUTCOMES: 5}


@pytest.mark.parametrize("boundary", ["read", "loaded", "committed"])
def test_a_crash_loses_no_dead_letter(log, boundary):
    def die(at: str) -> None:
        if at == boundary:
            raise Killed

    sink = Remembering()
    with log.hold():
        with pytest.raises(Killed):
            Loader(log, sink, PLAN, die).step()
        drain(Loader(log, sink, PLAN))
    assert sorted(sink.rows) == [0, 2, 3, 4] and letters(log) == [(1, 1_001)]


def test_what_was_loaded_and_what_is_bad_is_counted(log, measured):
    with log.hold():
        drain(Loader(log, Remembering(), PLAN))
    of_stage, of_topic = {"stage": "remembering"}, {"topic": OUTCOMES.topic}
    assert measured.get_sample_value("mailwake_records_in_total", of_stage | of_topic) == 5
    assert measured.get_sample_value("mailwake_warehouse_rows_loaded_total", of_topic) == 4
    assert measured.get_sample_value("mailwake_dead_letters_total", of_stage) == 1
    assert measured.get_sample_value("mailwake_batch_records_sum", of_stage) == 5
    for phase in ("read", "load", "write"):
        of_phase = of_stage | {"phase": phase}
        assert measured.get_sample_value("mailwake_step_phase_seconds_count", of_phase) == 3


def test_lag_in_event_time_is_that_of_the_topic_furthest_behind(log):
    with log.hold():
        loader = Loader(log, Remembering(), PLAN)
        assert loader.lag() == 5 and loader.lag_seconds() == 0.004
        loader.step()
        assert loader.lag() == 3 and loader.lag_seconds() == 0.002
        loader.close()


def test_a_loader_that_was_overtaken_writes_nothing_to_the_log(log, tmp_path):
    other = SqliteLog.open(tmp_path / "log.db", TOPICS)
    with log.hold():
        loader = Loader(log, Remembering(), PLAN)
        (tmp_path / "log.db.runtime.lock").unlink()
        with other.hold():
            with pytest.raises(Fenced):
                loader.step()
            assert letters(log) == []
    loader.close()
    other.close()


def test_retention_waits_for_a_loader_that_has_loaded_nothing_yet(log):
    buckets = TopicPartition("reputation.buckets")
    log.append(buckets.topic, [Record(b"k", b"1", 1_000)])
    with log.hold():
        Loader(log, Remembering(), LoadPlan([buckets.topic], {}, frozenset())).close()
        log.retain(400 * DAY_MS)
    assert log.begin(buckets) == 0


def test_a_batch_that_the_sink_was_too_busy_for_is_kept_and_not_read_again(log, monkeypatch):
    sink, reads, given = Remembering(), [], []
    read, load = log.read, sink.load

    def noted(source, offset, most):
        reads.append(offset)
        return read(source, offset, most)

    def busy_twice(records, mark):
        given.append(records.first)
        if given.count(2) in (1, 2) and records.first == 2:
            raise SinkBusy("try again")
        return load(records, mark)

    monkeypatch.setattr(log, "read", noted)
    monkeypatch.setattr(sink, "load", busy_twice)
    with log.hold():
        loader = Loader(log, sink, PLAN)
        loader.step()
        for _ in range(2):
            with pytest.raises(SinkBusy):
                loader.step()
        drain(loader)
    assert given == [0, 2, 2, 2, 4] and sorted(sink.rows) == [0, 2, 3, 4]
    assert [offset for offset in reads if offset in (0, 2, 4)] == [0, 2, 4]
