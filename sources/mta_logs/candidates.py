"""The files that a tail may have to read: those it was told, what they were rotated to, what lies in folders."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_ROTATED = r"[.-](?:\d{1,4}|\d{8}(?:[-_T]?\d{1,9})?|\d{4}-\d\d-\d\d(?:[-_T][\d:-]+)?)(?:\.(?:gz|zst|bz2|xz))?"
"""What logrotate and its like put behind a log's name: a number or a date (dateext, dateformat), and what packed it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file, and whether it only was the one that is followed."""

    path: Path
    stat: os.stat_result
    rotated: bool


def candidates(targets: Sequence[str]) -> Iterator[Candidate]:
    """The files, the older of each target first; one that is gone meanwhile is left out. Raises PermissionError.

    A target is a file (which need not be there yet), a folder, whose files are all followed, or a pattern.
    """
    seen: set[tuple[int, int]] = set()
    for target in targets:
        for candidate in _of(target):
            identity = candidate.stat.st_dev, candidate.stat.st_ino
            if identity not in seen:
                seen.add(identity)
                yield candidate


def _of(target: str) -> Iterator[Candidate]:
    path = Path(target)
    if path.is_dir():
        yield from _in_order(_files(path), rotated=False)
    elif glob.has_magic(target) and not path.exists():
        yield from _in_order(map(Path, glob.iglob(target)), rotated=False)  # noqa: PTH207 - of any folder
    else:
        named = re.compile(re.escape(path.name) + _ROTATED).fullmatch
        yield from _in_order((file for file in _files(path.parent) if named(file.name)), rotated=True)
        yield from _in_order([path], rotated=False)


def _files(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            yield from [folder / entry.name for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        return


def _in_order(paths: Iterator[Path] | Sequence[Path], rotated: bool) -> list[Candidate]:
    found = []
    for path in paths:
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        if path.is_file():
            found.append(Candidate(path, stat, rotated))
    return sorted(found, key=lambda candidate: (candidate.stat.st_mtime_ns, candidate.path.name))
