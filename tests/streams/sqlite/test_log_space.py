"""The file of a SqliteLog: shrinking, full disks, damage, versions, backups."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from log_samples import read_all

from streams.log import LogError, LogFull, OffsetGone, Record, Retention, Topic, TopicPartition
from streams.sqlite import connections as sqlite_connections
from streams.sqlite import records as sqlite_records
from streams.sqlite import retention as sqlite_retention
from streams.sqlite.log import SqliteLog

EVENTS = TopicPartition("events")
LATEST = TopicPartition("latest")
TOPICS = (
    Topic("events", retention=Retention(max_bytes=100_000)),
    Topic("latest", retention=Retention(compacted=True)),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def log(path: Path) -> Iterator[SqliteLog]:
    with closing(SqliteLog.open(path, TOPICS)) as opened:
        yield opened


def sized(count: int, size: int = 1_000) -> list[Record]:
    return [Record(None, os.urandom(size), i) for i in range(count)]


def set_pragma(path: Path, pragma: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA {pragma}")
        connection.commit()


# Retention and space


def test_space_goes_back_to_the_file_system(log: SqliteLog, path: Path) -> None:
    log.append("events", sized(20_000))
    log.retain(now_ms=0, holds={EVENTS: 0})
    full = path.stat().st_size
    assert full > 20_000_000
    removed = log.retain(now_ms=0)
    assert (removed.records, removed.bytes) == (19_900, 19_900_000)
    assert path.stat().st_size < 2_000_000
    assert path.with_name("log.db-wal").stat().st_size == 0
    assert log.begin(EVENTS) == 19_900
    assert len(read_all(log, EVENTS, 1_000)) == 100


def test_the_wal_stays_small(log: SqliteLog, path: Path) -> None:
    largest = 0
    for _ in range(60):
        log.append("events", sized(1_000))
        largest = max(largest, path.with_name("log.db-wal").stat().st_size)
    assert largest < sqlite_connections.WAL_BYTES + 2_000_000


def test_a_reader_that_lingers_neither_blocks_writers_nor_sees_their_work(log: SqliteLog) -> None:
    with log.hold():
        with log.transaction() as step:
            step.put_state("stage", {b"%d" % i: bytes(1_000) for i in range(1_000)})
        chunks = log.state("stage")
        next(chunks)
        with log.transaction() as step:
            step.put_state("stage", {b"%d" % i: b"new" for i in range(1_000)})
        for _ in range(20):
            log.append("events", sized(1_000))
        assert all(value == bytes(1_000) for _, value in chunks)
        assert all(value == b"new" for _, value in log.state("stage"))


def test_retention_lets_emitters_in_between(
    log: SqliteLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each slice is a transaction of its own: an append between two of them finds the log free."""
    slices = 0
    remove = sqlite_retention._remove_oldest

    def counted(*arguments: object) -> tuple[sqlite_retention.Removed, bool]:
        nonlocal slices
        slices += 1
        removed, more = remove(*arguments)  # type: ignore[arg-type]
        assert removed.records <= 2_000
        return removed, more

    monkeypatch.setattr(sqlite_retention, "_remove_oldest", counted)
    log.append("events", sized(10_000))
    log.retain(now_ms=0)
    assert slices >= 5


def test_size_waits_for_groups_and_holds_and_says_so(
    log: SqliteLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.append("events", sized(1_000))
    with log.hold(), log.transaction() as step:
        step.commit("slow", EVENTS, 300)
    log.retain(now_ms=0, holds={EVENTS: 100})
    assert log.begin(EVENTS) == 100
    assert "events/0 holds 900000 bytes, more than its 100000" in caplog.text
    log.retain(now_ms=0)
    assert log.begin(EVENTS) == 300
    assert "offset 300 is as far as group slow has read" in caplog.text
    assert log.groups() == ["slow"]
    log.forget("slow")
    log.retain(now_ms=0)
    assert log.begin(EVENTS) == 900


def test_age_and_compaction_together(path: Path) -> None:
    both = Topic("both", retention=Retention(max_age_ms=100, compacted=True))
    source = TopicPartition("both")
    with closing(SqliteLog.open(path, (both,))) as log:
        log.append("both", [Record(b"%d" % (i % 2), b"%d" % i, i) for i in range(100)])
        log.retain(now_ms=100)
        assert [o for o, _ in read_all(log, source)] == [98, 99]
        log.retain(now_ms=199)
        assert [o for o, _ in read_all(log, source)] == [99]
        with pytest.raises(OffsetGone):
            log.read(source, 98, 1)
        log.append("both", [Record(b"0", b"back", 200), Record(b"1", b"new", 200)])
        log.retain(now_ms=200)
        assert [o for o, _ in read_all(log, source)] == [100, 101]


def test_compaction_goes_on_where_it_was(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_retention, "_SLICE_RECORDS", 7)
    for round_number in range(3):
        log.append("latest", [Record(b"%d" % (i % 10), b"%d" % round_number, i) for i in range(95)])
        log.append("latest", [Record(None, b"no key", 0)])
        log.retain(now_ms=0)
    kept = read_all(log, LATEST)
    assert sorted(r.key for _, r in kept if r.key) == [b"%d" % i for i in range(10)]
    assert all(r.value == b"2" for _, r in kept if r.key)
    assert len(kept) == 13


def test_what_was_erased_is_not_in_the_files(log: SqliteLog, path: Path) -> None:
    log.append("latest", [Record(b"who", b"someone@example.com" * 50, 0), Record(b"who", None, 1)])
    log.retain(now_ms=2)
    assert all(b"someone@example.com" not in file.read_bytes() for file in path.parent.iterdir())


def test_a_read_is_bounded_in_bytes(log: SqliteLog) -> None:
    log.append("events", sized(200, size=500_000))
    batch = log.read(EVENTS, 0, 1_000)
    assert 0 < len(batch) < 200
    assert sum(len(value or b"") for value in batch.values) <= sqlite_records.READ_BYTES + 64 * 500_000
    assert len(read_all(log, EVENTS, 1_000)) == 200


def test_stats(log: SqliteLog) -> None:
    log.append("events", [Record(b"key", b"12345", 7), Record(None, None, 5)])
    events, latest = log.stats()
    assert (events.source, events.begin, events.end, events.records) == (EVENTS, 0, 2, 2)
    assert (events.bytes, events.last_timestamp) == (8, 7)
    assert (latest.end, latest.records, latest.bytes, latest.last_timestamp) == (0, 0, 0, None)
    assert list(log.topics()) == ["events", "latest"]


# Full


def test_file_size_limit(path: Path) -> None:
    program = Path(__file__).with_name("log_programs.py")
    ran = subprocess.run(
        [sys.executable, str(program), str(path), "fill", "1000000"],
        capture_output=True,
        text=True,
        check=True,
    )
    full, after, went_on = ran.stdout.splitlines()
    kept = int(full.split()[0])
    assert kept > 0
    assert "cannot grow" in full
    assert after == f"{kept} {kept}"
    assert int(went_on) == kept


def test_page_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteLog.open(path, TOPICS).close()
    monkeypatch.setattr(sqlite_connections, "PRAGMAS", (*sqlite_connections.PRAGMAS, "max_page_count = 100"))
    with closing(SqliteLog.open(path, TOPICS)) as log:
        log.append("events", sized(100))
        with pytest.raises(LogFull, match="make room"):
            log.append_all({"latest": [Record(b"a", b"1", 0)], "events": sized(2_000)})
        assert (log.end(EVENTS), log.end(LATEST)) == (100, 0)
        with log.hold():
            with pytest.raises(LogFull), log.transaction() as step:
                step.commit("group", EVENTS, 50)
                step.append("events", sized(2_000))
            assert log.committed("group") == {}
        assert log.append("events", sized(1))[0] == 100


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_connections, "WAL_BYTES", 256 * 1024)
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        ballast = small / "ballast"
        ballast.write_bytes(bytes(3_000_000))
        with closing(SqliteLog.open(small / "log.db", TOPICS)) as log:
            kept = 0
            with pytest.raises(LogFull):
                while True:
                    log.append("events", sized(100))
                    kept += 100
            assert kept > 0
            assert len(read_all(log, EVENTS, 1_000)) == log.end(EVENTS) == kept
            with pytest.raises(LogFull):
                log.backup(small / "backup.db")
            assert not list(small.glob("backup*"))
            ballast.unlink()
            assert log.append("events", sized(100))[0] == kept
            log.retain(now_ms=0)
            assert log.begin(EVENTS) == kept
        with closing(SqliteLog.open(small / "log.db", TOPICS)) as log:
            assert len(read_all(log, EVENTS, 1_000)) == 100
    finally:
        subprocess.run(["umount", str(small)], check=True)


# Damage, other files, versions


def test_missing(path: Path) -> None:
    with pytest.raises(LogError, match="there is no log at"):
        SqliteLog.open(path, TOPICS, create=False)
    assert not path.exists()
    with pytest.raises(LogError, match="no folder"):
        SqliteLog.open(path.parent / "nowhere" / "log.db", TOPICS)


def test_no_database(path: Path) -> None:
    path.write_text("not a database, but long enough to have been taken for one" * 100)
    with pytest.raises(LogError, match=r"damaged or no log.*restore a backup"):
        SqliteLog.open(path, TOPICS)


def test_a_damaged_file(path: Path) -> None:
    with closing(SqliteLog.open(path, TOPICS)) as log:
        log.append("events", sized(2_000))
    with path.open("r+b") as file:
        file.seek(20 * sqlite_connections.PAGE_SIZE)
        file.write(os.urandom(100 * sqlite_connections.PAGE_SIZE))
    with (
        closing(SqliteLog.open(path, TOPICS)) as log,
        pytest.raises(LogError, match=r"damaged.*restore a backup"),
    ):
        read_all(log, EVENTS, 1_000)


def test_another_programs_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a)")
    with pytest.raises(LogError, match="not a mailwake log"):
        SqliteLog.open(path, TOPICS)


def test_a_newer_schema(path: Path) -> None:
    SqliteLog.open(path, TOPICS).close()
    set_pragma(path, "user_version = 99")
    with pytest.raises(LogError, match=r"version 99, written by a newer mailwake.*up to 1"):
        SqliteLog.open(path, TOPICS)


def test_a_creation_that_was_interrupted_starts_anew(path: Path) -> None:
    path.touch()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    with closing(SqliteLog.open(path, TOPICS)) as log:
        assert list(log.append("events", sized(1))) == [0]


def test_topics_of_the_file_that_are_not_declared(path: Path) -> None:
    with closing(SqliteLog.open(path, TOPICS)) as log:
        log.append("events", sized(200))
    with closing(SqliteLog.open(path, ())) as log:
        log.retain(now_ms=10**15)
        assert log.end(EVENTS) - log.begin(EVENTS) == 200


def test_a_file_that_is_replaced_under_an_open_log(log: SqliteLog, path: Path) -> None:
    log.append("events", sized(1))
    path.rename(path.with_name("moved.db"))
    with pytest.raises(LogError, match="moved, deleted or replaced"):
        log.append("events", sized(1))
    path.touch()
    with pytest.raises(LogError, match="moved, deleted or replaced"):
        log.end(EVENTS)


def test_closed(path: Path) -> None:
    log = SqliteLog.open(path, TOPICS)
    log.close()
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.append("events", sized(1))


def test_a_value_of_the_wrong_type(log: SqliteLog) -> None:
    with pytest.raises(LogError, match="cannot hold"):
        log.append("events", [Record(b"k", "text", 0)])  # type: ignore[arg-type]
    assert log.end(EVENTS) == 0


# Backup


def test_backup_is_a_log_of_its_own_and_a_cut_one_to_those_that_went_on(log: SqliteLog, path: Path) -> None:
    log.append("events", sized(50))
    copy = path.with_name("copy.db")
    log.backup(copy)
    log.append("events", sized(50))
    mark = log.mark(EVENTS, 100)
    with closing(SqliteLog.open(copy, TOPICS, create=False)) as restored:
        assert restored.id == log.id
        assert read_all(restored, EVENTS) == read_all(log, EVENTS)[:50]
        with pytest.raises(LogError, match="ends before the position"):
            restored.check(mark)
        restored.append("events", sized(50))
        with pytest.raises(LogError, match="another record at 99"):
            restored.check(mark)


def test_backup_while_others_write(path: Path) -> None:
    program = Path(__file__).with_name("log_programs.py")
    events = TopicPartition("out")
    with subprocess.Popen(
        [sys.executable, str(program), str(path), "emit", "busy", "1000000"],
        stdout=subprocess.PIPE,
        text=True,
    ) as emitter:
        try:
            assert emitter.stdout
            for _ in range(50):
                emitter.stdout.readline()
            with closing(SqliteLog.open(path, ())) as log:
                for copy in (path.with_name(f"copy{i}.db") for i in range(3)):
                    before = log.end(events)
                    log.backup(copy)
                    with closing(SqliteLog.open(copy, ())) as restored:
                        assert before <= restored.end(events) <= log.end(events)
                        assert len(read_all(restored, events, 1_000)) == restored.end(events)
        finally:
            emitter.kill()


def test_backup_does_not_overwrite(log: SqliteLog, path: Path) -> None:
    with pytest.raises(LogError, match="exists"):
        log.backup(path)
    with pytest.raises(LogError, match="no folder"):
        log.backup(path.parent / "nowhere" / "copy.db")
