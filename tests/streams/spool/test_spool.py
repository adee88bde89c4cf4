"""The spool as a queue, and its drainer against a log that does whatever a test wants."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from streams.emitter import Emitter
from streams.log import LogError, LogFull, LogUnavailable, Record, RecordTooLarge
from streams.spool.draining import Drainer, Draining
from streams.spool.spool import Emit, Most, Spool, SpoolFull, SpoolOfAnotherLog
from streams.spool.spooled_log import SpooledLog
from tests.streams.test_emitter import sent

ALL = 2**62
QUICK = Draining(first_wait_s=0.001, longest_wait_s=0.01, look_s=0.02, rest_s=0.001)
SLOW = 60.0
"""Longer than anything here takes: only what hangs waits for so long."""


def emit(number: int, count: int = 1) -> Emit:
    return {"mail.events": [Record(b"key", b"%d.%d" % (number, i), number) for i in range(count)]}


def values(records: Mapping[str, Sequence[Record]]) -> list[bytes | None]:
    return [record.value for record in records.get("mail.events", ())]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with closing(Spool.open(tmp_path / "spool.db", 2**20, "kafka://a")) as opened:
        yield opened


def again(spool: Spool, log: str = "kafka://a") -> Spool:
    """The same file as another process opens it."""
    return Spool.open(spool.path, 2**20, log)


def test_emits_come_out_in_order_and_whole(spool: Spool) -> None:
    spool.add([emit(0), emit(1, 3)])
    spool.add([{"documents": [Record(None, None, 7)], **emit(2)}])
    with closing(again(spool)) as other:
        group = other.next_group(None, Most())
        assert group is not None and (group.emits, group.next - group.first) == (3, 6)
        assert values(group.records) == [b"0.0", b"1.0", b"1.1", b"1.2", b"2.0"]
        assert group.records["documents"] == [Record(None, None, 7)]
        assert other.next_group(group, Most()) is None
    assert spool.held().records == spool.held().bytes == 0


@pytest.mark.parametrize("most", [Most(emits=2), Most(records=2), Most(bytes=110)], ids=str)
def test_groups_are_bounded_and_a_larger_emit_goes_by_itself(spool: Spool, most: Most) -> None:
    spool.add([emit(0), emit(1), emit(2, 5), emit(3)])
    found, group = [], None
    while group := spool.next_group(group, most):
        found.append(group.emits)
    assert found == ([2, 2] if most.emits == 2 else [2, 1, 1])


def test_a_full_spool_says_what_to_do_and_keeps_nothing_of_the_emit(spool: Spool) -> None:
    large = {"mail.events": [Record(b"key", bytes(100_000), i) for i in range(8)]}
    spool.add([large])
    with pytest.raises(
        SpoolFull, match=r"spool.db is full: 80\d+ bytes .*bound is 1048576 \(MAILWAKE_SPOOL_BYTES"
    ):
        spool.add([large])
    assert issubclass(SpoolFull, LogFull) and spool.held().records == 8
    group = spool.next_group(None, Most())
    spool.next_group(group, Most())
    spool.add([large])


def test_what_waits_for_one_log_does_not_go_to_another(spool: Spool) -> None:
    again(spool, "kafka://b").close()
    assert spool.first() is None
    assert spool.add([emit(0)]) == spool.end() == 1 and spool.first() == 0
    with pytest.raises(
        SpoolOfAnotherLog, match=r"holds 1 records for kafka://a, and the log is kafka://b.*MAILWAKE"
    ):
        again(spool, "kafka://b")


@pytest.mark.parametrize("kept", [True, False])
def test_after_a_crash_the_last_number_tells_whether_a_group_was_kept(spool: Spool, kept: bool) -> None:
    spool.add([emit(0), emit(1)])
    group = spool.next_group(None, Most(emits=1))
    assert group is not None
    with closing(again(spool)) as other:
        other.settle(group.number if kept else 77)
        following = other.next_group(None, Most())
        assert following is not None and values(following.records) == [b"0.0", b"1.0"][kept:]


def test_what_is_set_aside_stays_and_can_be_taken_back_while_another_group_is_sent(spool: Spool) -> None:
    spool.add([emit(0), emit(1)])
    first = spool.next_group(None, Most(emits=1))
    assert first is not None
    spool.set_aside(first, "too large")
    assert (spool.held().records, spool.held().refused_records) == (1, 1)
    second = spool.next_group(None, Most())
    assert second is not None and values(second.records) == [b"1.0"]
    assert spool.take_back() == 1
    third = spool.next_group(second, Most())
    assert third is not None and values(third.records) == [b"0.0"]
    assert spool.next_group(third, Most()) is None and spool.held().records == 0


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (c)")
    with pytest.raises(LogError, match="not a mailwake spool"):
        Spool.open(tmp_path / "other.db", 2**20, "kafka://a")


def test_space_is_given_back(tmp_path: Path) -> None:
    with closing(Spool.open(tmp_path / "spool.db", 2**30, "kafka://a")) as spool:
        spool.add([{"mail.events": [Record(b"key", bytes(10_000), i)]} for i in range(3_000)])
        group = None
        while group := spool.next_group(group, Most()):
            pass
        while spool.give_back():
            pass
        spool._connections.checkpoint()
        assert spool.path.stat().st_size < 12 * 2**20


class Fake:
    """A log: what it holds, the last number, and what to do before and after it keeps an append."""

    def __init__(self) -> None:
        self.kept: list[bytes | None] = []
        self.appends: list[list[bytes | None]] = []
        self.number: int | None = None
        self.opened = 0
        self.before: Callable[[list[bytes | None]], None] = lambda records: None
        self.after: Callable[[list[bytes | None]], None] = lambda records: None
        self.opening: Callable[[], None] = lambda: None

    def open(self) -> "Fake":
        self.opened += 1
        self.opening()
        return self

    def last(self) -> int | None:
        return self.number

    def append_all(self, records: Mapping[str, Sequence[Record]], number: int) -> None:
        found = values(records)
        self.before(found)
        self.kept += found
        self.appends.append(found)
        self.number = number
        self.after(found)

    def limits(self) -> Mapping[str, int]:
        return {"mail.events": 1_000}

    def close(self) -> None:
        pass


def times(count: int, error: Exception) -> Callable[..., None]:
    """Raises so often, then no more."""
    left = iter(range(count))

    def act(*_: object) -> None:
        if next(left, None) is not None:
            raise error

    return act


@pytest.fixture
def fake() -> Fake:
    return Fake()


def drained(spool: Spool, fake: Fake, how: Draining = QUICK) -> None:
    with closing(Drainer(spool, fake.open, how)) as drainer:
        assert drainer.wait(ALL, SLOW)


def test_everything_goes_to_the_log_in_order(spool: Spool, fake: Fake) -> None:
    with closing(Drainer(spool, fake.open, QUICK)) as drainer:
        for number in range(50):
            spool.add([emit(2 * number), emit(2 * number + 1, 2)])
            drainer.wake()
        assert drainer.wait(ALL, SLOW)
    expected = [b"%d.%d" % (n, i) for n in range(100) for i in range(n % 2 + 1)]
    assert fake.kept == expected and fake.opened == 1 and spool.held().records == 0


@pytest.mark.parametrize(
    "error", [LogUnavailable("away"), LogFull("full"), LogError("no right"), KeyError("a bug")]
)
@pytest.mark.parametrize("when", ["opening", "before", "after"])
def test_whatever_fails_is_tried_again_and_kept_once(
    spool, fake, caplog, when: str, error: Exception
) -> None:
    spool.add([emit(number) for number in range(6)])
    setattr(fake, when, times(3, error))
    drained(spool, fake, Draining(0.001, 0.01, 0.02, most=Most(emits=2)))
    assert fake.kept == [b"%d.0" % number for number in range(6)]
    assert fake.opened == 4
    assert len(caplog.records) == 1
    assert ("Traceback" in caplog.text) == isinstance(error, KeyError)


def test_an_emit_that_is_refused_is_set_aside_alone(spool: Spool, fake: Fake, caplog) -> None:
    def refuse(found: list[bytes | None]) -> None:
        if b"2.0" in found:
            raise RecordTooLarge("a record takes 9 bytes and the limit is 8", 9, 8)

    fake.before = refuse
    spool.add([emit(number, 2) for number in range(5)])
    caplog.set_level(logging.ERROR)
    drained(spool, fake)
    assert fake.kept == [b"%d.%d" % (number, i) for number in (0, 1, 3, 4) for i in range(2)]
    assert (spool.held().records, spool.held().refused_records) == (0, 2)
    (told,) = caplog.records
    assert "2 records" in told.getMessage() and "--retry-refused" in told.getMessage()
    fake.before = lambda found: None
    assert spool.take_back() == 2
    drained(spool, fake)
    assert fake.kept[-2:] == [b"2.0", b"2.1"] and spool.held().refused_records == 0


def test_one_drains_at_a_time_and_the_next_goes_on(spool: Spool, fake: Fake) -> None:
    other = Fake()
    first = Drainer(spool, fake.open, QUICK)
    spool.add([emit(0)])
    assert first.wait(ALL, SLOW)
    second = Drainer(again(spool), other.open, QUICK)
    spool.add([emit(1)])
    assert second.wait(ALL, SLOW) and fake.kept == [b"0.0", b"1.0"] and not other.opened
    first.close()
    spool.add([emit(2)])
    assert second.wait(ALL, SLOW) and other.kept == [b"2.0"]
    second.close()


def test_an_end_does_not_wait_for_ever_and_loses_nothing(spool: Spool, fake: Fake) -> None:
    released = threading.Event()
    fake.opening = lambda: (released.wait(SLOW), None)[1]
    log = SpooledLog(spool, Drainer(spool, fake.open, QUICK), Draining(close_s=0.01))
    log.append_emits([emit(0)])
    assert log.drain(0.01) == 1
    log.close()
    released.set()
    with closing(again(spool)) as other:
        drained(other, Fake())


def test_an_emitter_keeps_each_emit_apart(spool: Spool, fake: Fake) -> None:
    log = SpooledLog(spool, Drainer(spool, fake.open, QUICK), QUICK)
    with Emitter(log) as emitter:
        emitter.emit_many([sent(1), sent(2)])
        assert spool.held().records + len(fake.kept) >= 2
        with pytest.raises(
            RecordTooLarge, match=r"takes \d+ bytes and the topic's max\.message\.bytes is 100"
        ):
            spool.limits = {"mail.events": 100}
            emitter.emit_many([sent(3)])
    log.close()
    assert len(fake.kept) == 2
