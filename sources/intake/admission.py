"""Who is let in now: a bound on requests in hand and on the bytes that their bodies take together.

Questions are counted by themselves: whoever asks whether somebody may be mailed is answered while all that is brought waits
for a log that is away.
"""

from types import TracebackType
from typing import Self

from sources.intake.limits import IntakeLimits
from sources.intake.refusal import Refused
from streams import metrics


class Room:
    """A request's place among those in hand for the length of a block, and what it takes of the memory for bodies."""

    __slots__ = ("_admission", "asks", "body_is_read", "taken")

    def __init__(self, admission: "Admission", asks: bool) -> None:
        self._admission, self.asks = admission, asks
        self.taken = 0
        self.body_is_read = False
        """Whether the request's body came to its end: an answer before that ends the connection."""

    def take(self, size: int) -> None:
        """Raises Refused (429) when all bodies together would be too much."""
        self._admission.take(size)
        self.taken += size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.leave(self)


class Admission:
    """One process' requests in hand. Used from its event loop only."""

    def __init__(self, limits: IntakeLimits) -> None:
        self._limits = limits
        self.requests = self.questions = 0
        self.bytes = 0

    def request(self, *, asks: bool = False) -> Room:
        """A request, or a question, is in hand from now to the end of the block that its room is entered for.

        Raises Refused (429).
        """
        if (self.questions if asks else self.requests) >= self._limits.requests:
            raise self._busy(f"{self._limits.requests} requests are in hand already")
        self._count(1, asks)
        return Room(self, asks)

    def leave(self, room: Room) -> None:
        """A request is in hand no more."""
        self.bytes -= room.taken
        self._count(-1, room.asks)

    def _count(self, more: int, asks: bool) -> None:
        if asks:
            self.questions += more
        else:
            self.requests += more
        metrics.INTAKE_IN_FLIGHT.set(self.requests + self.questions)

    def take(self, size: int) -> None:
        """So many bytes more are in memory. Raises Refused (429)."""
        if self.bytes + size > self._limits.memory_bytes:
            raise self._busy("the bodies of the requests in hand take all the memory there is for them")
        self.bytes += size

    def _busy(self, why: str) -> Refused:
        return Refused(
            429, "busy", f"{why}: nothing was kept, come again", retry_after=self._limits.retry_seconds
        )
