"""Takes what waits in a spool to the log, in order, for as long as it takes: one process at a time for each spool."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from streams import metrics
from streams.file_lock import FileLock
from streams.log import LogError, Record, RecordRefused
from streams.spool.spool import Group, Most, Spool
from streams.sqlite.connections import beside

logger = logging.getLogger(__name__)


class Target(Protocol):
    """A log that takes numbered appends, opened under the spool's name; whoever had it open before is fenced."""

    def last(self) -> int | None:
        """The number of the last append that was kept."""

    def append_all(self, records: Mapping[str, Sequence[Record]], number: int) -> None:
        """Append all or nothing, with its number. Raises RecordRefused for what is refused for good; LogError."""

    def limits(self) -> Mapping[str, int]:
        """The largest batch of each topic, in bytes."""

    def close(self) -> None:
        """Release connections."""


@dataclass(frozen=True, slots=True)
class Draining:
    """How to drain, in seconds: waits after failures (doubled each time), and looks for what other processes emitted.

    `rest_s` lets emits come together before they are sent, where few are; `close_s` is how long an end waits for what
    still waits.
    """

    first_wait_s: float = 0.25
    longest_wait_s: float = 10.0
    look_s: float = 0.5
    rest_s: float = 0.02
    close_s: float = 10.0
    most: Most = field(default_factory=Most)


class Drainer:
    """A thread that drains one spool. Where another process does, this one waits for its turn."""

    def __init__(self, spool: Spool, open_target: Callable[[], Target], how: Draining) -> None:
        self._spool, self._open_target, self._how = spool, open_target, how
        self._lock = FileLock(beside(spool.path, ".drain.lock"))
        self._wake, self._stopping, self._moved = threading.Event(), threading.Event(), threading.Event()
        self._told = ""
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="mailwake-spool", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Something was added."""
        self._wake.set()

    def wait(self, before: int, within_s: float) -> bool:
        """Wait until nothing that was added before this position waits; False if time ran out."""
        deadline = time.monotonic() + within_s
        while (first := self._spool.first()) is not None and first < before:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._moved.clear()
            self._moved.wait(min(left, self._how.look_s))
        return True

    def close(self) -> None:
        """Stop after the append that is being made, without waiting for a log that does not answer."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(self._how.look_s)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._attempt()
        finally:
            self._lock.close()

    def _attempt(self) -> None:
        try:
            if self._lock.try_acquire():
                self._drain_into_log()
            else:
                self._stopping.wait(self._how.look_s)
        except (LogError, OSError) as error:
            self._say(str(error))
        except Exception as error:
            # A mistake of ours must not end the draining: it is told with its trace, and all is tried again.
            if str(error) != self._told:
                logger.exception("the spool %s can't be drained now", self._spool.path)
            self._told = str(error)
            self._pause()

    def _say(self, failure: str) -> None:
        if self._stopping.is_set():
            return
        if failure != self._told:
            logger.warning("the spool %s waits: %s", self._spool.path, failure)
        self._told = failure
        self._pause()

    def _pause(self) -> None:
        self._lock.release()
        metrics.SPOOL_FAILURES.add(1)
        wait = min(self._how.first_wait_s * 2 ** min(self._failures, 20), self._how.longest_wait_s)
        self._failures += 1
        self._stopping.wait(wait)

    def _drain_into_log(self) -> None:
        target = self._open_target()
        try:
            self._spool.learn(target.limits())
            self._spool.settle(target.last())
            self._moved.set()
            self._drain(target)
        finally:
            target.close()

    def _drain(self, target: Target) -> None:
        sent: Group | None = None
        singly, tidy = 0, True
        while not self._stopping.is_set():
            self._wake.clear()
            if sent is None and not self._spool.held().records:
                tidy = tidy or not self._spool.give_back()
                self._wake.wait(self._how.look_s if tidy else 0)
                continue
            most = replace(self._how.most, emits=1) if singly else self._how.most
            group = self._spool.next_group(sent, most)
            self._moved.set()
            sent = None
            if group is None:
                continue
            try:
                target.append_all(group.records, group.number)
            except RecordRefused as refused:
                if group.emits > 1:
                    singly = group.emits
                else:
                    self._set_aside(group, refused)
                    singly = max(singly - 1, 0)
                continue
            sent, singly = group, max(singly - group.emits, 0)
            self._told, self._failures, tidy = "", 0, False
            metrics.SPOOL_DRAINED.add(group.next - group.first)
            if (
                group.next - group.first < self._how.most.records // 2
                and group.bytes < self._how.most.bytes // 2
            ):
                self._stopping.wait(self._how.rest_s)
        if sent is not None:
            self._spool.settle(sent.number)
            self._moved.set()

    def _set_aside(self, group: Group, refused: RecordRefused) -> None:
        self._spool.set_aside(group, str(refused))
        logger.error(
            "the log refuses an emit of %d records for good; they are set aside in the spool %s, where mailwake emit "
            "--retry-refused takes them from once the cause is mended: %s",
            group.next - group.first, self._spool.path, refused,
        )  # fmt: skip
