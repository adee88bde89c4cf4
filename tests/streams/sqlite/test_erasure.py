import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.log import LogError, Record, Retention, Topic, TopicPartition
from streams.sqlite.log import SqliteLog

PLAIN, LATEST = TopicPartition("plain"), TopicPartition("latest")
TOPICS = (Topic("plain"), Topic("latest", retention=Retention(compacted=True)))
SECRET = b"john@example.com"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    opened = SqliteLog.open(tmp_path / "log.db", TOPICS)
    yield opened
    opened.close()


def filled(log: SqliteLog, topic: str = "plain", size: int = 0) -> None:
    log.append(topic, [Record(b"k%d" % n, b"%d " % n + SECRET + b"." * size, n) for n in range(5)])


def on_disk(log: SqliteLog) -> bytes:
    return b"".join(path.read_bytes() for path in log.path.parent.glob("log.db*"))


@pytest.mark.parametrize("size", [0, 5_000, 100_000])
def test_what_was_replaced_is_nowhere_on_the_disk(log: SqliteLog, size: int) -> None:
    filled(log, size=size)
    assert log.erase({PLAIN: dict.fromkeys(range(5), b"gone")}) == 5
    assert log.settle()
    assert SECRET not in on_disk(log)


def test_offset_key_and_time_stay(log: SqliteLog) -> None:
    filled(log)
    log.erase({PLAIN: {2: b"gone"}})
    batch = log.read(PLAIN, 0, 10)
    assert list(batch.offsets) == [0, 1, 2, 3, 4] and batch.values[2] == b"gone"
    assert batch.keys[2] == b"k2" and batch.timestamps[2] == 2


def test_the_sizes_that_are_counted_follow(log: SqliteLog) -> None:
    filled(log)
    log.erase({PLAIN: {2: b"gone"}})
    (stats,) = [one for one in log.stats() if one.source == PLAIN]
    batch = log.read(PLAIN, 0, 10)
    assert (
        stats.bytes == sum(len(part or b"") for part in (*batch.keys, *batch.values)) and stats.records == 5
    )


def test_what_is_not_there_is_passed_over(log: SqliteLog) -> None:
    filled(log)
    assert log.erase({PLAIN: {7: b"gone"}}) == 0


def test_a_mark_after_it_still_holds_and_one_elsewhere_is_still_checked(log: SqliteLog) -> None:
    filled(log)
    after, elsewhere = log.mark(PLAIN, 3), log.mark(PLAIN, 2)
    log.erase({PLAIN: {2: b"gone"}})
    log.check(after)
    log.check(elsewhere)
    log.check(log.mark(PLAIN, 3))
    with pytest.raises(LogError, match="another log"):
        log.check(log.mark(PLAIN, 3).__class__("other", PLAIN, 3, after.digest))


def test_compaction_goes_on_as_before(log: SqliteLog) -> None:
    filled(log, "latest")
    log.erase({LATEST: {2: b"gone"}})
    log.retain(10)
    log.append("latest", [Record(b"k2", b"again", 9)])
    log.retain(10)
    assert list(log.read(LATEST, 0, 10).offsets) == [0, 1, 3, 4, 5]


def test_a_reader_in_the_way_is_told_of(log: SqliteLog) -> None:
    filled(log)
    with log._connections.reading() as connection:
        connection.execute("SELECT count(*) FROM records").fetchone()
        log.erase({PLAIN: {2: b"gone"}})
        assert not log.settle(0.2)
    assert log.settle()


def test_others_append_meanwhile(log: SqliteLog) -> None:
    filled(log)
    other = SqliteLog.open(log.path, TOPICS)
    appending = threading.Thread(
        target=lambda: [other.append("plain", [Record(b"x", b"y", 1)]) for _ in range(30)]
    )
    appending.start()
    for n in range(5):
        log.erase({PLAIN: {n: b"gone"}})
    appending.join()
    other.close()
    assert log.settle() and SECRET not in on_disk(log) and log.end(PLAIN) == 35
