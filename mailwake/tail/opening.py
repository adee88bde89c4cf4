"""A tail as the settings want it: the log, the tenant's key, its place, and nobody else at the same files."""

import hashlib
import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mailwake.keyring.opening import open_keyring
from mailwake.opening import open_any_log
from mailwake.settings import Settings, is_kafka
from mailwake.tail.foreign_log import ENOUGH_LINES, complaint, is_understood
from processors.mta_logs.formats import reader_of
from processors.mta_logs.taking import LogSettings
from schemas.mail import Stream
from sources.mta_logs.ahead import read_ahead
from sources.mta_logs.appending import Appends, NumberedAppends, PlainAppends
from sources.mta_logs.following import Following
from sources.mta_logs.framing import Labels
from sources.mta_logs.hashing import TenantHashes
from sources.mta_logs.piece_readers import Recipe
from sources.mta_logs.places import TOPIC, Places
from sources.mta_logs.tail import Tail
from streams import metrics
from streams.file_lock import FileLock
from streams.log import Log, LogFull, LogUnavailable
from streams.running.workers import seldom_collecting
from streams.sqlite.log import SqliteLog

logger = logging.getLogger(__name__)

IDLE_S = 0.2
"""How long a tail rests that found nothing to read."""
LONGEST_WAIT_S = 10.0
MEASURE_S = 1.0
"""How often it is measured how far behind a tail is."""


class TailInUse(Exception):
    """Another tail reads the same files."""


@dataclass(frozen=True, slots=True)
class TailOptions:
    """What is tailed, and what its log does not say."""

    format_name: str
    targets: tuple[str, ...]
    """Files, folders, patterns."""
    name: str | None = None
    """The tail's own name, under which its place is kept."""
    from_end: bool = False
    stream: Stream = "other"
    ip: str | None = None
    pool: str | None = None
    reading: LogSettings = field(default_factory=LogSettings)
    processes: int | None = None
    """So many read ahead of a tail that is far behind, where the format allows it; None: as many as are of use."""


@dataclass(slots=True)
class OpenTail:
    """A tail and where it appends."""

    tail: Tail
    appends: Appends
    name: str
    format_name: str
    following: Following
    log: Log
    is_first: bool
    """Whether no tail of this name ever looked at its files."""
    waits: Callable[[Exception | None], None] = lambda error: None
    """Told of each step whether it waits for the log, and why."""
    _is_settled: bool = False
    """Whether it is known if these files are of the format, and said if they are not."""
    _measured: float = float("-inf")

    def run(self, stopping: threading.Event, until_end: bool, wait_s: float) -> None:
        """Follow until told to stop, or read to the end. What is busy is waited for; with `until_end`, so many seconds.

        Raises LogError, OSError.
        """
        with seldom_collecting():
            self._run(stopping, until_end, wait_s if until_end else None)

    def not_its_format(self) -> str | None:
        """What to say where not one line of what was read was of the format; None where that is as it should be."""
        return self._doubt(self.is_first)

    def _doubt(self, is_first: bool) -> str | None:
        lines = self.tail.summary.lines
        if is_understood(lines):
            return None
        places = [followed.place for followed in self.following.files]
        return complaint(self.format_name, lines.total(), places, is_first)

    def _run(self, stopping: threading.Event, until_end: bool, wait_s: float | None) -> None:
        ended = False
        while not stopping.is_set():
            read = self._step(until_end, stopping, wait_s)
            if read:
                ended = False
                if not until_end and not self._is_settled:
                    self._settle()
                continue
            if until_end:
                if ended:
                    return
                ended = True
                self.tail.look_again()
                continue
            stopping.wait(IDLE_S)

    def _settle(self) -> None:
        lines = self.tail.summary.lines
        if not lines.total():
            return
        are_enough = lines.total() >= ENOUGH_LINES
        said = self._doubt(self.is_first and are_enough)
        if said:
            logger.warning("%s", said)
        self._is_settled = bool(said) or are_enough or is_understood(lines)

    def _measure(self) -> None:
        if time.monotonic() - self._measured >= MEASURE_S:
            self._measured = time.monotonic()
            metrics.TAIL_BEHIND.set(behind(self.following), self.format_name)

    def _step(self, to_the_end: bool, stopping: threading.Event, wait_s: float | None) -> int:
        pause, since, told = 0.1, time.monotonic(), ""
        while True:
            try:
                read = self.tail.step(self.appends, to_the_end)
                self.waits(None)
                self._measure()
                return read
            except (LogFull, LogUnavailable) as error:
                self.waits(error)
                self._measure()
                if wait_s is not None and time.monotonic() - since > wait_s:
                    raise
                if str(error) != told:
                    told = str(error)
                    logger.warning("the tail waits, nothing is lost: %s", error)
                if stopping.wait(pause):
                    return 0
                pause = min(pause * 2, LONGEST_WAIT_S)


@contextmanager
def opened_tail(settings: Settings, options: TailOptions) -> Iterator[OpenTail]:
    """The tail of these files into the log that the settings name.

    Raises TailInUse, SettingsError, LogError, TenantForgotten and what else the keyring raises.
    """
    with ExitStack() as stack:
        name = options.name or default_name(options)
        hold_alone(settings, options.targets, name, stack)
        log = open_any_log(settings)
        stack.callback(log.close)
        hashes = TenantHashes(open_keyring(settings, log), settings.tenant)
        appends = _appends(log, name)
        places = Places(log, settings.tenant, name)
        is_first = not places.looked_at
        reader = reader_of(options.format_name, options.reading, hashes)
        following = Following(options.targets, places.places, places.looked_at, options.from_end)
        labels = Labels(
            settings.tenant, options.format_name, stream=options.stream, ip=options.ip, pool=options.pool
        )
        processes = _of_use() if options.processes is None else options.processes
        ahead = read_ahead(
            options.format_name,
            lambda: Recipe(options.format_name, options.reading, labels, hashes.key),
            processes,
        )
        tail = Tail(options.format_name, reader, following, places, labels, hashes.ask, ahead)
        stack.callback(tail.close)
        yield OpenTail(tail, appends, name, options.format_name, following, log, is_first)


def behind(following: Following) -> int:
    """Bytes of the files that were found that are not read yet; of packed ones that do not say how much they hold, none."""
    left = 0
    for followed in following.files:
        if followed.broken or followed.finished:
            continue
        file = followed.file
        size = (file.ended_at() or 0) if file.compressed else file.stat().st_size
        left += max(0, size - followed.place.offset)
    return left


def default_name(options: TailOptions) -> str:
    """The name of a tail that was given none: this host, the format, and the files."""
    paths = "\n".join(sorted(str(Path(target).absolute()) for target in options.targets))
    files = hashlib.sha256(paths.encode()).hexdigest()[:12]
    return f"{socket.gethostname()[:100]}:{options.format_name}:{Path(options.targets[0]).name[:60]}:{files}"


def hold_alone(settings: Settings, targets: Sequence[str], name: str, stack: ExitStack) -> None:
    """Be the only tail of this name, and of each of these files, on this machine. Raises TailInUse."""
    where = _lock_folder(settings)
    for what in [f"name {name}", *(f"file {Path(target).resolve()}" for target in targets)]:
        lock = FileLock(where / f".mailwake-tail-{hashlib.sha256(what.encode()).hexdigest()[:20]}.lock")
        stack.callback(lock.close)
        if not lock.try_acquire():
            raise TailInUse(
                f"another tail, process {lock.holder()}, is at work ({what}): stop that one first, or let one tail "
                "follow all the files"
            )


def _lock_folder(settings: Settings) -> Path:
    if not is_kafka(settings.log):
        folder = settings.log_path.absolute().parent
    else:
        folder = Path(tempfile.gettempdir()) / f"mailwake-tails-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _of_use() -> int:
    """How many read ahead by default: three read as fast as one appends, and on a single processor all take turns."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(processors, 3) if processors > 1 else 0


def _appends(log: Log, name: str) -> Appends:
    if isinstance(log, SqliteLog):
        return PlainAppends(log)
    from streams.kafka.log import KafkaLog

    assert isinstance(log, KafkaLog)
    writer = "tail-" + hashlib.sha256(name.encode()).hexdigest()[:20]
    appends = NumberedAppends(lambda: log.numbered(writer))
    log.until_decided(TOPIC)
    return appends
