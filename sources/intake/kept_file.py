"""A small file that others change while we run: looked at again now and then."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from sources.intake.seldom import Seldom
from streams.durable_file import replace_durably

_SELDOM = Seldom()

LOOK_AGAIN_S = 1.0
"""For how long what was read is believed without a look at the file."""

Value = TypeVar("Value")
_Seen = tuple[tuple[int, int, int] | None, ...]


class TooOld(Exception):
    """A file can't be read, and has not been for so long that what it said may not be true any more."""


class Watched(Generic[Value]):
    """What a file says, parsed. A file that is missing says `absent`.

    What can't be parsed leaves what was read before, and a line in the log: a slip of the pen must not shut everybody
    out, or in. So does what can't be read, for as long as `patience_s`. Either way it is tried again.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[str], Value],
        absent: Value,
        *,
        named: Callable[[], Sequence[Path]] = tuple,
        patience_s: float | None = None,
    ) -> None:
        """`named` are further files that what was parsed depends on. `patience_s`: seconds; None is for ever."""
        self._path, self._parse, self._absent = path, parse, absent
        self._named, self._patience_s = named, patience_s
        self._seen: _Seen | None = None
        self._value: Value | None = None
        self._look_at = self._read_at = 0.0
        self.said_something = False
        """Whether it ever said anything but `absent`, if only what can't be parsed."""

    def value(self) -> Value:
        """As the file is now, or was a second ago. Raises what `parse` raises, OSError where nothing was read yet; TooOld."""
        now = time.monotonic()
        if self._value is not None and now < self._look_at:
            return self._value
        try:
            value = self._looked()
            self._read_at = now
        except ValueError as error:
            self.said_something = True
            if self._value is None:
                raise
            _SELDOM.warning(str(self._path), "%s is as it was before it changed: %s", self._path, error)
            value, self._read_at = self._value, now
        except OSError as error:
            if self._value is None:
                raise
            _SELDOM.warning(str(self._path), "%s can't be read: %s", self._path, error)
            if self._patience_s is not None and now - self._read_at > self._patience_s:
                self._look_at = 0.0
                raise TooOld(f"{self._path} can't be read") from None
            value = self._value
        self._look_at = now + LOOK_AGAIN_S
        return value

    def _looked(self) -> Value:
        named = tuple(self._named())
        seen = (_seen(self._path), *map(_seen_or_not, named))
        if self._value is not None and seen == self._seen:
            return self._value
        value = self._absent if seen[0] is None else self._parse(self._path.read_text("utf-8"))
        self._value = value
        # Of files that it names only now it is not known whether they changed since: the next look reads them again.
        self._seen = seen if tuple(self._named()) == named else None
        self.said_something |= value != self._absent
        return value


def _seen(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _seen_or_not(path: Path) -> tuple[int, int, int] | None:
    """The same of a file that is named in another: whether it can be looked at is that one's business."""
    try:
        return _seen(path)
    except (OSError, ValueError):
        return None


def written(path: Path, text: str) -> None:
    """Replace a file whole, durably, in a folder that is made if need be. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(path, text)
