"""What becomes of messages: attempts, deliveries, bounces, and what recipients and their machines do then."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from schemas.mail import MAIL_EVENTS
from sources.simulator.draws import Draws, Floats, Ints, Numbers
from sources.simulator.effects import Effects
from sources.simulator.messages import Messages
from sources.simulator.providers import PROVIDERS
from sources.simulator.responses import SITUATIONS, choose
from sources.simulator.world import Flow

KINDS = tuple(record.__name__ for record in MAIL_EVENTS)
DROP_REASONS = ("suppressed", "invalid", "policy", "rendering")
FEEDBACK_TYPES = ("abuse", "fraud", "not-spam")
METHODS = ("one-click", "link", "mailto", "list")
USER_AGENTS = (
    "Mozilla/5.0",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0.3945.117 Safari/537.36",
)
"""0 is Apple's privacy proxy, 1 Gmail's, 2 Yahoo's, 3 and 4 people's, 5 a scanner's."""

RETRY_MINUTES = (5, 10, 20, 40, 80, 160, 320, 320)
"""Wait after each attempt; after the last one the message expires."""
DISPOSITIONS = ("none", "quarantine", "reject", "local_policy")
"""What the receiver made of DMARC; the last is a policy not applied, for reasons of its own."""

_STREAMS = ("transactional", "marketing", "cold", "other")
_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
_SECONDS_OF_NETWORK = 1_500.0


@dataclass(frozen=True, slots=True)
class Habits:
    """What people do with a stream's mail: probabilities for each delivered message."""

    opens: float
    clicks: float
    """Of those who opened."""
    complains: float
    unsubscribes: float
    auto_replies: float


HABITS = (
    Habits(0.45, 0.25, 0.00015, 0.0, 0.0015),
    Habits(0.22, 0.09, 0.0009, 0.0018, 0.0005),
    Habits(0.33, 0.05, 0.0025, 0.005, 0.02),
    Habits(0.30, 0.06, 0.0005, 0.0005, 0.002),
)
"""By stream: transactional, marketing, cold, other."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Messages whose authentication a receiver judged: what DMARC reports are made from."""

    message: Ints
    """Row of the messages."""
    occurred: Ints
    dkim_passes: NDArray[np.bool_]
    spf_passes: NDArray[np.bool_]
    disposition: Ints
    """Index into DISPOSITIONS."""
    delivered: NDArray[np.bool_]


class Lifecycle:
    """The lives of a scenario's messages, from its draws and its incidents."""

    def __init__(self, draws: Draws, flows: Sequence[Flow], effects: Effects) -> None:
        self._draws, self._effects = draws, effects
        self._stream = np.array([_STREAMS.index(flow.stream) for flow in flows])
        self._business = np.array([flow.domain.organisation.audience == "businesses" for flow in flows])
        self._base_size = np.array([8_000 + 45_000 * (flow.stream == "marketing") for flow in flows])

    def of(self, messages: Messages) -> tuple[pl.DataFrame, Evaluated]:
        """Everything that happens to these messages, as codes in no order, and what receivers judged.

        Columns: message (row), kind (index into KINDS), part (which of its kind in that life), occurred (ms), what
        and amount (as the kind needs them: see `sources.simulator.frames`).
        """
        told = _Told()
        draws, number = self._draws, messages.number
        dropped = draws.uniform("dropped", number) < 0.003
        everything = np.arange(len(messages))
        reason = draws.choice("drop reason", number, np.cumsum([0.8, 0.1, 0.07, 0.03]))
        told.add("MessageDropped", everything[dropped], messages.sent_at[dropped] + 40, what=reason[dropped])
        sent = everything[~dropped]
        size = (self._base_size[messages.flow] * (0.6 + draws.uniform("size", number))).astype(np.int64)
        told.add("MessageSent", sent, messages.sent_at[sent], amount=size[sent])
        judged = self._effects.judge(messages)
        accepted, evaluated = self._attempts(messages, sent, judged.fate, told, judged.dkim_passes)
        is_delivered = judged.fate[evaluated[0]] == 0
        disposition = judged.disposition(evaluated[0], is_delivered)
        self._reactions(messages, *accepted, quarantined=judged.quarantined, told=told)
        return told.frame(), Evaluated(
            evaluated[0],
            evaluated[1],
            judged.dkim_passes[evaluated[0]],
            judged.spf_passes[evaluated[0]],
            disposition,
            is_delivered,
        )

    def _attempts(
        self, messages: Messages, sent: Ints, fate: Ints, told: "_Told", dkim_passes: NDArray[np.bool_]
    ) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
        """Try until done: returns the accepted (rows, times) and the accepted or refused ones."""
        draws, provider = self._draws, messages.provider
        left = sent
        at = messages.sent_at[left] + 300 + draws.waits("network", messages.number[left], _SECONDS_OF_NETWORK)
        done_rows, done_at = [], []
        for attempt, wait in enumerate(RETRY_MINUTES, start=1):
            number = messages.number[left] + np.uint64(attempt << 56)
            deferral = self._effects.deferral(messages, left, at, attempt, dkim_passes)
            deferred = draws.uniform("deferred", number) < deferral.probability
            put_off = left[deferred]
            reply = choose(draws, deferral.situation[deferred], provider[put_off], number[deferred])
            told.add("MessageDeferred", put_off, at[deferred], part=attempt, what=reply, amount=attempt)
            done_rows.append(left[~deferred])
            done_at.append(at[~deferred])
            pause = wait * _MINUTE * (0.9 + 0.2 * draws.uniform("pause", number[deferred]))
            left, at = put_off, at[deferred] + pause.astype(np.int64)
            if not len(left):
                break
        told.add("MessageExpired", left, at, amount=len(RETRY_MINUTES))
        rows, moments = np.concatenate(done_rows), np.concatenate(done_at)
        number, refused = messages.number[rows], fate[rows] != 0
        reply = choose(draws, fate[rows], provider[rows], number)
        bounced = rows[refused]
        told.add("MessageBounced", bounced, moments[refused], what=reply[refused], amount=0)
        accepted, accepted_at = rows[~refused], moments[~refused]
        latency = accepted_at - messages.sent_at[accepted]
        told.add("MessageDelivered", accepted, accepted_at, what=reply[~refused], amount=latency)
        return (accepted, accepted_at), (rows, moments)

    def _reactions(
        self, messages: Messages, rows: Ints, at: Ints, quarantined: NDArray[np.bool_], told: "_Told"
    ) -> None:
        draws, number = self._draws, messages.number[rows]
        flow, provider = messages.flow[rows], messages.provider[rows]
        stream = self._stream[flow]
        seen = np.where(quarantined[rows], 0.08, 1.0)
        machine = draws.uniform("proxy", number) < _PROXIES[provider]
        told.add(
            "MessageOpened", rows[machine], _after(draws, "proxy wait", number, at, machine, 8 * _MINUTE, 0.9),
            part=0, what=0, amount=1,
        )  # fmt: skip
        opens = draws.uniform("open", number) < _habit("opens")[stream] * seen * np.where(
            provider == _APPLE, 0.3, 1.0
        )
        opened_at = _after(draws, "open wait", number, at, opens, 45 * _MINUTE, 1.1)
        agent = self._agents(number[opens], provider[opens])
        told.add("MessageOpened", rows[opens], opened_at, part=1, what=agent, amount=0)
        again = draws.uniform("open again", number[opens]) < 0.2
        told.add(
            "MessageOpened", rows[opens][again],
            _after(draws, "again wait", number[opens], opened_at, again, 5 * _HOUR, 0.7),
            part=2, what=agent[again], amount=0,
        )  # fmt: skip
        clicks = draws.uniform("click", number[opens]) < _habit("clicks")[stream[opens]]
        link = draws.below("link", number, 6)
        told.add(
            "LinkClicked", rows[opens][clicks],
            _after(draws, "click wait", number[opens], opened_at, clicks, _MINUTE, 0.6),
            part=1, what=3 + draws.below("browser", number[opens][clicks], 2), amount=link[opens][clicks] * 2,
        )  # fmt: skip
        scans = draws.uniform("scan", number) < _SCANNERS[provider]
        scanned_at = at[scans] + 3_000 + draws.waits("scan wait", number[scans], 20_000.0)
        told.add("LinkClicked", rows[scans], scanned_at, part=0, what=5, amount=link[scans] * 2 + 1)
        self._complaints(messages, rows, at, stream, told)
        leaves = draws.uniform("unsubscribe", number) < _habit("unsubscribes")[stream] * seen
        left_at = _after(draws, "unsubscribe wait", number, at, leaves, 2 * _HOUR, 0.8)
        method = draws.choice("method", number[leaves], np.cumsum([0.5, 0.4, 0.08, 0.02]))
        told.add("RecipientUnsubscribed", rows[leaves], left_at, what=method)
        returns = draws.uniform("resubscribe", number[leaves]) < 0.04
        back_at = _after(draws, "return", number[leaves], left_at, returns, 6 * _HOUR, 0.5)
        told.add("RecipientResubscribed", rows[leaves][returns], back_at, what=1)
        away = draws.uniform("away", number) < _habit("auto_replies")[stream] * np.where(
            self._business[flow], 2.0, 1.0
        )
        told.add(
            "AutoReplyReceived", rows[away], at[away] + 2_000 + draws.waits("reply", number[away], 15_000.0)
        )
        late = draws.uniform("async", number) < _ASYNC[provider]
        bounce = np.where(
            draws.uniform("async why", number[late]) < 0.7,
            SITUATIONS.index("unknown"),
            SITUATIONS.index("quota"),
        )
        told.add(
            "MessageBounced", rows[late], _after(draws, "dsn", number, at, late, 3 * _MINUTE, 0.9),
            part=1, what=choose(draws, bounce, provider[late], number[late]), amount=1,
        )  # fmt: skip

    def _complaints(self, messages: Messages, rows: Ints, at: Ints, stream: Ints, told: "_Told") -> None:
        draws, number = self._draws, messages.number[rows]
        chance = _habit("complains")[stream] * _LOOPS[messages.provider[rows]]
        chance = chance * self._effects.complaint_factor(messages, rows)
        complains = draws.uniform("complaint", number) < chance
        feedback = draws.choice("feedback", number[complains], np.cumsum([0.96, 0.03, 0.01]))
        when = _after(draws, "complaint wait", number, at, complains, 2 * _HOUR, 0.8)
        told.add("ComplaintReceived", rows[complains], when, what=feedback)

    def _agents(self, number: Numbers, provider: Ints) -> Ints:
        people = 3 + self._draws.below("agent", number, 2)
        return np.where(provider == _GMAIL, 1, np.where(provider == _YAHOO, 2, people))


class _Told:
    """Events as they are thought of, in columns of codes."""

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []

    def add(
        self,
        kind: str,
        rows: Ints,
        occurred: Ints,
        part: int = 0,
        what: Ints | int = 0,
        amount: Ints | int = 0,
    ) -> None:
        count = len(rows)
        self._frames.append(
            pl.DataFrame(
                {
                    "message": rows,
                    "kind": np.full(count, KINDS.index(kind)),
                    "part": np.full(count, part),
                    "occurred": occurred,
                    "what": np.broadcast_to(what, count).astype(np.int64),
                    "amount": np.broadcast_to(amount, count).astype(np.int64),
                },
                schema=dict.fromkeys(("message", "kind", "part", "occurred", "what", "amount"), pl.Int64),
            )
        )

    def frame(self) -> pl.DataFrame:
        return pl.concat(self._frames)


def _after(
    draws: Draws,
    purpose: str,
    number: Numbers,
    at: Ints,
    which: NDArray[np.bool_],
    scale_ms: float,
    tail: float,
) -> Ints:
    return at[which] + 1_000 + draws.long_waits(purpose, number[which], scale_ms, tail, 3 * _DAY)


def _habit(name: str) -> Floats:
    return np.array([getattr(habits, name) for habits in HABITS])


_NAMES = [provider.name for provider in PROVIDERS]
_APPLE, _GMAIL, _YAHOO = (_NAMES.index(name) for name in ("apple", "gmail", "yahoo"))
_PROXIES = np.array([provider.proxy_opens for provider in PROVIDERS])
_SCANNERS = np.array([provider.scanner_clicks for provider in PROVIDERS])
_LOOPS = np.array([provider.reports_complaints for provider in PROVIDERS])
_ASYNC = np.array([0.004 if name in ("other", "mimecast", "proofpoint") else 0.0004 for name in _NAMES])
