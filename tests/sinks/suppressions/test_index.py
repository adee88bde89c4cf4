"""The index follows the log, answers from it alone, and notices when the log is not the one it was made from."""

import random
import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from schemas.codec import encode
from schemas.suppression import RecipientSuppressed, SuppressionLifted
from sinks.suppressions.connections import MOST
from sinks.suppressions.index import IndexBehind, IndexUnusable, Source, SuppressionIndex
from streams.keys import key_of
from streams.log import Record, TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS, declared

AT = 1_750_000_000_000
LIVE = Source(1, [("suppressions", 0)])
Word = RecipientSuppressed | SuppressionLifted


def suppressed(number: int, stream: str = "all", revision: int = 1, **fields: object) -> RecipientSuppressed:
    return RecipientSuppressed(
        **{
            "source_event_id": f"{number}/{stream}/{revision}", "occurred_at": AT, "recorded_at": AT,
            "recipient_hash": f"{number:032x}", "stream": stream, "reason": "complaint",
            "reasons": ("complaint", "bounce"), "since": AT - 5, "evidence": ("one", "two"), "bounce_class": "bad_mailbox",
            "leaf": "unknown", "revision": revision, **fields,
        }
    )  # fmt: skip


def lifted(number: int, stream: str = "all", revision: int = 2) -> SuppressionLifted:
    return SuppressionLifted(
        source_event_id=f"{number}/{stream}/{revision}", occurred_at=AT, recorded_at=AT,
        recipient_hash=f"{number:032x}", stream=stream, reason="lifted", revision=revision,
    )  # fmt: skip


def append(log: SqliteLog, words: Iterable[Word], topic: str = "suppressions") -> None:
    log.append(topic, [Record(key_of(word), encode(word), AT) for word in words])


def held(index: SuppressionIndex, number: int, stream: str = "all", tenant: str = "default") -> str | None:
    found = index.is_suppressed(tenant, f"{number:032x}", stream)
    return None if found is None else f"{found.stream}: {'+'.join(found.reasons)}"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    opened = SqliteLog.open(tmp_path / "log.db", declared(3))
    yield opened
    opened.close()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SuppressionIndex]:
    opened = SuppressionIndex(tmp_path / "index")
    yield opened
    opened.close()


def test_answers_what_the_log_says_last(log: SqliteLog, index: SuppressionIndex) -> None:
    append(
        log, [suppressed(1), suppressed(2), suppressed(2, "cold"), lifted(2), suppressed(3, tenant="other")]
    )
    assert index.follow(log, LIVE) == 5
    assert held(index, 1) == held(index, 1, "cold") == "all: complaint+bounce"
    assert (held(index, 2), held(index, 2, "cold"), held(index, 2, "marketing")) == (
        None,
        "cold: complaint+bounce",
        None,
    )
    assert (held(index, 3), held(index, 3, tenant="other")) == (None, "all: complaint+bounce")
    append(log, [lifted(1), suppressed(1, "marketing")])
    assert index.follow(log, LIVE) == 2
    assert (held(index, 1), held(index, 1, "marketing")) == (None, "marketing: complaint+bounce")
    assert index.follow(log, LIVE) == 0


def test_gives_all_that_is_known_of_a_suppression(log: SqliteLog, index: SuppressionIndex) -> None:
    append(log, [suppressed(1, by="anna", note="she asked", recipient_domain="b.example")])
    index.follow(log, LIVE)
    (found,) = index.of_recipient("default", f"{1:032x}")
    assert (found.reason, found.reasons, found.since, found.evidence) == (
        "complaint", ("complaint", "bounce"), AT - 5, ("one", "two"),
    )  # fmt: skip
    assert (found.bounce_class, found.leaf, found.by, found.note, found.recipient_domain) == (
        "bad_mailbox", "unknown", "anna", "she asked", "b.example",
    )  # fmt: skip


def test_is_the_same_however_often_it_is_opened_and_whatever_is_asked_meanwhile(
    log: SqliteLog, tmp_path: Path
) -> None:
    chance = random.Random(4)
    words = [
        chance.choice((suppressed, lifted))(chance.randrange(60), chance.choice(("all", "cold")))
        for _ in range(900)
    ]
    last = {(w.recipient_hash, w.stream): w for w in words}
    for first in range(0, 900, 90):
        append(log, words[first : first + 90])
        index = SuppressionIndex(tmp_path / "index")
        index.follow(log, LIVE)
        index.close()
    expected = {key for key, word in last.items() if isinstance(word, RecipientSuppressed)}
    for path in ("index", "another"):
        index = SuppressionIndex(tmp_path / path)
        index.follow(log, LIVE)
        assert {(one.recipient_hash, one.stream) for one in index.every("default")} == expected
        assert index.count() == len(expected)
        index.close()


def test_several_may_follow_one_file_at_once(log: SqliteLog, tmp_path: Path) -> None:
    append(log, [suppressed(number) for number in range(3_000)])
    failures: list[BaseException] = []

    def follow() -> None:
        try:
            index = SuppressionIndex(tmp_path / "index")
            index.follow(log, LIVE)
            assert held(index, 2_999) is not None
            index.close()
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    threads = [threading.Thread(target=follow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    index = SuppressionIndex(tmp_path / "index")
    assert index.follow(log, LIVE) == 0
    assert index.count() == 3_000
    index.close()


def test_another_log_or_one_that_was_cut_fills_it_anew(tmp_path: Path, index: SuppressionIndex) -> None:
    log = SqliteLog.open(tmp_path / "a.db", TOPICS)
    append(log, [suppressed(1)])
    log.close()
    shutil.copy(tmp_path / "a.db", tmp_path / "backup.db")
    log = SqliteLog.open(tmp_path / "a.db", TOPICS)
    append(log, [suppressed(2), suppressed(3)])
    index.follow(log, LIVE)
    log.close()
    restored = SqliteLog.open(tmp_path / "backup.db", TOPICS)
    append(restored, [suppressed(4)])
    assert index.follow(restored, LIVE) == 2
    assert [held(index, number) is not None for number in (1, 2, 3, 4)] == [True, False, False, True]
    append(restored, [suppressed(5)])
    assert index.follow(restored, LIVE) == 1
    restored.close()
    other = SqliteLog.open(tmp_path / "b.db", TOPICS)
    append(other, [suppressed(9)])
    assert index.follow(other, LIVE) == 1
    assert [one.recipient_hash for one in index.every("default")] == [f"{9:032x}"]
    other.close()


def test_another_generation_is_read_from_its_shadows_and_then_on(
    tmp_path: Path, index: SuppressionIndex
) -> None:
    from streams.log import Topic

    log = SqliteLog.open(tmp_path / "log.db", [*TOPICS, Topic("suppressions@2")])
    append(log, [suppressed(1), suppressed(2)])
    index.follow(log, LIVE)
    append(log, [suppressed(2), suppressed(3)], "suppressions@2")
    start = log.end(TopicPartition("suppressions"))
    append(log, [lifted(3), suppressed(4)])
    assert index.follow(log, Source(2, [("suppressions@2", 0), ("suppressions", start)])) == 4
    assert [held(index, number) is not None for number in (1, 2, 3, 4)] == [False, True, False, True]
    log.close()


def test_garbage_and_tombstones_are_passed_over(log: SqliteLog, index: SuppressionIndex) -> None:
    log.append("suppressions", [Record(b"k", b"garbage", AT), Record(b"k", None, AT)])
    append(log, [suppressed(1)])
    assert index.follow(log, LIVE) == 3
    assert index.count() == 1


def test_a_file_that_is_no_index_is_named(tmp_path: Path) -> None:
    (tmp_path / "letter").write_bytes(b"Dear reader, " * 400)
    with pytest.raises(IndexUnusable, match=r"letter can't be used.*delete it"):
        SuppressionIndex(tmp_path / "letter")


def everything_asked(index: SuppressionIndex) -> list[object]:
    """What each question is answered with; the error where it is one."""
    found: list[object] = []
    for ask in (lambda: held(index, 1), index.count, lambda: list(index.every("default"))):
        try:
            found.append(ask())
        except IndexBehind as error:
            found.append(type(error))
    return found


def test_nothing_is_answered_before_everything_was_taken_in_once(log: SqliteLog, tmp_path: Path) -> None:
    append(log, [suppressed(1)])
    first = SuppressionIndex(tmp_path / "index")
    assert everything_asked(first) == [IndexBehind] * 3
    first.follow(log, LIVE)
    assert held(first, 1) is not None
    first.close()
    append(log, [suppressed(2)])
    second = SuppressionIndex(tmp_path / "index")
    assert everything_asked(second) == [IndexBehind] * 3
    second.follow(log, LIVE)
    assert held(second, 2) is not None and held(second, 3) is None
    second.close()


def test_what_it_held_is_answered_until_the_new_filling_is_complete(
    tmp_path: Path, index: SuppressionIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sinks.suppressions.index.STEP", 10)
    log = SqliteLog.open(tmp_path / "log.db", TOPICS)
    append(log, [suppressed(number) for number in range(40)])
    index.follow(log, LIVE)
    fresh = SuppressionIndex(tmp_path / "index")
    seen: list[tuple[object, object]] = []
    read = SqliteLog.read

    def reading(self: SqliteLog, source: TopicPartition, first: int, most: int) -> object:
        seen.append((index.count(), everything_asked(fresh)))
        return read(self, source, first, most)

    monkeypatch.setattr(SqliteLog, "read", reading)
    fresh.follow(log, Source(2, [("suppressions", 0)]))
    assert len(seen) >= 4
    assert seen == [(40, [IndexBehind] * 3)] * len(seen)
    assert fresh.count() == 40
    assert everything_asked(index) == [IndexBehind] * 3
    fresh.close()
    log.close()


def test_a_filling_that_broke_off_is_gone_on_with_and_not_answered(
    log: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sinks.suppressions.index.STEP", 10)
    append(log, [suppressed(number) for number in range(90)])
    broken = SuppressionIndex(tmp_path / "index")
    read, reads = SqliteLog.read, iter(range(100))

    def reading(self: SqliteLog, source: TopicPartition, first: int, most: int) -> object:
        if next(reads) == 4:
            raise OSError("killed")
        return read(self, source, first, most)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteLog, "read", reading)
        with pytest.raises(OSError, match="killed"):
            broken.follow(log, LIVE)
    assert everything_asked(broken) == [IndexBehind] * 3
    assert 0 < broken.follow(log, LIVE) < 90
    assert broken.count() == 90
    broken.close()


def test_records_of_a_newer_schema_stop_it(log: SqliteLog, index: SuppressionIndex) -> None:
    append(log, [suppressed(1)])
    index.follow(log, LIVE)
    newer = b"\0" + (1_999_999).to_bytes(4, "big") + encode(suppressed(2))[5:]
    log.append("suppressions", [Record(b"k", newer, AT)])
    for _ in range(2):
        with pytest.raises(IndexUnusable, match=r"suppressions/\d, offsets .*1999999 .*upgraded"):
            index.follow(log, LIVE)


def test_who_knows_more_schemas_fills_it_anew(
    log: SqliteLog, index: SuppressionIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    from schemas.catalog import versions

    append(log, [suppressed(1), suppressed(2)])
    known = versions()
    fewer = {number: one for number, one in known.items() if one.record is not SuppressionLifted}
    monkeypatch.setattr("sinks.suppressions.index.versions", lambda: fewer)
    assert (index.follow(log, LIVE), index.follow(log, LIVE)) == (2, 0)
    monkeypatch.setattr("sinks.suppressions.index.versions", lambda: known)
    assert (index.follow(log, LIVE), index.follow(log, LIVE)) == (2, 0)


def test_threads_that_came_and_went_leave_no_files_open(log: SqliteLog, index: SuppressionIndex) -> None:
    append(log, [suppressed(1)])
    index.follow(log, LIVE)
    for _ in range(5):
        together = threading.Barrier(20)

        def ask(together: threading.Barrier = together) -> None:
            together.wait()
            assert held(index, 1) is not None

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    names = [entry.resolve() for entry in Path("/proc/self/fd").iterdir()]
    assert names.count(index.path.resolve()) <= MOST


def test_a_file_that_is_deleted_meanwhile_is_made_anew(log: SqliteLog, index: SuppressionIndex) -> None:
    append(log, [suppressed(1)])
    index.follow(log, LIVE)
    for file in index.path.parent.glob("index*"):
        file.unlink()
    assert everything_asked(index) == [IndexBehind] * 3
    assert index.follow(log, LIVE) == 1
    assert held(index, 1) is not None


def test_a_file_of_version_1_is_filled_anew(log: SqliteLog, tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "old")
    old.executescript(
        "CREATE TABLE suppressions (tenant TEXT); CREATE TABLE positions (topic TEXT); CREATE TABLE about (name TEXT);"
    )
    old.close()
    append(log, [suppressed(1)])
    index = SuppressionIndex(tmp_path / "old")
    assert index.follow(log, LIVE) == 1
    assert held(index, 1) is not None
    index.close()
