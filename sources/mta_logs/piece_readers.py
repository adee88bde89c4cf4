"""Processes that read pieces of a log for another one.

Each has a pipe of its own, of which nobody else holds an end: so one that is killed, amid whatever it said, is known to be
gone, and they know when the other is. (A `ProcessPoolExecutor` waits for ever for the rest of what a killed process said.)
"""

import gc
import multiprocessing
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue

from processors.mta_logs.formats import reader_of
from processors.mta_logs.taking import FileContext, LogSettings
from schemas.recipient import RecipientHashes
from sources.mta_logs.framing import Labels
from sources.mta_logs.hashing import hash_or_none
from sources.mta_logs.pieces import PieceRead, read_piece


class ReaderGone(Exception):
    """A process that reads has ended."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What another process needs to read as this one does."""

    format_name: str
    settings: LogSettings
    labels: Labels
    key: bytes
    """The tenant's, by which recipients are hashed."""


class PieceReaders:
    """So many processes. Not safe for use by two threads at once."""

    def __init__(self, recipe: Recipe, processes: int) -> None:
        """Start them."""
        self._all = [_Process(recipe) for _ in range(processes)]
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        for process in self._all:
            self._idle.put(process)
        # A thread waits for each, so that none waits for this process to hear what it has read.
        self._threads = ThreadPoolExecutor(processes, "reads ahead")

    def read(self, piece: bytes, context: FileContext, now: int) -> "Future[PieceRead]":
        """As `read_piece`, some time; with ReaderGone where a process has ended."""
        return self._threads.submit(self._read, piece, context, now)

    def _read(self, piece: bytes, context: FileContext, now: int) -> PieceRead:
        process = self._idle.get()
        try:
            return process.read(piece, context, now)
        finally:
            self._idle.put(process)

    def close(self) -> None:
        """End them, whatever they are at."""
        for process in self._all:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._all:
            process.close()


class _Process:
    def __init__(self, recipe: Recipe) -> None:
        # A fork would have the locks of threads that it does not have.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, recipe), daemon=True)
        self._process.start()
        theirs.close()

    def read(self, piece: bytes, context: FileContext, now: int) -> PieceRead:
        try:
            self._pipe.send((piece, context, now))
            read = self._pipe.recv()
        except (EOFError, OSError):
            raise ReaderGone(f"process {self._process.pid}, which read ahead, has ended") from None
        assert isinstance(read, PieceRead)
        return read

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self._process.join()
        self._process.close()
        self._pipe.close()


def _serve(pipe: "Connection[PieceRead, tuple[bytes, FileContext, int]]", recipe: Recipe) -> None:
    """Read what the other process sends until it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started it.
    reader = reader_of(recipe.format_name, recipe.settings, hash_or_none(RecipientHashes(recipe.key)))
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)
    while True:
        try:
            piece, context, now = pipe.recv()
            pipe.send(read_piece(reader, recipe.labels, piece, context, now))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
