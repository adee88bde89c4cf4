"""Reading ahead of a tail that is far behind: other processes read the pieces to come while it appends those that came.

Only of formats whose lines need nothing of those before them: what a piece says is the same whoever reads it, and nothing is lost
with what was read ahead in vain.
"""

import gc
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from processors.mta_logs.formats import reader_of
from processors.mta_logs.taking import FileContext, LogReader, LogSettings
from schemas.recipient import RecipientHashes
from sources.mta_logs.following import Followed
from sources.mta_logs.framing import Labels
from sources.mta_logs.hashing import hash_or_none
from sources.mta_logs.pieces import PIECE, PieceRead, read_piece
from sources.mta_logs.places import Place
from sources.mta_logs.unpacking import UnreadableLog

logger = logging.getLogger(__name__)

FAR_BEHIND = 16 * 2**20
"""From so many bytes on processes are worth their start."""
PACKED = 8
"""How many times its size a packed file may hold, about."""
DEPTH = 32
"""Pieces read ahead at most."""
REST_S = 10.0
"""For so long processes without work are kept."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What another process needs to read as this one does."""

    format_name: str
    settings: LogSettings
    labels: Labels
    key: bytes
    """The tenant's, by which recipients are hashed."""


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


class ReadAhead:
    """Reads what follows a place. Not safe for use by two threads at once."""

    def __init__(self, recipe: Callable[[], Recipe], processes: int, far_behind: int = FAR_BEHIND) -> None:
        """Start nothing yet. `recipe` is asked whenever processes are started."""
        self._recipe, self._processes, self._far_behind = recipe, processes, far_behind
        self._pool: ProcessPoolExecutor | None = None
        self._used = time.monotonic()
        self._of: Followed | None = None
        self._pending: deque[_Asked] = deque()
        self._end = 0
        self._no_more = False

    def next(self, followed: Followed, now: int) -> tuple[bytes, PieceRead] | None:
        """The lines at the file's place and what they gave, if they were read ahead; else None, and they are to be read."""
        place = followed.place
        if self._of is not followed or (self._pending and not self._pending[0].follows(place)):
            self.forget()
            self._of = followed
        if not self._pending:
            self._end, self._no_more = place.offset, False
        # Its first lines may name the columns of all others.
        if not place.offset or (self._pool is None and self._behind(followed) < self._far_behind):
            return None
        try:
            self._go_on(followed, now)
            if not self._pending:
                return None
            asked = self._pending.popleft()
            return asked.piece, asked.read.result()
        except BrokenProcessPool:
            logger.warning("%s: a process that read ahead was ended: the tail reads on by itself", place.path)
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
        """Nothing is left to read: processes that have had nothing to do for a while end."""
        if self._pool is not None and time.monotonic() - self._used > REST_S:
            self._stop()

    def close(self) -> None:
        """Drop what was read ahead, and end the processes; they are started again, by the recipe of then, when there is need."""
        self._stop()

    def _stop(self) -> None:
        self.forget()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _behind(self, followed: Followed) -> int:
        size = followed.file.stat().st_size
        return size * PACKED if followed.file.compressed else size - followed.place.offset

    def _go_on(self, followed: Followed, now: int) -> None:
        place, self._used = followed.place, time.monotonic()
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
            read = self._started().submit(_read, whole, context, now)
            self._pending.append(_Asked(self._end, context.header, whole, read))
            self._end += end

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._processes,
                # A fork would have the locks of threads that it does not have.
                multiprocessing.get_context("spawn"),
                _begin,
                (self._recipe(),),
            )
        return self._pool


_reader: LogReader
_labels: Labels


def _begin(recipe: Recipe) -> None:
    """In a process that reads: be ready."""
    global _reader, _labels
    _labels = recipe.labels
    _reader = reader_of(recipe.format_name, recipe.settings, hash_or_none(RecipientHashes(recipe.key)))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started it.
    gc.freeze()
    gc.set_threshold(200_000, 10, 10)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _read(piece: bytes, context: FileContext, now: int) -> PieceRead:
    return read_piece(_reader, _labels, piece, context, now)
