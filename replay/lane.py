"""The stages and the loader of one lineage, driven over the log as far as a replay goes."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from processors.stage import Stage
from replay.lineage import LOADER, Lineage
from replay.retelling import NAME as RETELLS
from replay.retelling import Retelling
from replay.span import SpanLog
from replay.view import Ends, ReplayLog
from replay.work import BUSY, Replay
from sinks.loading import Loader, LoadPlan
from sinks.sink import Sink
from streams.running.runner import Generation, StageRunner
from streams.running.workers import Patience, Worker, Workers


@dataclass(frozen=True, slots=True)
class Lane:
    """One lineage at work; `open_lane` makes one."""

    replay: Replay
    runners: Mapping[str, StageRunner | Retelling]
    """By name; each after those whose output it takes."""
    loader: Loader
    sink: Sink

    def drain(self) -> None:
        """Step until nothing is left to do. Raises the first failure, LogError and SinkError among them."""
        stopping = threading.Event()
        rate = self.replay.pace.records_per_s
        names = tuple(self.runners)
        workers = [
            *(
                Worker(name, paced(runner.step, rate, stopping), after=names[:earlier])
                for earlier, (name, runner) in enumerate(self.runners.items())
            ),
            Worker(LOADER, paced(self.loader.step, rate, stopping), after=names),
        ]
        patience = Patience(BUSY, give_up_after_s=self.replay.pace.give_up_after_s)
        try:
            Workers(workers, patience, self._progress, stopping).run(until_idle=True)
        finally:
            self.sink.close()

    def _progress(self, name: str, records: int) -> None:
        if records:
            of: Loader | StageRunner | Retelling = self.loader if name == LOADER else self.runners[name]
            self.replay.progress(name, records, of.lag())


def open_lane(
    replay: Replay,
    known: Lineage,
    working: Generation,
    stages: Sequence[Stage],
    plan: LoadPlan,
    ends: Ends,
    retelling: Callable[[ReplayLog], Retelling] | None = None,
) -> Lane:
    """A lineage ready to go on where it was; what retells mail events goes before the stages that take them.

    Raises PositionRefused when the warehouse holds of it what the log does not.
    """
    log = ReplayLog(replay.log, working, ends)
    loaded = log if known.span is None else SpanLog(replay.log, working, ends, known.span)
    runners: dict[str, StageRunner | Retelling] = {}
    if retelling is not None:
        runners[RETELLS] = retelling(log)
    for stage in stages:
        told = partial(told_of, replay, stage.name)
        runners[stage.name] = StageRunner(log, stage, working, step_records(replay), told, seal=replay.seal)
    sink = replay.warehouse.sink(known.number)
    loader = Loader(loaded, sink, replace(plan, seal=replay.seal), partial(told_of, replay, LOADER))
    return Lane(replay, runners, loader, sink)


def paced(
    step: Callable[[], int], records_per_s: float | None, stopping: threading.Event
) -> Callable[[], int]:
    """A step that rests until its records took as long as they may at this rate."""
    if records_per_s is None:
        return step

    def slowed() -> int:
        began = time.monotonic()
        done = step()
        stopping.wait(max(0.0, done / records_per_s - (time.monotonic() - began)))
        return done

    return slowed


def step_of(pace_step: int, records_per_s: float | None) -> int:
    """The most records in a step: no more than a second's worth, so that a throttle is even."""
    return pace_step if records_per_s is None else max(1, min(pace_step, int(records_per_s)))


def step_records(replay: Replay) -> int:
    """The most records in a step of this replay."""
    return step_of(replay.pace.step_records, replay.pace.records_per_s)


def told_of(replay: Replay, who: str, boundary: str) -> None:
    """Tell who watches that somebody met a boundary."""
    replay.at(f"{who} {boundary}")
