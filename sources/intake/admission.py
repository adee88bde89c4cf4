"""Who is let in now: a bound on requests in hand and on the bytes that their bodies take together."""

from collections.abc import Iterator
from contextlib import contextmanager

from sources.intake.limits import IntakeLimits
from sources.intake.refusal import Refused
from streams import metrics


class Room:
    """What one request takes of the memory there is for bodies."""

    def __init__(self, admission: "Admission") -> None:
        self._admission = admission
        self.taken = 0
        self.body_is_read = False
        """Whether the request's body came to its end: an answer before that ends the connection."""

    def take(self, size: int) -> None:
        """Raises Refused (429) when all bodies together would be too much."""
        self._admission.take(size)
        self.taken += size


class Admission:
    """One process' requests in hand. Used from its event loop only."""

    def __init__(self, limits: IntakeLimits) -> None:
        self._limits = limits
        self.requests = 0
        self.bytes = 0

    @contextmanager
    def request(self) -> Iterator[Room]:
        """A request is in hand for the length of the block. Raises Refused (429)."""
        if self.requests >= self._limits.requests:
            raise self._busy(f"{self.requests} requests are in hand already")
        self.requests += 1
        metrics.INTAKE_IN_FLIGHT.set(self.requests)
        room = Room(self)
        try:
            yield room
        finally:
            self.requests -= 1
            self.bytes -= room.taken
            metrics.INTAKE_IN_FLIGHT.set(self.requests)

    def take(self, size: int) -> None:
        """So many bytes more are in memory. Raises Refused (429)."""
        if self.bytes + size > self._limits.memory_bytes:
            raise self._busy("the bodies of the requests in hand take all the memory there is for them")
        self.bytes += size

    def _busy(self, why: str) -> Refused:
        return Refused(
            429, "busy", f"{why}: nothing was kept, come again", retry_after=self._limits.retry_seconds
        )
