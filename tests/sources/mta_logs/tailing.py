"""A tail of a log of sendings, in a test: what it has told, line by line."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from processors.mta_logs.formats import reader_of
from processors.mta_logs.taking import LogSettings
from schemas.codec import decode
from schemas.documents import DeadLetter
from schemas.mail import MessageDelivered
from sources.mta_logs.appending import PlainAppends
from sources.mta_logs.following import Following
from sources.mta_logs.framing import Labels
from sources.mta_logs.places import Places
from sources.mta_logs.tail import Tail
from streams.log import Record, TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

QUEUE = "BCDFGHJKLM"


def sending(number: int) -> str:
    """A delivery as Postfix logs it; its number comes back as the latency."""
    identity = "4bXy2Q6Z1hz" + "".join(QUEUE[int(digit)] for digit in f"{number:06d}")
    return (
        f"2026-11-29T10:20:30.000+00:00 mx1 postfix/smtp[9]: {identity}: to=<a@b.example>, relay=mx.example[192.0.2.1]:25, "
        f"delay={number}, delays=0/0/0/0, dsn=2.0.0, status=sent (250 ok)"
    )


def lines(numbers: Iterable[int]) -> str:
    return "".join(sending(number) + "\n" for number in numbers)


def told(log: SqliteLog) -> Counter[int]:
    """How often each sending was told, by its number."""
    source, found, offset = TopicPartition("mail.events"), Counter[int](), 0
    while (batch := log.read(source, offset, 10_000)).next > offset:
        for value in batch.values:
            assert value is not None
            event = decode(value)
            if isinstance(event, MessageDelivered):
                assert event.latency_ms is not None
                found[event.latency_ms // 1000] += 1
        offset = batch.next
    return found


def letters(log: SqliteLog) -> list[DeadLetter]:
    source = TopicPartition("dead.letters")
    kept = [decode(value) for value in log.read(source, 0, 10_000).values if value is not None]
    return [letter for letter in kept if isinstance(letter, DeadLetter)]


def once(numbers: Iterable[int]) -> dict[int, int]:
    return dict.fromkeys(numbers, 1)


@dataclass(slots=True)
class House:
    """A folder with a log to tail, and the log that it goes to."""

    folder: Path
    format_name: str = "postfix"
    targets: tuple[str, ...] = ()
    from_end: bool = False
    log: SqliteLog = field(init=False)

    def __post_init__(self) -> None:
        self.log = SqliteLog.open(self.folder / "events.db", TOPICS)
        self.targets = self.targets or (str(self.mail_log),)

    @property
    def mail_log(self) -> Path:
        return self.folder / "mail.log"

    @contextmanager
    def tail(self) -> Iterator[Tail]:
        """A tail, as a process has one: it ends with the block, wherever it was."""
        places = Places(self.log, "default", "test")
        following = Following(self.targets, places.places, places.looked_at, self.from_end)
        reader = reader_of(self.format_name, LogSettings(), lambda address: address.replace("@", "."))
        tail = Tail(self.format_name, reader, following, places, Labels("default", self.format_name))
        try:
            yield tail
        finally:
            tail.close()

    def read(self, tail: Tail, to_the_end: bool = False) -> None:
        """Step until nothing is left, whatever there is to be seen by now."""
        for _ in range(3):
            tail.look_again()
            while tail.step(PlainAppends(self.log), to_the_end):
                pass

    def run(self, to_the_end: bool = False) -> None:
        """A whole run of a tail."""
        with self.tail() as tail:
            self.read(tail, to_the_end)

    def told(self) -> dict[int, int]:
        return dict(told(self.log))

    def write(self, numbers: Iterable[int], path: Path | None = None) -> None:
        with (path or self.mail_log).open("a") as file:
            file.write(lines(numbers))
        time.sleep(0.002)


class Refusing:
    """Takes nothing so many times, then all."""

    def __init__(self, log: SqliteLog, errors: Sequence[Exception]) -> None:
        self._log, self._errors = log, list(errors)

    def append(self, records: Mapping[str, Sequence[Record]]) -> None:
        if self._errors:
            raise self._errors.pop(0)
        self._log.append_all(records)
