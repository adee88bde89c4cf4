"""Backups: a consistent copy of the log, and the blobs its documents refer to."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from mailwake.opening import existing_log
from mailwake.settings import Settings
from streams.log import LogError
from streams.sqlite_log import SqliteLog

LOG_NAME, BLOBS_NAME = "mailwake.db", "blobs"


class NoBackup(LogError):
    """The folder is no backup, or can't become one."""


def make_backup(settings: Settings, folder: Path) -> int:
    """Copy log and blobs into a new folder; returns its bytes. A folder that is there is complete.

    Raises NoBackup, LogError, OSError.
    """
    if folder.exists():
        raise NoBackup(f"{folder} exists already: name a new folder")
    log = existing_log(settings)
    half = folder.with_name(folder.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    try:
        half.mkdir(parents=True)
        log.backup(half / LOG_NAME)
        # Blobs come second: they are written before the records that name them, and never change.
        if settings.blobs.is_dir():
            shutil.copytree(settings.blobs, half / BLOBS_NAME, ignore=shutil.ignore_patterns(".half-*"))
        half.rename(folder)
    finally:
        log.close()
        shutil.rmtree(half, ignore_errors=True)
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def put_back(settings: Settings, folder: Path) -> Iterator[str]:
    """Restore a backup, moving what is there aside; says what it did. Raises NoBackup, LogInUse."""
    source = folder / LOG_NAME
    if not source.is_file():
        raise NoBackup(f"{folder} holds no {LOG_NAME}: it is no backup")
    SqliteLog.open(source, (), create=False).close()
    aside = f".before-{time.strftime('%Y%m%d-%H%M%S')}"
    with ExitStack() as stack:
        if settings.log_path.exists():
            log = existing_log(settings)
            stack.callback(log.close)
            stack.enter_context(log.hold())
        yield from _exchange(settings, folder, aside)


def _exchange(settings: Settings, folder: Path, aside: str) -> Iterator[str]:
    settings.log_path.parent.mkdir(parents=True, exist_ok=True)
    half = settings.log_path.with_name(settings.log_path.name + ".half")
    shutil.copyfile(folder / LOG_NAME, half)
    places = [
        *(settings.log_path.with_name(settings.log_path.name + end) for end in ("", "-wal", "-shm")),
        settings.blobs,
        settings.warehouse_path,
    ]
    for place in places:
        if place.exists():
            place.rename(place.with_name(place.name + aside))
            yield f"{place} is now {place.name + aside}"
    if (folder / BLOBS_NAME).is_dir():
        shutil.copytree(folder / BLOBS_NAME, settings.blobs)
    half.rename(settings.log_path)
    yield f"{folder} is in place"
