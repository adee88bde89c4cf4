"""A small file replaced whole and durably: whoever reads it sees it before the change or after, a crash leaves one of them."""

import os
import tempfile
from pathlib import Path


def replace_durably(path: Path, text: str) -> None:
    """Put a text in the place of a file, which keeps its owner and mode.

    A new one is its owner's only; others than owner and group can read none: these files hold secrets.

    Raises OSError, PermissionError where the file belongs to somebody else; it is then as it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            _be_like(path, file.fileno())
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Let what a file holds, or which files a folder has, outlast a crash of the machine. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _be_like(path: Path, handle: int) -> None:
    try:
        old = path.stat()
    except FileNotFoundError:
        return
    new = os.fstat(handle)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        os.fchown(handle, old.st_uid, old.st_gid)
    os.fchmod(handle, old.st_mode & 0o770)
