"""A copy of the log's database, made while others write."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from streams.durable_file import sync
from streams.log import LogError
from streams.sqlite.connections import beside, failures_named

PAGES = 8192
"""So many are copied between two words about progress."""


def copy_database(source: sqlite3.Connection, target: Path, progress: Callable[[int, int], None]) -> None:
    """Copy what `source` sees to `target`, which must not exist; it appears there whole or not at all.

    `progress` is told how many more bytes are copied, and how many are left.

    `source` is within a read transaction: with its snapshot, writes that happen meanwhile don't make SQLite
    start the copy again. Raises LogError, LogFull.
    """
    if target.exists():
        raise LogError(f"{target} exists; name a file that does not, or move that one away")
    if not target.parent.is_dir():
        raise LogError(f"{target}: there is no folder {target.parent}; make it first")
    partial = beside(target, ".partial")
    partial.unlink(missing_ok=True)
    try:
        with failures_named(target):
            copy = sqlite3.connect(partial, isolation_level=None)
            try:
                source.backup(copy, pages=PAGES, progress=_increments(source, progress))
            finally:
                copy.close()
        sync(partial)
        partial.rename(target)
        sync(target.parent)
    except OSError as error:
        raise LogError(f"the backup to {target} failed: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _increments(
    source: sqlite3.Connection, progress: Callable[[int, int], None]
) -> Callable[[int, int, int], None]:
    (page_bytes,) = source.execute("PRAGMA page_size").fetchone()
    before: int | None = None

    def told(_: int, left: int, total: int) -> None:
        nonlocal before
        copied = (total if before is None else before) - left
        before = left
        progress(copied * page_bytes, left * page_bytes)

    return told
