"""Threads that step until there is nothing left, or until they are stopped; failures of the three kinds.

A neighbour that is busy or absent is waited for, with backoff, and the work kept; anything else ends all of them
and is raised where they are waited for.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from streams import metrics
from streams.running.done import Done

logger = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 10.0


@dataclass(frozen=True, slots=True)
class Worker:
    """Something that steps: each call does some work and returns how much, 0 when there is none.

    Where it knows whether it left some it says so (`Done`).
    """

    name: str
    step: Callable[[], int]
    paused: Callable[[], bool] = lambda: False
    after: tuple[str, ...] = ()
    """Workers whose output this one takes: it is not idle before they are."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How to treat busy neighbours and quiet times."""

    busy: tuple[type[Exception], ...]
    """Errors that pass: wait and step again."""
    give_up_after_s: float | None = None
    """Raise such an error after this long without a step that succeeds; None waits for ever."""
    linger_s: float = 0.5
    """The rest between two steps while little comes."""
    full_step: int = 1
    """After a step that did at least so much there is no rest, if it does not say itself whether more is waiting."""

    def rests(self, done: int) -> bool:
        """Whether there is a rest after a step that did so much."""
        return not done.more if isinstance(done, Done) else done < self.full_step


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Let Python look for cycles seldom: a step makes a hundred thousand objects, and not a cycle among them."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


@dataclass(slots=True)
class Workers:
    """Runs workers, a thread each."""

    workers: Sequence[Worker]
    patience: Patience
    progress: Callable[[str, int], None] = lambda name, records: None
    """Told of every step that ended well, and of every rest of a paused worker."""
    stopping: threading.Event = field(default_factory=threading.Event)
    waits: Callable[[str, Exception], None] = lambda name, error: None
    """Told of every step that found a neighbour busy and will be tried again."""
    _failure: BaseException | None = None
    _idle: dict[str, threading.Event] = field(default_factory=dict)

    def run(self, until_idle: bool) -> None:
        """Step until all are idle, or until `stopping` is set. Raises the first failure of any of them."""
        self._idle = {worker.name: threading.Event() for worker in self.workers}
        for worker in self.workers:
            for kind in self.patience.busy:
                metrics.WAITS.begin(metrics.stage_of(worker.name), metrics.reason_of(kind))
        threads = [
            threading.Thread(target=self._guard, args=(worker, until_idle), name=worker.name, daemon=True)
            for worker in self.workers
        ]
        with seldom_collecting():
            for thread in threads:
                thread.start()
            try:
                for thread in threads:
                    while thread.is_alive():
                        thread.join(0.2)
            finally:
                self.stopping.set()
                for thread in threads:
                    thread.join()
        if self._failure is not None:
            raise self._failure

    def _guard(self, worker: Worker, until_idle: bool) -> None:
        try:
            self._work(worker, until_idle)
        except BaseException as error:  # noqa: BLE001 - raised again by run()
            self._failure = self._failure or error
            self.stopping.set()
        finally:
            self._idle[worker.name].set()

    def _work(self, worker: Worker, until_idle: bool) -> None:
        while not self.stopping.is_set():
            upstream_idle = all(self._idle[name].is_set() for name in worker.after)
            done = 0 if worker.paused() else self._step(worker)
            self.progress(worker.name, done)
            if done == 0 and until_idle and upstream_idle:
                return
            if done == 0 if until_idle else self.patience.rests(done):
                self.stopping.wait(0.01 if until_idle else self.patience.linger_s)

    def _step(self, worker: Worker) -> int:
        wait, since = FIRST_WAIT_S, time.monotonic()
        while True:
            try:
                return worker.step()
            except self.patience.busy as error:
                limit = self.patience.give_up_after_s
                if limit is not None and time.monotonic() - since > limit:
                    raise
                self.waits(worker.name, error)
                metrics.WAITS.add(1, metrics.stage_of(worker.name), metrics.reason_of(error))
                logger.warning("%s waits %.1f s: %s", worker.name, wait, error)
                if self.stopping.wait(wait):
                    return 0
                wait = min(wait * 2, LONGEST_WAIT_S)
