"""From the event loop into the log: records of many requests in one durable append."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence

from sources.intake.limits import IntakeLimits
from sources.intake.refusal import Refused
from streams import metrics
from streams.emitter import Emitter
from streams.log import LogError, LogFull, LogUnavailable, Record, RecordRefused

logger = logging.getLogger("mailwake.intake")


class Appending:
    """Appends what requests bring. `state` is why the log took nothing last, "" while it does."""

    def __init__(self, emitter: Emitter, limits: IntakeLimits) -> None:
        self._emitter, self._limits = emitter, limits
        self.state = ""

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
            logger.warning("not appended, the log is %s: %s", word, error)
            raise self._not_now(word, "the log takes nothing now: nothing was kept") from None
        self.state = ""
        metrics.INTAKE_APPEND_SECONDS.observe(time.perf_counter() - begun)

    def _not_now(self, word: str, message: str) -> Refused:
        self.state = word
        return Refused(
            503, f"log_{word}", f"{message}; come again", retry_after=self._limits.retry_later_seconds
        )
