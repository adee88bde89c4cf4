"""Locks between processes that the operating system frees when their holder dies."""

import contextlib
import fcntl
import os
import random
import time
import weakref
from pathlib import Path

_live: "weakref.WeakSet[FileLock]" = weakref.WeakSet()


class FileLock:
    """An exclusive `flock` on a file which holds its holder's process id.

    Each instance is an owner of its own: two instances exclude each other within a process as well. A child that
    was forked does not share its parent's lock. Not safe for use by two threads at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        _live.add(self)

    def try_acquire(self) -> bool:
        """Take the lock if it is free."""
        while True:
            if self._file is None:
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._is_at_path():
                    return False
            else:
                if self._is_at_path():
                    self._say(os.getpid())
                    return True
            self.close()

    def acquire(self, deadline: float) -> bool:
        """Take the lock, waiting until `time.monotonic()` reaches `deadline`; False if it could not be had."""
        pause = 0.0005
        while not self.try_acquire():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, pause * random.uniform(0.5, 1.5)))
            pause = min(pause * 1.5, 0.01)
        return True

    def release(self) -> None:
        """Give the lock up."""
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def holder(self) -> int | None:
        """The process id that the lock's last holder wrote, None if there is none to read."""
        try:
            return int(self.path.read_text())
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """Give the lock up and close its file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _is_at_path(self) -> bool:
        """Whether the file that was opened is still the one at the path: a deleted one locks nobody out."""
        assert self._file is not None
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self.path))  # noqa: PTH116
        except FileNotFoundError:
            return False

    def _say(self, pid: int) -> None:
        # The process id only serves messages: on a full disk the lock is good without it.
        with contextlib.suppress(OSError):
            assert self._file is not None
            os.pwrite(self._file, b"%-19d\n" % pid, 0)


class Turnstile:
    """A lock that every waiter gets in its turn, however soon the last holder wants it again.

    Waiters pass a queue first, and only the one in front waits for the lock itself. Whoever gives the lock up
    and wants it back has to queue like the rest.
    """

    def __init__(self, queue: Path, lock: Path) -> None:
        self._queue = FileLock(queue)
        self._lock = FileLock(lock)

    def acquire(self, deadline: float) -> bool:
        """Take the lock, waiting until `time.monotonic()` reaches `deadline`; False if it could not be had."""
        if not self._queue.acquire(deadline):
            return False
        try:
            return self._lock.acquire(deadline)
        finally:
            self._queue.release()

    def release(self) -> None:
        """Give the lock up."""
        self._lock.release()

    def holder(self) -> int | None:
        """The process id of the lock's last holder."""
        return self._lock.holder()

    def close(self) -> None:
        """Give the lock up and close its files."""
        self._lock.close()
        self._queue.close()


def _forget_inherited() -> None:
    for lock in list(_live):
        lock.close()


os.register_at_fork(after_in_child=_forget_inherited)
