"""Two shapes of traffic for measuring: many events in few buckets, and few events in many.

No lives and no incidents: every event stands by itself, full width, in order of recorded_at, quick to make.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from sources.simulator.draws import Draws, Ints, Numbers
from sources.simulator.frames import EventFrames, Frames
from sources.simulator.lifecycle import KINDS
from sources.simulator.messages import PROVIDER_OF
from sources.simulator.providers import PROVIDERS
from sources.simulator.responses import SITUATIONS, choose
from sources.simulator.world import build_world

_START_MS = 1_780_272_000_000
_MINUTE_MS = 60_000
_STEP = 100_000
_SHARES = {
    "MessageSent": 0.37,
    "MessageDelivered": 0.35,
    "MessageOpened": 0.16,
    "LinkClicked": 0.05,
    "MessageDeferred": 0.03,
    "MessageBounced": 0.03,
    "ComplaintReceived": 0.01,
}


@dataclass(frozen=True, slots=True)
class Traffic:
    """So many events, spread evenly over domains, providers and minutes."""

    seed: int
    events: int
    domains: int
    providers: int
    minutes: int

    def frames(self) -> Iterator[Frames]:
        """The events, 100,000 at a time: a frame for each kind, in order of recorded_at.

        Raises ValueError for more providers than are simulated.
        """
        if not 1 <= self.providers <= len(PROVIDERS):
            raise ValueError(f"providers: got {self.providers}, wants 1 to {len(PROVIDERS)}")
        world = build_world(self.seed, self.domains)
        flows = list({flow.domain.name: flow for flow in world.flows}.values())
        addresses = tuple(dict.fromkeys(ip for pool in world.pools for ip in pool.ips))
        place = {ip: i for i, ip in enumerate(addresses)}
        pools = [[place[ip] for ip in flow.domain.pool.ips] for flow in flows]
        sizes = np.array([len(pool) for pool in pools])
        table = np.array([[pool[k % len(pool)] for k in range(sizes.max())] for pool in pools])
        campaigns = np.array([len(flow.campaigns) for flow in flows])
        draws = Draws(self.seed)
        name = f"traffic/{self.seed}/{self.events}/{self.domains}/{self.providers}/{self.minutes}"
        events = EventFrames(draws, flows, addresses, "default", name)
        eligible = np.flatnonzero(np.array(PROVIDER_OF) < self.providers)
        kinds = np.array([KINDS.index(kind) for kind in _SHARES])
        cumulative = np.cumsum(list(_SHARES.values()))
        span = self.minutes * _MINUTE_MS
        for begin in range(0, self.events, _STEP):
            index = np.arange(begin, min(begin + _STEP, self.events))
            number = index.astype(np.uint64)
            flow = draws.below("flow", number, len(flows))
            kind = kinds[draws.choice("kind", number, cumulative)]
            mailbox = eligible[draws.below("mailbox", number, len(eligible))]
            recorded = _START_MS + index * span // self.events
            frames = events.of(
                pl.DataFrame(
                    {
                        "kind": kind,
                        "part": np.zeros(len(index), dtype=np.int64),
                        "occurred": recorded - 1 - draws.below("delay", number, 900),
                        "recorded": recorded,
                        "what": self._what(draws, kind, mailbox, number),
                        "amount": draws.below("amount", number, 2),
                        "number": number,
                        "event": number,
                        "flow": flow,
                        "recipient": draws.below("recipient", number, 50_000).astype(np.uint64),
                        "mailbox": mailbox,
                        "address": table[flow, draws.below("address", number, sizes[flow])],
                        "selector": np.zeros(len(index), dtype=np.int64),
                        "campaign": (flow << 32) | draws.below("campaign", number, campaigns[flow]),
                    }
                )
            )
            yield {record: _narrowed(frame) for record, frame in frames.items()}

    def _what(self, draws: Draws, kind: Ints, mailbox: Ints, number: Numbers) -> Ints:
        situation = np.zeros(len(kind), dtype=np.int64)
        situation[kind == KINDS.index("MessageDeferred")] = SITUATIONS.index("throttled")
        situation[kind == KINDS.index("MessageBounced")] = SITUATIONS.index("unknown")
        reply = choose(draws, situation, PROVIDER_OF[mailbox], number)
        answered = np.isin(
            kind, [KINDS.index(f"Message{what}") for what in ("Delivered", "Deferred", "Bounced")]
        )
        return np.where(answered, reply, 0)


def _narrowed(frame: pl.DataFrame) -> pl.DataFrame:
    """Some 300 bytes encoded: every column that folds and tables look at, without the long texts."""
    narrow = frame.drop(
        "message_id", "subject_hash", "content_fingerprint", "url_hash", "user_agent", strict=False
    )
    if "response" in narrow.columns:
        return narrow.with_columns(pl.col("response").str.slice(0, 24))
    return narrow


def dense(
    seed: int, events: int = 1_000_000, domains: int = 30, providers: int = 6, minutes: int = 10
) -> Traffic:
    """Many events in each (identity, provider, minute)."""
    return Traffic(seed, events, domains, providers, minutes)


def sparse(
    seed: int, events: int = 1_000_000, domains: int = 300, providers: int = 6, minutes: int = 10_000
) -> Traffic:
    """At most an event or so in each (identity, provider, minute)."""
    return Traffic(seed, events, domains, providers, minutes)
