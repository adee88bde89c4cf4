"""How a worker ends: soon when it is told to, or has failed, and at once when it is told again."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Self

logger = logging.getLogger(__name__)

_LEAVING_S = 30.0
"""How long a worker that ends may take for the step under way and to leave its groups: less than Kubernetes waits."""

_NOTHING_LOST = "Nothing is lost, its partitions go to others when its session is over"


class ToldToEnd(BaseException):
    """A worker was told to end before it had begun to work: there is nothing to leave."""


class Ending:
    """Takes SIGTERM and SIGINT from `listen` on. Python runs handlers in the main thread, whatever that waits for."""

    def __init__(self) -> None:
        self._leave: Callable[[], object] | None = None
        self._told = False

    def listen(self) -> Self:
        """Take the signals; the first one raises ToldToEnd in the main thread until there is something to leave."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)
        return self

    def leaves_by(self, leave: Callable[[], object]) -> None:
        """From now on the first signal calls this."""
        self._leave = leave

    def failed(self, failure: BaseException, code: int) -> None:
        """The worker ends by itself, with this exit code."""
        _soon(f"ended by {failure}", code)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._told:
            logger.warning("told to end again: this worker ends as it is. %s", _NOTHING_LOST)
            os._exit(0)
        self._told = True
        _soon("told to end", 0)
        threading.excepthook = _told_briefly
        if self._leave is None:
            raise ToldToEnd
        self._leave()


def _told_briefly(failure: threading.ExceptHookArgs) -> None:
    """Of a thread that fails on the way out, as clients of a broker that is away do: nothing that anybody acts on."""
    logger.info("a thread ended early: %s", failure.exc_type.__name__)


def _soon(why: str, code: int) -> None:
    """End this process even if something on its way out does not answer.

    Clients of a broker that is away would wait for it, some of them without end.
    """
    timer = threading.Timer(_LEAVING_S, _leave_as_it_is, (why, code))
    timer.daemon = True
    timer.start()


def _leave_as_it_is(why: str, code: int) -> None:
    logger.warning(
        "%s; something did not answer for %.0f s: this worker ends without leaving its groups. %s",
        why,
        _LEAVING_S,
        _NOTHING_LOST,
    )
    os._exit(code)
