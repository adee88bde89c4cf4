"""Backups: a consistent copy of the log, and the blobs its documents refer to.

The keyring and its journal of erasures are left out: a backup that somebody else gets hold of tells nothing that was
sealed. So are the files of API keys and of webhooks. What was erased since is erased again from a backup before it takes
the log's place.
"""

import errno
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from mailwake.keyring import of_log
from mailwake.keyring.opening import existing_keyring, kept_apart, keyring_name
from mailwake.opening import existing_log
from mailwake.settings import Settings
from schemas.record import now_ms
from streams.blobs import Blobs
from streams.keyring.keyring import Keyring
from streams.log import LogError
from streams.sqlite.connections import beside
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

LOG_NAME, BLOBS_NAME = "mailwake.db", "blobs"
CHUNK = 16 * 2**20


class NoBackup(LogError):
    """The folder is no backup, or can't become one."""


Progress = Callable[[str, int, int | None], None]
"""Told how many more bytes of the log, or blobs, are copied, and how many are left, where that is known."""


def _unwatched(name: str, done: int, left: int | None) -> None:
    """Nobody watches."""


def make_backup(settings: Settings, folder: Path, progress: Progress = _unwatched) -> int:
    """Copy log and blobs into a new folder; returns its bytes. A folder that is there is complete.

    Raises NoBackup, LogError, OSError.
    """
    if folder.exists():
        raise NoBackup(f"{folder} exists already: name a new folder")
    log = existing_log(settings)
    half = folder.with_name(folder.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    try:
        _made(half)
        log.backup(half / LOG_NAME, partial(progress, "bytes of the log"))
        # Blobs come second: they are written before the records that name them, and never change.
        if settings.blobs.is_dir():
            _copy_blobs(settings.blobs, half / BLOBS_NAME, progress)
        half.rename(folder)
    finally:
        log.close()
        shutil.rmtree(half, ignore_errors=True)
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _made(half: Path) -> None:
    try:
        half.mkdir(parents=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoBackup(
            f"{half.parent}: no folder can be made in it for the backup ({error.strerror}): name one where this user may write"
        ) from None


def left_out_of_backups(settings: Settings) -> list[str]:
    """What a backup has not, and has to be kept elsewhere: the keyring, and the files of API keys and webhooks there are."""
    secrets = [str(file.absolute()) for file in (settings.keys, settings.hooks) if file.exists()]
    return [*kept_apart(settings), *secrets]


def _copy_blobs(source: Path, target: Path, progress: Progress) -> None:
    def copied(one: str, other: str) -> None:
        shutil.copy2(one, other)
        progress("blobs", 1, None)

    shutil.copytree(source, target, ignore=shutil.ignore_patterns(".half-*"), copy_function=copied)


def restore_backup(
    settings: Settings,
    folder: Path,
    progress: Progress = _unwatched,
    erased_again: Callable[[int], None] = lambda _: None,
) -> Iterator[tuple[Path, Path]]:
    """Restore a backup; yields what is moved aside for it, from and to.

    What the keyring's journal says was erased, or forgotten, is so in the restored log before anybody opens that;
    `erased_again` is told how many that were. Raises NoBackup, LogInUse, KeyringError
    (OtherKeyring before anything is moved, where the backup belongs to another keyring).
    """
    source = folder / LOG_NAME
    if not source.is_file():
        raise NoBackup(f"{folder} holds no {LOG_NAME}: it is no backup")
    keyring = existing_keyring(settings)
    log = SqliteLog.open(source, (), create=False)
    try:
        if keyring is not None:
            of_log.check(log, str(source), keyring, keyring_name(settings))
            keyring.erasures()  # A journal that can't be read is said before anything is moved.
    finally:
        log.close()
    aside = f".before-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() // 1000 % 1_000_000:06}"
    with ExitStack() as stack:
        if settings.log_path.exists():
            log = existing_log(settings)
            stack.callback(log.close)
            stack.enter_context(log.hold())
        half = yield from _exchange(settings, folder, aside, progress)
        if keyring is not None:
            erased_again(_erase_again(half, settings, keyring, progress))
        half.rename(settings.log_path)


def _erase_again(half: Path, settings: Settings, keyring: Keyring, progress: Progress) -> int:
    from mailwake.privacy.erasure import apply_again
    from mailwake.privacy.holdings import Holdings

    log = SqliteLog.open(half, TOPICS, create=False)
    try:
        holdings = Holdings(log, Blobs(settings.blobs), keyring)
        count, _ = apply_again(holdings, now_ms(), lambda name, more: progress(name, more, None))
        return count
    finally:
        log.close()
        for lock in (".queue.lock", ".write.lock"):
            beside(half, lock).unlink(missing_ok=True)


def _exchange(
    settings: Settings, folder: Path, aside: str, progress: Progress
) -> Generator[tuple[Path, Path], None, Path]:
    """Put everything but the log in its place; returns where the log is, to be put in its own."""
    settings.log_path.parent.mkdir(parents=True, exist_ok=True)
    half = settings.log_path.with_name(settings.log_path.name + ".half")
    _copy_log(folder / LOG_NAME, half, progress)
    places = [
        *(settings.log_path.with_name(settings.log_path.name + end) for end in ("", "-wal", "-shm")),
        settings.blobs,
        *([] if settings.warehouse_server else [settings.warehouse_path]),
    ]
    for place in places:
        if place.exists():
            yield place, place.rename(place.with_name(place.name + aside))
    if (folder / BLOBS_NAME).is_dir():
        _copy_blobs(folder / BLOBS_NAME, settings.blobs, progress)
    return half


def _copy_log(source: Path, target: Path, progress: Progress) -> None:
    with source.open("rb") as whole, target.open("wb") as copy:
        left = source.stat().st_size
        while chunk := whole.read(CHUNK):
            copy.write(chunk)
            left -= len(chunk)
            progress("bytes of the log", len(chunk), left)
