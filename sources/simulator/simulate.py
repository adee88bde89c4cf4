"""The simulation itself: a scenario in, slices of what arrives out, in order of arrival."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Literal

import polars as pl

from schemas.record import now_ms
from sources.simulator.draws import Draws
from sources.simulator.effects import Effects
from sources.simulator.frames import EventFrames, Frames, with_messages
from sources.simulator.incidents import KINDS, Incident, check, flows_of, some
from sources.simulator.lifecycle import Lifecycle
from sources.simulator.messages import Sending
from sources.simulator.reports import Document, Reports
from sources.simulator.rhythm import DAY_MS, HOUR_MS
from sources.simulator.world import World, build_world

_MESSAGES_SENT_AT_ONCE = 20_000
_EVENTS_OF_A_SLICE = 50_000
_SETTLED_AFTER_DAYS = 8
"""Nothing that a message can cause comes later than this after it."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What to simulate. The same scenario gives the same bytes.

    Raises ValueError for numbers that make no sense and for incidents that can't befall anybody in its world.
    """

    seed: int = 1
    start_ms: int = 1_780_272_000_000
    """Milliseconds since the epoch; 2026-06-01 unless given."""
    days: float = 30.0
    domains: int = 50
    messages_per_day: int = 9_000
    """By all domains together, on average, incidents' mail not counted."""
    incidents: tuple[Incident, ...] | Literal["none", "some", "all"] = "some"
    """Named ones, or made from the seed: five, or one of each kind."""
    tenant: str = "default"
    late_share: float = 0.005
    """Share of events that are told minutes or hours late."""
    repeat_share: float = 0.003
    """Share of events and documents that are told again (a webhook's retry), with the same event id."""
    settle: bool = False
    """Go on after the end until everything that its messages cause has arrived; else stop there, as life would."""

    def __post_init__(self) -> None:
        for name, least in (("days", 1 / 24), ("domains", 1), ("messages_per_day", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"scenario {name}: got {getattr(self, name)}, wants at least {least:g}")
        for name in ("late_share", "repeat_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"scenario {name}: got {getattr(self, name)}, wants a share from 0 to 1")

    @property
    def end_ms(self) -> int:
        """When sending stops."""
        return self.start_ms + round(self.days * DAY_MS)

    @property
    def name(self) -> str:
        """What its events' ids are made from: other scenarios' events are other facts."""
        parts = (self.tenant, self.seed, self.start_ms, self.domains, self.messages_per_day)
        return "/".join(map(str, parts))

    def world(self) -> World:
        """Who sends in it, incidents aside."""
        return build_world(self.seed, self.domains)

    def truth(self) -> tuple[Incident, ...]:
        """The incidents that befall them."""
        world = self.world()
        if self.incidents == "none":
            return ()
        if isinstance(self.incidents, str):
            kinds = KINDS if self.incidents == "all" else None
            return some(world, self.seed, self.start_ms, self.days, kinds)
        check(self.incidents, world)
        return self.incidents


def days_before_today(days: float) -> int:
    """Where a scenario of so many days starts that ends with yesterday, UTC; ms since the epoch."""
    return now_ms() // DAY_MS * DAY_MS - round(days * DAY_MS)


@dataclass(frozen=True, slots=True)
class Slice:
    """What arrives from `begin_ms` up to `end_ms`."""

    begin_ms: int
    end_ms: int
    tenant: str
    frames: Frames
    """For each kind of event a frame of its fields, in order of recorded_at."""
    documents: tuple[Document, ...]
    """Reports, in order of arrival."""

    @property
    def events(self) -> int:
        """How many mail events there are."""
        return sum(frame.height for frame in self.frames.values())


def simulate(scenario: Scenario) -> Iterator[Slice]:
    """Simulate a scenario, in slices that follow each other: one day each, or less where a day holds much."""
    incidents = scenario.truth()
    world = scenario.world()
    flows = world.flows + flows_of(incidents, world)
    draws = Draws(scenario.seed)
    sending = Sending(draws, flows, incidents, scenario.start_ms, scenario.end_ms, scenario.messages_per_day)
    lifecycle = Lifecycle(draws, flows, Effects(draws, flows, sending.addresses, incidents))
    frames = EventFrames(draws, flows, sending.addresses, scenario.tenant, scenario.name)
    reports = Reports(
        draws, flows, sending.addresses, incidents, scenario.start_ms, scenario.end_ms, scenario.repeat_share
    )
    hours = _hours_of_a_slice(scenario)
    last = scenario.end_ms
    pending: pl.DataFrame | None = None
    for first_hour in count(0, hours):
        begin = scenario.start_ms + first_hour * HOUR_MS
        end = begin + hours * HOUR_MS
        if begin >= last:
            settled = pending is None or not pending.height
            if (
                not scenario.settle
                or (settled and not reports.waiting)
                or begin > last + _SETTLED_AFTER_DAYS * DAY_MS
            ):
                return
        if not scenario.settle:
            end = min(end, last)
        if begin < last:
            messages = sending.between(first_hour, hours)
            lives, evaluated = lifecycle.of(messages)
            reports.count(messages, evaluated)
            coming = _recorded(draws, with_messages(lives, messages), scenario)
            pending = coming if pending is None else pl.concat([pending, coming])
        assert pending is not None
        here = pl.col("recorded") < end
        arrived = pending.filter(here).sort("recorded", maintain_order=True)
        pending = pending.filter(~here)
        documents = reports.due(end, end)
        for since, until in pairwise([begin, *_cuts(arrived), end]):
            rows = arrived.filter(pl.col("recorded").is_between(since, until, closed="left"))
            received = tuple(document for document in documents if since <= document.received_at < until)
            yield Slice(since, until, scenario.tenant, frames.of(rows), received)


def _cuts(arrived: pl.DataFrame) -> list[int]:
    """Moments that cut what arrived, which is in order, into slices that are easily held."""
    moments = arrived["recorded"].gather_every(_EVENTS_OF_A_SLICE)[1:].unique().sort().to_list()
    return [moment for moment in moments if moment > arrived["recorded"][0]]


def _hours_of_a_slice(scenario: Scenario) -> int:
    hourly = scenario.messages_per_day / 24
    return max(
        hours
        for hours in (1, 2, 3, 4, 6, 8, 12, 24)
        if hours == 1 or hours * hourly <= _MESSAGES_SENT_AT_ONCE
    )


def _recorded(draws: Draws, events: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    """Say when each event is recorded; some late, some again."""
    number = events["event"].to_numpy()
    occurred = events["occurred"].to_numpy()
    delay = 150 + draws.waits("delay", number, 900.0)
    late = draws.uniform("late", number) < scenario.late_share
    delay[late] += 60_000 + draws.long_waits("late by", number[late], 10 * 60_000.0, 1.2, 12 * HOUR_MS)
    told = events.with_columns(recorded=pl.Series(occurred + delay))
    again = draws.uniform("again", number) < scenario.repeat_share
    retry = 1_000 + draws.long_waits("again after", number[again], 60_000.0, 0.9, 6 * HOUR_MS)
    repeats = told.filter(pl.Series(again)).with_columns(recorded=pl.col("recorded") + pl.Series(retry))
    return pl.concat([told, repeats])
