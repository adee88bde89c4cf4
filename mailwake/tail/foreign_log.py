"""Whether what a tail reads is a log of its format at all, and whose else it may be."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from processors.mta_logs.formats import FORMATS, reader_of
from processors.mta_logs.taking import FileContext, LogSettings
from schemas.record import now_ms
from sources.mta_logs.places import Place
from sources.mta_logs.unpacking import LogBytes, UnreadableLog

LOOK = 64 * 1024
"""Bytes from the beginning of a file that are shown to the other formats' readers."""
ENOUGH_LINES = 20
"""A tail that follows says nothing of fewer lines that no format knows: there may be better ones to come."""

_UNDERSTOOD = ("told", "joined", "noted")


def is_understood(lines: Counter[str]) -> bool:
    """Whether any of the lines, counted by outcome, was of the format; that there were none is no reason to doubt."""
    return not lines.total() or any(lines[outcome] for outcome in _UNDERSTOOD)


def complaint(format_name: str, lines: int, places: Iterable[Place], is_first: bool) -> str | None:
    """What to say of so many lines of which none was of the format, None where that may well be.

    It may where the tail has read these files before and no other format's reader knows them: a mail server's log has
    lines of other programs.
    """
    other = _other_format(format_name, places)
    if other is None and not is_first:
        return None
    said = f"not one of {lines:,} lines is of {format_name}'s format"
    return f"{said}: is it {other}'s? (--format {other})" if other else said


def _other_format(format_name: str, places: Iterable[Place]) -> str | None:
    """The other format that knows most lines at the beginning of these files."""
    known: Counter[str] = Counter()
    for place in places:
        text = _beginning(Path(place.path))
        for name in FORMATS:
            if text and name != format_name:
                taken = reader_of(name, LogSettings(), _nobody).take(text, FileContext(), now_ms())
                known[name] += sum(taken.counts.get(outcome, 0) for outcome in _UNDERSTOOD)
        if known.total():
            break
    return max(known, key=lambda name: known[name]) if known.total() else None


def _beginning(path: Path) -> str:
    try:
        file = LogBytes(path)
    except OSError:
        return ""
    try:
        return file.read(0, LOOK).decode("utf-8", "replace").rpartition("\n")[0]
    except (UnreadableLog, OSError):
        return ""
    finally:
        file.close()


def _nobody(address: str) -> None:
    """Nothing of what is tried is kept, so nobody need be known."""
