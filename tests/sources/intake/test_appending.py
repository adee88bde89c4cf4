"""Records of many requests in one append: what one of them may do to the others, and what nobody waits for any more."""

import asyncio
import threading
from collections.abc import Mapping, Sequence

import pytest

from sources.intake.appending import Appending
from sources.intake.limits import IntakeLimits
from sources.intake.refusal import Refused
from streams.emitter import Emitter
from streams.log import LogFull, Record, RecordTooLarge


class Log:
    """Keeps what it is given, if it is let, except what is too large."""

    def __init__(self) -> None:
        self.appends: list[list[bytes | None]] = []
        self.open = threading.Event()
        self.open.set()
        self.full = False

    def append_emits(self, emits: Sequence[Mapping[str, Sequence[Record]]]) -> None:
        self.open.wait(20)
        if self.full:
            raise LogFull("no room")
        values = [record.value for emit in emits for records in emit.values() for record in records]
        if b"large" in values:
            raise RecordTooLarge("too large", 5, 4)
        self.appends.append(values)


def told(log: Log, *values: bytes, **limits: float) -> list[int]:
    """What requests with these are told, all of them at once: a status each."""

    async def one(appending: Appending, value: bytes) -> int:
        try:
            await appending.append({"documents": [Record(b"k", value, 1)]})
        except Refused as refused:
            return refused.status
        return 200

    async def all_at_once() -> list[int]:
        with Emitter(log) as emitter:
            appending = Appending(emitter, IntakeLimits(**limits))  # type: ignore[arg-type]
            said = await asyncio.gather(*(one(appending, value) for value in values))
            log.open.set()
            if appending._appender is not None:
                await appending._appender
            assert not appending._in_hand and appending._patience is None
            return list(said)

    return asyncio.run(all_at_once())


def test_what_comes_together_is_one_append() -> None:
    log = Log()
    values = [b"%d" % number for number in range(400)]
    assert told(log, *values) == [200] * 400
    assert log.appends == [values]


def test_one_that_is_refused_takes_no_other_along() -> None:
    log = Log()
    assert told(log, b"a", b"large", b"b") == [200, 413, 200]
    assert log.appends == [[b"a"], [b"b"]]


def test_a_full_log_is_told_to_each() -> None:
    log = Log()
    log.full = True
    assert told(log, b"a", b"b") == [503, 503]


def test_what_nobody_waits_for_any_more_is_not_appended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sources.intake.appending.MOST_TOGETHER", 1)
    log = Log()
    log.open.clear()
    assert told(log, b"under way", b"waiting", append_seconds=0.2) == [503, 503]
    assert log.appends == [[b"under way"]]
