"""From the event loop into the log: records of many requests in one durable append."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sources.intake.limits import IntakeLimits
from sources.intake.refusal import Refused
from sources.intake.seldom import Seldom
from streams import metrics
from streams.emitter import Emitter
from streams.keyring.keyring import TenantForgotten
from streams.log import LogError, LogFull, LogUnavailable, Record, RecordRefused

_SELDOM = Seldom()


REMEMBERED_S = 15.0
"""For how long a failure counts when nothing was tried since: who turns requests away would never see it pass."""


class Appending:
    """Appends what requests bring."""

    def __init__(self, emitter: Emitter, limits: IntakeLimits) -> None:
        self._emitter, self._limits = emitter, limits
        self._failed, self._failed_at = "", 0.0

    def trouble(self) -> str:
        """Why the log took nothing the last time, a short while ago: full, away, failed, slow; "" otherwise."""
        recent = time.monotonic() - self._failed_at < REMEMBERED_S
        return self._failed if recent else ""

    async def append(self, records: Mapping[str, Sequence[Record]]) -> None:
        """Durable when this returns. Raises Refused: 413 for what no log takes, 503 when it takes nothing now."""
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(self._limits.append_seconds):
                await self._emitter.append_async(records)
        except TimeoutError:
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
