"""Compares a rebuilt generation with the live one, view by view, at the same positions of the log."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from replay.differences import Comparison, compare_view
from replay.lane import Lane, open_lane, step_of
from replay.lineage import LOADED, Lineage, live_lineage
from replay.rebuild import advance, candidate
from replay.view import Ends, ends_now
from replay.work import Replay, ReplayRefused
from streams.running.pauses import Pauses

FACT_SOURCES = ("mail.events", "documents")
"""What is told from outside: both generations are brought to the same end of these."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What the comparison of two generations came to."""

    live: int
    rebuilt: int
    comparisons: Sequence[Comparison]

    @property
    def equal(self) -> bool:
        """Whether every view is the same in both."""
        return all(comparison.equal for comparison in self.comparisons)


def verify(replay: Replay, rows: int = 10) -> Verified:
    """Bring the live generation and the rebuilt one to the same positions, then compare every view.

    At most `rows` differing rows of each view are given. Raises ReplayRefused, LogError, SinkError.
    """
    live = live_lineage(replay.log, replay.warehouse)
    known = comparable(replay)
    ends = ends_now(replay.log, FACT_SOURCES)
    live_lane(replay, live, ends, ("documents",)).drain()
    # What these documents tell of messages is among the events that both have to come to.
    ends |= ends_now(replay.log, ["mail.events"])
    live_lane(replay, live, ends).drain()
    advance(replay, known, {**_loaded(replay, live), **ends})
    return Verified(live.number, known.number, list(_compared(replay, live, known, rows)))


def comparable(replay: Replay) -> Lineage:
    """The generation to compare. Raises ReplayRefused when there is none, or the live one can't be brought up to date."""
    known = candidate(replay)
    if known is None or not known.complete:
        raise ReplayRefused(
            "there is no complete rebuild to compare: mailwake replay rebuild makes one, or goes on with the one "
            "that was interrupted"
        )
    if paused := Pauses.beside(replay.log.path).all():
        raise ReplayRefused(
            f"{', '.join(paused)} is paused, so that the live generation can't be brought to the same positions: "
            f"mailwake resume {paused[0]} first"
        )
    return known


def live_lane(replay: Replay, live: Lineage, ends: Ends, names: Sequence[str] | None = None) -> Lane:
    """The live generation's own stages, or those that are named, and its loader, up to these ends.

    Raises PositionRefused.
    """
    stages = list(replay.fresh_stages())
    batch = step_of(replay.pace.step_records, replay.pace.records_per_s)
    plan = live.load_plan(stages, batch)
    some = [stage for stage in stages if names is None or stage.name in names]
    return open_lane(replay, live, live.live, some, plan, ends)


def _loaded(replay: Replay, live: Lineage) -> Ends:
    """How far the live generation has loaded each plain topic: the rebuilt one takes as much of it for facts."""
    return {
        source: offset
        for source, offset in replay.log.committed(live.loader_group).items()
        if source.topic in LOADED
    }


def _compared(replay: Replay, live: Lineage, known: Lineage, rows: int) -> Iterator[Comparison]:
    names = [view.name for view in replay.warehouse.views() if view.compared]
    replay.progress("views", 0, len(names))
    for left, name in zip(reversed(range(len(names))), names, strict=True):
        yield compare_view(replay.warehouse, name, live.number, known.number, known.span, rows)
        replay.progress("views", 1, left)
