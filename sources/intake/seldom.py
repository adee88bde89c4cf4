"""Lines for the log that strangers can cause at will: of each kind one now and then, however many there were."""

import logging
import time

logger = logging.getLogger("mailwake.intake")

EVERY_S = 10.0


class Seldom:
    """Logs warnings, of each kind at most one in `EVERY_S`, and how many were left out before it."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warning(self, kind: str, message: str, *arguments: object) -> None:
        """Log this, unless one of its kind was logged a moment ago. There must be few kinds."""
        now = time.monotonic()
        if now - self._last.get(kind, -EVERY_S) < EVERY_S:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        self._last[kind] = now
        left_out = self._left_out.pop(kind, 0)
        logger.warning(
            message + (" (and %d like it before)" if left_out else ""),
            *arguments,
            *([left_out] if left_out else []),
        )
