"""Threads that look at log and warehouse every few seconds, so that nobody who wants to know has to wait for them."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from streams.running.vitals import Moment

logger = logging.getLogger(__name__)

_LEAVING_S = 5.0
"""How long looks under way are waited for at the end, before what they look at is closed."""


@contextmanager
def looking(looks: Sequence[Callable[[Moment], None]], every_s: float) -> Iterator[None]:
    """Have each of these look, at once and then `every_s` after it is done, for the length of the block.

    Each has a thread of its own: one that hangs holds up no other. What one raises is logged, and it looks again.
    """
    ended = threading.Event()
    threads = [
        threading.Thread(target=_look, args=(look, every_s, ended), name="looking", daemon=True)
        for look in looks
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        until = time.monotonic() + _LEAVING_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


def _look(look: Callable[[Moment], None], every_s: float, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            look(Moment.now())
        except Exception as error:  # noqa: BLE001 - whoever looks on must not end; what is wrong is told
            if not ended.is_set():
                logger.warning("looking on failed: %s", str(error) or type(error).__name__)
        ended.wait(every_s)
