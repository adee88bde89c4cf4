"""What is read ahead says what the tail itself would have said, whatever happens to the file and to who reads it."""

import bz2
import gzip
import json
import lzma
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from backports import zstd

from processors.mta_logs.formats import ALONE, reader_of
from processors.mta_logs.taking import LogSettings
from schemas.codec import decode
from schemas.documents import DeadLetter
from schemas.mail import MailEvent
from schemas.recipient import RecipientHashes
from sources.mta_logs.ahead import REST_S, ReadAhead
from sources.mta_logs.appending import PlainAppends
from sources.mta_logs.following import Following
from sources.mta_logs.framing import Labels
from sources.mta_logs.hashing import TenantHashes
from sources.mta_logs.machines_zone import machines_zone
from sources.mta_logs.piece_readers import Recipe
from sources.mta_logs.pieces import PIECE
from sources.mta_logs.places import Places
from sources.mta_logs.tail import Tail
from sources.mta_logs.unpacking import LogBytes
from streams.log import TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

KEYS = {1: b"1" * 32, 2: b"2" * 32}
PACKED: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".zst": zstd.compress}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".zst": zstd.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


class OneKey:
    """A keyring of one tenant, whose key the test changes."""

    def __init__(self) -> None:
        self.key = KEYS[1]

    def hashing_key(self, tenant: str) -> bytes | None:
        return self.key

    def data_key(self, tenant: str) -> bytes | None:
        return self.key


@dataclass(slots=True)
class Told:
    """A tail's log."""

    log: SqliteLog

    def events(self) -> list[MailEvent]:
        """What was told, in order, but for when it was read."""
        return [
            event.model_copy(update={"recorded_at": 0})
            for event in self._all("mail.events")
            if isinstance(event, MailEvent)
        ]

    def damaged(self) -> list[tuple[int, str, bytes]]:
        return [
            (letter.origin_offset, letter.reason, letter.content)
            for letter in self._all("dead.letters")
            if isinstance(letter, DeadLetter)
        ]

    def _all(self, topic: str) -> Iterator[object]:
        source, offset = TopicPartition(topic), 0
        while (batch := self.log.read(source, offset, 10_000)).next > offset:
            yield from (decode(value) for value in batch.values if value is not None)
            offset = batch.next


@contextmanager
def tailed(
    folder: Path,
    name: str,
    paths: Path | Sequence[Path],
    processes: int,
    keys: OneKey | None = None,
    far_behind: int = 0,
) -> Iterator[tuple[Tail, Told]]:
    log = SqliteLog.open(folder / f"{processes}.db", TOPICS)
    places, labels, settings = (
        Places(log, "default", "test"),
        Labels("default", name),
        LogSettings(zone=machines_zone()),
    )
    hashes = TenantHashes(keys or OneKey(), "default")
    ahead = ReadAhead(lambda: Recipe(name, settings, labels, hashes.key), processes, far_behind)
    targets = [paths] if isinstance(paths, Path) else paths
    following = Following([str(path) for path in targets], places.places, places.looked_at)
    reader = reader_of(name, settings, hashes)
    tail = Tail(name, reader, following, places, labels, hashes.ask, ahead if processes else None)
    try:
        yield tail, Told(log)
    finally:
        tail.close()
        log.close()


def read_through(tail: Tail, told: Told) -> int:
    steps = 0
    while tail.step(PlainAppends(told.log), to_the_end=True):
        steps += 1
    return steps


def kumomta(number: int) -> str:
    """A delivery; one in a thousand is damaged, and some are long."""
    if number % 1000 == 999:
        return f"no record, of ann{number}@b.example"
    said = {"code": 250, "content": f"OK {number}" + "x" * (number % 7 * 300)}
    return json.dumps(
        {
            "type": "Delivery", "id": f"{number:032x}", "sender": "x@news.example", "recipient": f"u{number}@b.example",
            "timestamp": 1_795_946_400 + number, "num_attempts": 0, "response": said, "nodeid": "n", "meta": {},
        }
    )  # fmt: skip


def powermta(numbers: Sequence[int]) -> Iterator[str]:
    """Files put together: what names the columns comes again, in another order, amid them."""
    yield "type,timeLogged,rcpt,dsnDiag"
    for number in numbers:
        if number == len(numbers) // 2:
            yield "type,dsnDiag,timeLogged,rcpt"
        cells = [
            f"2026-11-29 10:20:{number % 60:02d}",
            f"u{number}@b.example",
            f"smtp;250 ok {number}" + "x" * 300,
        ]
        yield ",".join(["d", *cells] if number < len(numbers) // 2 else ["d", cells[2], *cells[:2]])


LOGS: dict[str, list[str]] = {
    "kumomta": [kumomta(number) for number in range(4_000)],
    "powermta": list(powermta(range(5_000))),
}


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("name", LOGS)
def test_it_is_what_the_tail_itself_would_have_said(tmp_path: Path, name: str, suffix: str) -> None:
    content = "".join(line + "\n" for line in LOGS[name]).encode() + b"the last line has no end"
    assert len(content) > 6 * PIECE
    path = tmp_path / f"log{suffix}"
    path.write_bytes(PACKED[suffix](content))
    with tailed(tmp_path, name, path, 0) as (tail, by_itself):
        read_through(tail, by_itself)
        events, damaged, summary = by_itself.events(), by_itself.damaged(), tail.summary
    with tailed(tmp_path, name, path, 2) as (tail, ahead):
        read_through(tail, ahead)
        assert multiprocessing.active_children(), "nobody read ahead"
        assert ahead.events() == events
        assert ahead.damaged() == damaged
        assert tail.summary == summary
    assert not multiprocessing.active_children()
    assert len(events) == summary.events.total() > 3_900


def test_the_formats_that_can_be_read_ahead_are_those_tested_here() -> None:
    assert set(LOGS) == ALONE


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read ahead is not all appended with the first step."""
    monkeypatch.setattr("sources.mta_logs.tail.STEP", 4 * PIECE)
    monkeypatch.setattr("sources.mta_logs.ahead.DEPTH", 4)


@pytest.mark.usefixtures("small_steps")
def test_a_process_that_is_killed_costs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [kumomta(number) for number in range(6_000)]
    path = tmp_path / "log"
    path.write_text("".join(line + "\n" for line in lines))
    with tailed(tmp_path, "kumomta", path, 2) as (tail, told):
        tail.step(PlainAppends(told.log))
        for child in multiprocessing.active_children():
            child.kill()
            child.join()
        read_through(tail, told)
        assert len({event.event_id for event in told.events()}) == len(told.events()) == 6_000 - 6
        assert "which read ahead, has ended" in caplog.text


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("until", [42_000, 46_000], ids=["shorter", "grown beyond where it was"])
def test_a_file_that_is_emptied_is_read_anew_not_as_it_was(tmp_path: Path, until: int) -> None:
    path = tmp_path / "log"
    path.write_text("".join(kumomta(number) + "\n" for number in range(6_000)))
    assert path.stat().st_size > 12 * PIECE
    with tailed(tmp_path, "kumomta", path, 1) as (tail, told):
        tail.step(PlainAppends(told.log))
        assert multiprocessing.active_children(), "nobody read ahead"
        before = tail.summary.events.total()
        path.write_text("".join(kumomta(number) + "\n" for number in range(40_000, until)))
        tail.look_again()
        read_through(tail, told)
        identities = [event.provider_message_id for event in told.events()]
    assert identities[before:] == [
        f"{number:032x}" for number in range(40_000, until) if number % 1000 != 999
    ]


@pytest.mark.usefixtures("small_steps")
def test_another_key_is_that_of_all_that_is_not_told_yet(tmp_path: Path) -> None:
    path, keys = tmp_path / "log", OneKey()
    path.write_text("".join(kumomta(number) + "\n" for number in range(6_000)))
    with tailed(tmp_path, "kumomta", path, 1, keys) as (tail, told):
        tail.step(PlainAppends(told.log))
        assert multiprocessing.active_children(), "nobody read ahead"
        before = tail.summary.events.total()
        keys.key = KEYS[2]
        read_through(tail, told)
        events = told.events()
    for at, number in ((before - 1, 1), (before, 2)):
        event = events[at]
        assert event.provider_message_id is not None
        address = f"u{int(event.provider_message_id, 16)}@b.example"
        assert event.recipient_hash == RecipientHashes(KEYS[number])(address)


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2", ".xz"])
def test_what_comes_before_the_damage_of_a_packed_file_is_told_and_the_damage_is_said(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = "".join(kumomta(number) + "\n" for number in range(6_000)).encode()
    packed = bytearray(PACKINGS[suffix](content))
    packed[len(packed) * 3 // 4] ^= 0xFF
    path = tmp_path / f"log{suffix}"
    path.write_bytes(packed)
    found = []
    for processes in (0, 2):
        caplog.clear()
        with tailed(tmp_path, "kumomta", path, processes) as (tail, told):
            read_through(tail, told)
            assert caplog.text.count("nothing more of it is read") == 1
            found.append((told.events(), told.damaged()))
    assert found[0] == found[1]
    events, damaged = found[0]
    assert "damaged" in damaged[-1][1]
    assert len(events) > 2_000 or suffix == ".bz2", "whose blocks hold 900 kB"


@pytest.mark.usefixtures("small_steps")
def test_a_live_file_beside_a_packed_one_has_nothing_unpacked_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, packed = tmp_path / "a.log", tmp_path / "b.log.gz"
    live.write_text("".join(kumomta(number) + "\n" for number in range(100)))
    packed.write_bytes(
        gzip.compress("".join(kumomta(number) + "\n" for number in range(10_000, 16_000)).encode(), 0)
    )
    begun: Counter[str] = Counter()
    start = LogBytes._start

    def counted(self: LogBytes) -> None:
        begun[self.path.name] += 1
        start(self)

    monkeypatch.setattr(LogBytes, "_start", counted)
    with tailed(tmp_path, "kumomta", [live, packed], 1, far_behind=8 * PIECE) as (tail, told):
        number = 100
        while tail.step(PlainAppends(told.log)):
            tail.look_again()
            with live.open("a") as file:
                file.writelines(kumomta(number + more) + "\n" for more in range(3))
            number += 3
            if number > 300:
                break
        assert multiprocessing.active_children(), "nobody read ahead"
    assert tail.summary.events.total() > 6_000
    assert begun["b.log.gz"] == 2, "the second time for its first bytes, which tell it from others"


@pytest.mark.usefixtures("small_steps")
def test_processes_end_once_the_tail_has_caught_up_however_lively_the_log_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now = tmp_path / "log", 0.0
    path.write_text("".join(kumomta(number) + "\n" for number in range(6_000)))
    monkeypatch.setattr("sources.mta_logs.ahead.time", SimpleNamespace(monotonic=lambda: now))
    with tailed(tmp_path, "kumomta", path, 1, far_behind=PIECE) as (tail, told):
        tail.step(PlainAppends(told.log))
        assert multiprocessing.active_children(), "nobody read ahead"
        read_through(tail, told)
        for number in range(6_000, 6_004):
            now += REST_S / 3
            with path.open("a") as file:
                file.write(kumomta(number) + "\n")
            tail.look_again()
            assert tail.step(PlainAppends(told.log)), "the log has grown"
        assert not multiprocessing.active_children(), "processes without work are kept"
