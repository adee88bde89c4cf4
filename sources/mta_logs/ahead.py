"""Reading ahead of a tail that is far behind: other processes read the pieces to come while it appends those that came.

Only of formats whose lines need nothing of those before them: what a piece says is the same whoever reads it, and nothing is lost
with what was read ahead in vain.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from processors.mta_logs.formats import ALONE
from processors.mta_logs.taking import FileContext
from sources.mta_logs.following import Followed
from sources.mta_logs.piece_readers import PieceReaders, ReaderGone, Recipe
from sources.mta_logs.pieces import PIECE, PieceRead
from sources.mta_logs.places import Place
from sources.mta_logs.unpacking import UnreadableLog

logger = logging.getLogger(__name__)

FAR_BEHIND = 16 * 2**20
"""From so many bytes on processes are worth their start."""
PACKED = 8
"""How many times its size a packed log holds, about."""
DEPTH = 32
"""Pieces read ahead at most."""
REST_S = 10.0
"""For so long processes without work are kept."""
LONGEST_S = 60.0
"""A process that takes longer for a piece hangs."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A piece that is being read."""

    offset: int
    header: str | None
    """What the columns were taken to be."""
    piece: bytes
    read: "Future[PieceRead]"

    def follows(self, place: Place) -> bool:
        """Whether the file was read up to here, and is what it was taken for."""
        return (self.offset, self.header) == (place.offset, place.context.header)


def read_ahead(format_name: str, recipe: Callable[[], Recipe], processes: int) -> "ReadAhead | None":
    """What reads ahead of a tail of this format, with so many processes; None for none, or where lines need those before them."""
    return ReadAhead(recipe, processes) if processes and format_name in ALONE else None


class ReadAhead:
    """Reads what follows a place. Not safe for use by two threads at once."""

    def __init__(self, recipe: Callable[[], Recipe], processes: int, far_behind: int = FAR_BEHIND) -> None:
        """Start nothing yet. `recipe` is asked whenever processes are started."""
        self._recipe, self._processes, self._far_behind = recipe, processes, far_behind
        self._readers: PieceReaders | None = None
        self._used = time.monotonic()
        self._of: Followed | None = None
        self._pending: deque[_Asked] = deque()
        self._end = 0
        self._no_more = False

    def next(self, followed: Followed, now: int) -> tuple[bytes, PieceRead] | None:
        """The lines at the file's place and what they gave, if they were read ahead; else None, and they are to be read."""
        place = followed.place
        # Its first lines may name the columns of all others.
        if not place.offset:
            return None
        if self._of is not followed:
            # What was read ahead of another file stays while this one has only grown by some lines.
            if self._behind(followed) < self._far_behind:
                return None
            self.forget()
            self._of = followed
        if self._pending and not self._pending[0].follows(place):
            self.forget()
            self._of = followed
        if not self._pending:
            self._end, self._no_more = place.offset, False
        try:
            self._go_on(followed, now)
            if not self._pending:
                return None
            asked = self._pending.popleft()
            return asked.piece, asked.read.result(LONGEST_S)
        except (ReaderGone, TimeoutError) as error:
            why = str(error) or "a process that reads ahead hangs"
            logger.warning("%s: %s: the tail reads on by itself", place.path, why)
            self._stop()
            self._far_behind = 2**63
            return None

    def forget(self) -> None:
        """Drop what was read ahead."""
        for asked in self._pending:
            asked.read.cancel()
        self._pending.clear()
        self._of = None

    def rest(self) -> None:
        """Let processes end that have had nothing to do for a while."""
        if self._readers is not None and time.monotonic() - self._used > REST_S:
            self._stop()

    def close(self) -> None:
        """Drop what was read ahead, and end the processes; they are started again, by the recipe of then, when there is need."""
        self._stop()

    def _stop(self) -> None:
        self.forget()
        if self._readers is not None:
            self._readers.close()
            self._readers = None

    def _behind(self, followed: Followed) -> int:
        file = followed.file
        return file.packed_left * PACKED if file.compressed else file.stat().st_size - followed.place.offset

    def _go_on(self, followed: Followed, now: int) -> None:
        place = followed.place
        while len(self._pending) < DEPTH and not self._no_more:
            try:
                piece = followed.file.read(self._end, PIECE)
            except UnreadableLog:
                piece = b""  # The tail comes to it, and says so.
            end = piece.rfind(b"\n") + 1
            if len(piece) < PIECE or not end:
                self._no_more = True
                return
            whole = piece[:end]
            context = FileContext(place.context.header, place.context.line_time)
            read = self._started().read(whole, context, now)
            self._pending.append(_Asked(self._end, context.header, whole, read))
            self._end += end
            self._used = time.monotonic()

    def _started(self) -> PieceReaders:
        if self._readers is None:
            self._readers = PieceReaders(self._recipe(), self._processes)
        return self._readers
