"""Files that hold documents: found in folders, and read within a bound."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

LARGEST_DOCUMENT = 256 * 2**20
"""Bytes; a larger file is refused before it is read."""


class UnreadablePath(ValueError):
    """A path that can't be taken; says which and why."""


def files_under(paths: Iterable[Path]) -> Iterator[Path]:
    """Every file that the paths name, folders gone through in order, hidden files left out.

    Of a Maildir those in new/ and cur/: in tmp/ are mails that are still being written, beside them what servers note.

    Raises UnreadablePath for a path that does not exist.
    """
    for path in paths:
        if path.is_dir():
            files = [
                f
                for f in path.rglob("*")
                if not any(p.startswith(".") for p in f.relative_to(path).parts) and f.is_file()
            ]
            of_maildirs = {folder for folder in {f.parent for f in files} if _is_left_out(folder)}
            yield from sorted(f for f in files if f.parent not in of_maildirs)
        elif path.is_file():
            yield path
        elif path.exists():
            raise UnreadablePath(f"{path}: neither a file nor a folder (of a pipe, make a file first)")
        else:
            raise UnreadablePath(f"{path}: no such file or folder")


def _is_left_out(folder: Path) -> bool:
    """Whether it is a Maildir itself, or its tmp/."""
    maildir = folder.parent if folder.name == "tmp" else folder
    return (maildir / "new").is_dir() and (maildir / "cur").is_dir()


def name_of(path: Path) -> str:
    """A file's name as an event can hold it: bytes that are no UTF-8 are replaced."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def read_document(path: Path) -> bytes:
    """The bytes of a file. Raises UnreadablePath when it is too large or can't be read."""
    try:
        if (size := path.stat().st_size) > LARGEST_DOCUMENT:
            raise UnreadablePath(f"{path}: {size:,} bytes; documents of up to {LARGEST_DOCUMENT:,} are taken")
        return path.read_bytes()
    except OSError as error:
        raise UnreadablePath(f"{path}: {error.strerror}") from None
