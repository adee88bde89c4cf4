"""Whether stages live: each has a lag and a last progress, and one that has input and makes none has stalled.

Progress is a step that dealt with records, or that there is nothing to deal with, or that an operator holds the stage
back. That a thread runs, or that a step came back with nothing, is none as long as records wait: such a stage must
not look healthy. Knows no clock and no kind of runtime: a `Moment` is passed in, and a stage is a name and three
questions. How much waits is asked by `look`, which a log that is away may hold up; all the rest says what is known.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from streams import metrics
from streams.log import LogError, LogUnavailable

logger = logging.getLogger(__name__)


class Moment(NamedTuple):
    """A time as people tell it (Unix, seconds), and one that no one sets right (seconds), to measure spans by."""

    unix: float
    steady: float

    @classmethod
    def now(cls) -> Self:
        """By this machine's clocks."""
        return cls(time.time(), time.monotonic())


@dataclass(frozen=True, slots=True)
class Watched:
    """A stage on what it reads. `name` is its worker's: `reputation`, or `reputation/3` for one of its partitions.

    The questions are asked from any thread, and may raise LogError.
    """

    name: str
    lag: Callable[[], int]
    """How many records are waiting."""
    lag_seconds: Callable[[], float]
    """How much event time is waiting."""
    paused: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Condition:
    """How a stage is at a moment."""

    name: str
    waiting: int | None
    """Records that wait for it; None when the log does not say."""
    since: Moment
    """Its last progress."""
    idle_s: float
    """How long ago that was."""
    paused: bool
    waits_for: str | None
    """What it found busy or absent when it last tried."""

    def stalled(self, after_s: float) -> bool:
        """Whether it has input and has made no progress for so long; being paused counts as progress."""
        return self.waiting != 0 and self.idle_s >= after_s

    def stuck(self, after_s: float) -> bool:
        """Whether it has stalled though records wait for it and it waits for nobody: another process may get further."""
        return bool(self.waiting) and self.stalled(after_s) and self.waits_for is None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the log said of a stage when it was last asked."""

    waiting: int | None = 0
    behind_s: float = 0.0


class Vitals:
    """What is known of the stages of one process. Told and asked from any thread, looked at from one."""

    def __init__(self, stages: Sequence[Watched], started: Moment) -> None:
        """Nobody has stalled when the process starts."""
        self._stages = {stage.name: stage for stage in stages}
        self._seen = {name: _Seen() for name in self._stages}
        self._progress = dict.fromkeys(self._stages, started)
        self._waits: dict[str, Exception] = {}

    def look(self, at: Moment) -> None:
        """Ask every stage. A log that is away is waited for once: what else it would be asked for is not known then."""
        away = False
        for stage in self._stages.values():
            seen, away = _asked(stage, away)
            if seen.waiting == 0 or stage.paused() or self._seen[stage.name].waiting == 0:
                self._went_on(stage.name, at)
            self._seen[stage.name] = seen

    def stepped(self, name: str, records: int, at: Moment) -> None:
        """A step of this worker ended well, with so many records; those that are no stages are passed over."""
        self._waits.pop(name, None)
        if records and name in self._stages:
            self._went_on(name, at)

    def waits(self, name: str, error: Exception) -> None:
        """A step of this worker found a neighbour busy or absent, and will be tried again."""
        self._waits[name] = error

    def busy(self) -> Sequence[tuple[str, Exception]]:
        """Who waits for a neighbour now, and what it said."""
        return list(self._waits.items())

    def conditions(self, at: Moment) -> Sequence[Condition]:
        """How every stage is now, as far as is known from the last look."""
        return [self._condition(name, at) for name in self._stages]

    def publish(self, conditions: Sequence[Condition], stall_s: float) -> None:
        """Set the metrics of every stage; of one with several partitions, the sum of lags and the worst of the rest."""
        together: dict[str, list[Condition]] = {}
        for condition in conditions:
            together.setdefault(metrics.stage_of(condition.name), []).append(condition)
        for stage, parts in together.items():
            behind = [self._seen[part.name].behind_s for part in parts]
            waiting = [math.nan if part.waiting is None else part.waiting for part in parts]
            metrics.STAGE_LAG_RECORDS.set(sum(waiting), stage)
            metrics.STAGE_LAG_SECONDS.set(math.nan if any(map(math.isnan, behind)) else max(behind), stage)
            metrics.STAGE_LAST_PROGRESS.set(min(part.since.unix for part in parts), stage)
            metrics.STAGE_STALLED.set(any(part.stalled(stall_s) for part in parts), stage)
            metrics.STAGE_PAUSED.set(any(part.paused for part in parts), stage)

    def _went_on(self, name: str, at: Moment) -> None:
        self._progress[name] = max(at, self._progress[name], key=lambda moment: moment.steady)

    def _condition(self, name: str, at: Moment) -> Condition:
        paused, busy = self._stages[name].paused(), self._waits.get(name)
        if paused:
            self._went_on(name, at)
        since = self._progress[name]
        idle_s = max(0.0, at.steady - since.steady)
        return Condition(
            name, self._seen[name].waiting, since, idle_s, paused, None if busy is None else str(busy)
        )


def _asked(stage: Watched, away: bool) -> tuple[_Seen, bool]:
    """What a stage says, and whether the log turned out to be away."""
    if not away:
        try:
            return _Seen(stage.lag(), stage.lag_seconds()), False
        except LogError as error:
            logger.warning("how much waits for %s is not known: %s", stage.name, error)
            away = isinstance(error, LogUnavailable)
    return _Seen(None, math.nan), away
