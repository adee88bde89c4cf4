"""Connections to one SQLite file that any number of threads ask: a few, lent and given back."""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST = 8
"""The most that are lent at once: who asks for another waits, which with questions of microseconds is no time."""

Identity = tuple[int, int]


class Connections:
    """Lends connections to a file, made with its tables where it is missing. Threads may ask at once.

    A file that was deleted or replaced is noticed with the next connection that is lent. Everything raises sqlite3.Error.
    """

    def __init__(self, path: Path, tables: str) -> None:
        """`tables` is the SQL that makes them; it is run by each connection, and must do nothing to those there are."""
        self._path, self._tables = path, tables
        self._idle: deque[tuple[Identity | None, sqlite3.Connection]] = deque()
        self._free = threading.BoundedSemaphore(MOST)
        self._closed = False

    @contextmanager
    def lent(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses for the length of the block."""
        with self._free:
            identity, connection = self._taken()
            try:
                yield connection
            finally:
                if self._closed:
                    connection.close()
                else:
                    self._idle.append((identity, connection))

    def open(self) -> sqlite3.Connection:
        """A connection that the caller closes."""
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            # What a power failure takes of it is read from the log again: the position goes with it.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(self._tables)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close those that nobody has; those that are lent are closed when they are given back."""
        self._closed = True
        while self._idle:
            self._idle.pop()[1].close()

    def _taken(self) -> tuple[Identity | None, sqlite3.Connection]:
        here = self._identity()
        while True:
            try:
                identity, connection = self._idle.pop()
            except IndexError:
                break
            if identity == here:
                return identity, connection
            connection.close()
        connection = self.open()
        return self._identity(), connection

    def _identity(self) -> Identity | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
