"""A small file that others change while we run: looked at again now and then, and replaced whole."""

import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

logger = logging.getLogger("mailwake.intake")

LOOK_AGAIN_S = 1.0
"""For how long what was read is believed without a look at the file."""

Value = TypeVar("Value")


class Watched(Generic[Value]):
    """What a file says, parsed. A file that is missing says `absent`.

    One that became unreadable leaves what was read before, and a line in the log: a slip of the pen must not shut
    everybody out, or in.
    """

    def __init__(self, path: Path, parse: Callable[[str], Value], absent: Value) -> None:
        self._path, self._parse, self._absent = path, parse, absent
        self._seen: tuple[int, int, int] | None = None
        self._value: Value | None = None
        self._look_at = 0.0

    def value(self) -> Value:
        """As the file is now, or was a second ago. Raises what `parse` raises where nothing was read yet; OSError."""
        now = time.monotonic()
        if self._value is not None and now < self._look_at:
            return self._value
        self._look_at = now + LOOK_AGAIN_S
        seen = _seen(self._path)
        if self._value is None or seen != self._seen:
            self._value = self._read(seen)
            self._seen = seen
        return self._value

    def _read(self, seen: tuple[int, int, int] | None) -> Value:
        if seen is None:
            return self._absent
        try:
            return self._parse(self._path.read_text("utf-8"))
        except (ValueError, OSError) as error:
            if self._value is None:
                raise
            logger.error("%s is as it was before it changed: %s", self._path, error)
            return self._value


def _seen(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def written(path: Path, text: str) -> None:
    """Replace a file whole, durably; only its owner may read it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
