"""From the event loop into the log: records of many requests in one durable append."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from sources.intake.limits import IntakeLimits
from sources.intake.refusal import Refused
from sources.intake.seldom import Seldom
from streams import metrics
from streams.emitter import Emitter, merged
from streams.keyring.keyring import TenantForgotten
from streams.log import LogError, LogFull, LogUnavailable, Record, RecordRefused

_SELDOM = Seldom()

REMEMBERED_S = 15.0
"""For how long a failure counts when nothing was tried since: who turns requests away would never see it pass."""

SLOW_S = 5.0
"""An append that takes so long is worth telling whoever asks how this is, before its requests are told."""

MOST_TOGETHER = 500
"""Requests in one append."""


class _Waiting(NamedTuple):
    """A request's records, and what is told when they are durable."""

    records: Mapping[str, Sequence[Record]]
    durable: asyncio.Future[None]
    until: float
    """By the loop's clock: when its request is told to come again."""


class Appending:
    """Appends what requests bring: all that came while one append was under way goes into the next. For one event loop."""

    def __init__(self, emitter: Emitter, limits: IntakeLimits) -> None:
        self._emitter, self._limits = emitter, limits
        self._failed, self._failed_at = "", 0.0
        self._waiting: list[_Waiting] = []
        self._in_hand: deque[_Waiting] = deque()
        self._patience: asyncio.TimerHandle | None = None
        self._appender: asyncio.Task[None] | None = None

    def trouble(self) -> str:
        """Why the log took nothing the last time, a short while ago: full, away, failed, slow; "" otherwise.

        slow as well while it takes long over what it was given.
        """
        if self._failed and time.monotonic() - self._failed_at < REMEMBERED_S:
            return self._failed
        return "slow" if self._waits_long() else ""

    def _waits_long(self) -> bool:
        if not self._in_hand:
            return False
        begun = self._in_hand[0].until - self._limits.append_seconds
        return asyncio.get_running_loop().time() - begun > SLOW_S

    async def append(self, records: Mapping[str, Sequence[Record]]) -> None:
        """Durable when this returns. Raises Refused: 413 for what no log takes, 503 when it takes nothing now."""
        begun = time.perf_counter()
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[None] = loop.create_future()
        waiting = _Waiting(records, durable, loop.time() + self._limits.append_seconds)
        self._waiting.append(waiting)
        self._in_hand.append(waiting)
        if self._patience is None:
            self._patience = loop.call_at(waiting.until, self._end_patience)
        if self._appender is None or self._appender.done():
            self._appender = asyncio.create_task(self._append_what_waits())
        try:
            await durable
        except TimeoutError:
            _SELDOM.warning(
                "slow",
                "the log took nothing for %g s: requests are told to come again",
                self._limits.append_seconds,
            )
            raise self._not_now("slow", "the log did not take it in time; it may have by now") from None
        except RecordRefused as error:
            raise Refused(413, "too_large", f"the log takes no such record: {error}") from None
        except LogError as error:
            word = (
                "full"
                if isinstance(error, LogFull)
                else "away"
                if isinstance(error, LogUnavailable)
                else "failed"
            )
            _SELDOM.warning(word, "not appended, the log is %s: %s", word, error)
            raise self._not_now(word, "the log takes nothing now: nothing was kept") from None
        self._failed = ""
        metrics.INTAKE_APPEND_SECONDS.observe(time.perf_counter() - begun)

    async def _append_what_waits(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            # What nobody waits for any more was answered with "come again", and does.
            waited_for = [one for one in together if not one.durable.done()]
            if waited_for:
                await self._append(waited_for)
            self._let_go()

    def _end_patience(self) -> None:
        """One timer for all, set to the oldest: each of so many requests would cancel its own, soon after setting it."""
        self._patience = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for one in self._in_hand:
            if one.until > now:
                self._patience = loop.call_at(one.until, self._end_patience)
                break
            if not one.durable.done():
                one.durable.set_exception(TimeoutError())
        self._let_go()

    def _let_go(self) -> None:
        while self._in_hand and self._in_hand[0].durable.done():
            self._in_hand.popleft()
        if not self._in_hand and self._patience is not None:
            self._patience.cancel()
            self._patience = None

    async def _append(self, together: Sequence[_Waiting]) -> None:
        try:
            await self._emitter.append_async(merged([one.records for one in together]))
        except Exception as error:  # noqa: BLE001 - raised where each of them is waited for
            if len(together) > 1 and isinstance(error, RecordRefused):
                for one in together:
                    await self._append([one])
                return
            for one in together:
                if not one.durable.done():
                    one.durable.set_exception(error)
        else:
            for one in together:
                if not one.durable.done():
                    one.durable.set_result(None)

    def _not_now(self, word: str, message: str) -> Refused:
        self._failed, self._failed_at = word, time.monotonic()
        return Refused(
            503, f"log_{word}", f"{message}; come again", retry_after=self._limits.retry_later_seconds
        )


@contextmanager
def sealing(limits: IntakeLimits) -> Iterator[None]:
    """Tell what can go wrong before an append: keys that can't be had, no room for a blob. Raises Refused: 403, 503."""
    later = limits.retry_later_seconds
    try:
        yield
    except TenantForgotten:
        raise Refused(403, "tenant_forgotten", "the tenant was forgotten: nothing of it is taken") from None
    except LogError as error:
        _SELDOM.warning("keys", "nothing can be sealed or hashed: %s", error)
        raise Refused(
            503,
            "keyring_away",
            "the tenant's keys can't be had now: nothing was kept; come again",
            retry_after=later,
        ) from None
    except OSError as error:
        _SELDOM.warning("blobs", "a document can't be kept: %s", error)
        raise Refused(
            503, "log_full", "there is no room for it: nothing was kept; come again", retry_after=later
        ) from None
