"""Connections to the log's database: how they are opened, shared by threads, take turns at writing, and fail.

Writers of all processes take turns in a `Turnstile`, and a checkpoint of the write-ahead log (WAL) is only made by
the writer whose turn it is. So no two connections ever write and checkpoint at the same time, which in SQLite
before 3.51.3 could damage a database (https://www.sqlite.org/wal.html#walresetbug).
"""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.file_lock import Turnstile
from streams.log import LogError, LogFull

logger = logging.getLogger(__name__)

PAGE_SIZE = 8192
PRAGMAS = ("synchronous = FULL", "secure_delete = ON", "cache_size = -8000", "wal_autocheckpoint = 0")
WAL_BYTES = 16 * 2**20
"""The size of the WAL at which a writer moves it into the database file."""

_IDLE = 4
_READER_PATIENCE_MS = 50
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)
_inherited: list[sqlite3.Connection] = []


class Connections:
    """The connections of one process to one database, any number of threads at a time.

    `timeout_s` is how long a writer waits for its turn. All methods raise LogError and its kinds for what SQLite
    and the file system have to say.
    """

    def __init__(self, path: Path, timeout_s: float) -> None:
        self.path = path
        self._timeout_s = timeout_s
        self._pid = os.getpid()
        self._file = _identity(path)
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._turnstiles: list[Turnstile] = []
        self._closed = False
        self._next_checkpoint = WAL_BYTES

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the database for the length of the block, and holds up nobody."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are durable when the block ends, and undone if it raises."""
        with self._turn(), self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error) and _is_full(error):
                    # Empties the WAL if the database file has room for it, and so may make room for the next try.
                    self._checkpoint(connection)
                raise
            if self._wal_bytes() >= self._next_checkpoint:
                self._checkpoint(connection)

    def checkpoint(self) -> None:
        """Move the WAL into the database file and empty it, as far as readers leave it."""
        with self._turn(), self._connection() as connection:
            self._checkpoint(connection)

    def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            turnstiles, self._turnstiles = self._turnstiles, []
        for connection in idle:
            connection.close()
        for turnstile in turnstiles:
            turnstile.close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        self._check()
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        with failures_named(self.path):
            connection = connection or connect(self.path, self._timeout_s)
            try:
                yield connection
            except sqlite3.Error:
                connection.close()
                raise
            except BaseException:
                self._give_back(connection)
                raise
        self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if keep := not self._closed and len(self._idle) < _IDLE:
                self._idle.append(connection)
        if not keep:
            connection.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self._check()
        with self._lock:
            turnstile = self._turnstiles.pop() if self._turnstiles else None
        turnstile = turnstile or Turnstile(beside(self.path, ".queue.lock"), beside(self.path, ".write.lock"))
        try:
            self._wait_for(turnstile)
            try:
                yield
            finally:
                turnstile.release()
        finally:
            with self._lock:
                if keep := not self._closed:
                    self._turnstiles.append(turnstile)
            if not keep:
                turnstile.close()

    def _wait_for(self, turnstile: Turnstile) -> None:
        try:
            granted = turnstile.acquire(time.monotonic() + self._timeout_s)
        except OSError as error:
            raise LogError(f"{self.path}: cannot lock the log for writing: {error}") from error
        if not granted:
            raise LogError(
                f"{self.path}: no turn to write within {self._timeout_s:g} s; process {turnstile.holder()} was "
                "the last to write. See whether it is stopped or hangs, and end it if so"
            )

    def _check(self) -> None:
        if os.getpid() != self._pid:
            raise LogError(
                f"{self.path} was opened by process {self._pid}, and this is its child {os.getpid()}: "
                "a log does not survive a fork, open it again"
            )
        if self._closed:
            raise LogError(f"{self.path} has been closed")
        if _identity(self.path) != self._file:
            raise LogError(
                f"{self.path} was moved, deleted or replaced while it was open: restart this process, and stop "
                "every process that uses a log before replacing its file"
            )

    def _wal_bytes(self) -> int:
        try:
            return beside(self.path, "-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        """Where a reader is in the way, or the disk is full, what is in the WAL is durable all the same."""
        connection.execute(f"PRAGMA busy_timeout = {_READER_PATIENCE_MS}")
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.OperationalError as error:
            logger.warning("%s: the write-ahead log stays as it is for now: %s", self.path, error)
        connection.execute(f"PRAGMA busy_timeout = {int(self._timeout_s * 1000)}")
        self._next_checkpoint = self._wal_bytes() + WAL_BYTES

    def __del__(self) -> None:
        # A connection that a child closes would tamper with files that its parent is using.
        if os.getpid() != self._pid:
            _inherited.extend(self._idle)


def connect(path: Path, timeout_s: float) -> sqlite3.Connection:
    """A connection in autocommit mode with the log's settings, to a file that exists."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=timeout_s,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def beside(path: Path, suffix: str) -> Path:
    """The file that stands beside the database under its name and a suffix."""
    return path.with_name(path.name + suffix)


@contextmanager
def failures_named(path: Path) -> Iterator[None]:
    """Turn what SQLite raises in the block into LogError and its kinds, with what to do about it."""
    try:
        yield
    except sqlite3.Error as error:
        raise _named(error, path) from error


def _named(error: sqlite3.Error, path: Path) -> Exception:
    primary = _code(error) & 0xFF
    if _is_full(error):
        return LogFull(
            f"{path} cannot grow ({error}): the disk is full, or a quota or file size limit is reached. Nothing was "
            "kept of this write; make room and it goes on"
        )
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LogError(f"{path} is locked by a program other than mailwake ({error}); close that program")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return LogError(
            f"{path} is damaged or no log ({error}): stop every process that uses it, keep the file aside, and "
            "restore a backup in its place"
        )
    if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return LogError(
            f"{path} cannot be opened for writing ({error}): check that the file and its folder exist and that this "
            "user may write to both"
        )
    if primary == sqlite3.SQLITE_IOERR:
        return LogError(
            f"{path}: the file system failed ({error}, {error.sqlite_errorname}); see the system's log"
        )
    if primary in (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG):
        return LogError(f"{path}: a record that the log cannot hold ({error})")
    return error


def _is_full(error: sqlite3.Error) -> bool:
    return _code(error) in _FULL


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
