"""How a recipient stands: a state that is the same whatever order its evidence came in, and what follows from it.

Of each stream and reason the latest `KEPT` facts are kept, and the latest word that lifts it. Of a fact that is told in
several ways the one that happened latest is kept, of these the one by the newest rules, of these the one recorded first.
Joining one more in is commutative and idempotent, and what follows is worked out from the whole: so evidence may come
twice, late, or by several partitions. When it happened decides: a lift holds for what happened before it, and for nothing
that happens later. Of a fact and a lift in the same millisecond the fact counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

REASONS = ("complaint", "unsubscribe", "bounce", "manual", "import")
"""Why somebody is suppressed, the strongest first."""

LIFTED_UNNAMED = ("bounce", "manual", "import")
"""What a lift lifts that names no reasons: never what the recipient said."""

ALL = "all"
"""The stream that stands for every one."""

KEPT = 16
"""Facts kept of each stream and reason, and named as evidence; as many as any bounce needs to suppress."""


class Fact(NamedTuple):
    """Something that speaks for a suppression. The first two order facts, the others copies of one."""

    at: int
    """When it happened, ms."""
    id: bytes
    """The event's id, 16 bytes."""
    recorded_at: int
    after: int = 1
    """How many such facts suppress."""
    bounce_class: str | None = None
    leaf: str | None = None
    by: str | None = None
    note: str | None = None
    ruleset: str | None = None
    """Of a bounce: which rules said so."""


class Lift(NamedTuple):
    """Something that speaks against it."""

    at: int
    id: bytes
    recorded_at: int
    resubscribed: bool
    """Whether the recipient said so."""
    by: str | None = None
    note: str | None = None


@dataclass(slots=True)
class StreamStanding:
    """What was said of one stream."""

    facts: dict[str, list[Fact]] = field(default_factory=dict)
    """By reason, the latest first."""
    lifts: dict[str, Lift] = field(default_factory=dict)
    """By reason, the latest."""
    revision: int = 0
    """How often what follows has changed."""


@dataclass(slots=True)
class Standing:
    """What was said of a recipient."""

    domain: str | None = None
    """Of the address."""
    streams: dict[str, StreamStanding] = field(default_factory=dict)

    def add(self, stream: str, reason: str, fact: Fact) -> bool:
        """Join a fact in; returns whether anything is otherwise for it."""
        own = self._of(stream)
        held = own.facts.get(reason)
        if held is None:
            own.facts[reason] = [fact]
            return True
        known = next((index for index, one in enumerate(held) if one.id == fact.id), None)
        if known is not None:
            if _copy_order(fact) <= _copy_order(held[known]):
                return False
            del held[known]
        elif len(held) == KEPT and _order(fact) < _order(held[-1]):
            return False
        held.append(fact)
        held.sort(key=_order, reverse=True)
        del held[KEPT:]
        return True

    def lift(self, stream: str, reasons: Sequence[str], lift: Lift) -> bool:
        """Join a lift in; returns whether anything is otherwise for it."""
        lifts = self._of(stream).lifts
        news = [
            reason
            for reason in reasons
            if reason not in lifts or _lift_order(lifts[reason]) < _lift_order(lift)
        ]
        lifts.update(dict.fromkeys(news, lift))
        return bool(news)

    def outcome(self, stream: str) -> "Outcome | None":
        """What follows for a stream; None when nothing that was said would suppress, and nothing ever followed."""
        own = self.streams.get(stream)
        if own is None:
            return None
        every = self.streams.get(ALL)
        everywhere = every.lifts if every is not None else {}
        if len(own.facts) == 1 and not own.lifts and not everywhere:
            ((reason, facts),) = own.facts.items()
            if _suffices(reason, facts):
                return _suppressed({reason: facts})
            return _withdrawn(facts) if own.revision else None
        standing: dict[str, list[Fact]] = {}
        lifted: dict[str, Lift] = {}
        for reason in REASONS:
            if not (facts := own.facts.get(reason, [])):
                continue
            lift = _later(own.lifts.get(reason), everywhere.get(reason))
            left = facts if lift is None else [fact for fact in facts if fact.at >= lift.at]
            if _suffices(reason, left):
                standing[reason] = left
            elif lift is not None and _suffices(reason, facts):
                lifted[reason] = lift
        if standing:
            return _suppressed(standing)
        if lifted:
            return _lifted(own, lifted)
        if own.revision:
            return _withdrawn(fact for facts in own.facts.values() for fact in facts)
        return None

    def _of(self, stream: str) -> StreamStanding:
        own = self.streams.get(stream)
        if own is None:
            own = self.streams[stream] = StreamStanding()
        return own


class Outcome(NamedTuple):
    """What follows from everything that was said of a recipient and a stream."""

    reasons: tuple[str, ...]
    """Why it is suppressed, the strongest first; none when it is lifted."""
    evidence: tuple[bytes, ...]
    """Ids of what led to it, the latest first."""
    since: int
    """When the first of these happened, ms."""
    occurred_at: int
    """When the latest of these happened, ms."""
    recorded_at: int
    """When the last of these was recorded, ms."""
    bounce_class: str | None = None
    leaf: str | None = None
    resubscribed: bool = False
    """Of a lift: whether the recipient said so."""
    by: str | None = None
    note: str | None = None

    @property
    def digest(self) -> str:
        """32 hex digits that are others when the outcome is another."""
        reasons, evidence, since, occurred_at, recorded_at, bounce_class, leaf, resubscribed, by, note = self
        times = f"{since}\x1f{occurred_at}\x1f{recorded_at}"
        words = f"{bounce_class}\x1f{leaf}\x1f{resubscribed}\x1f{by}\x1f{note}"
        said = f"{'+'.join(reasons)}\x1f{times}\x1f{words}\x1f".encode() + b"".join(evidence)
        return blake2b(said, digest_size=16).hexdigest()


def _order(told: Fact | Lift) -> tuple[int, bytes]:
    return told[:2]


def _copy_order(fact: Fact) -> tuple[object, ...]:
    """Which copy of a fact counts: the greatest.

    When it happened comes first, since by that facts are kept or dropped: else the copy that is kept would depend on
    whether the other had been dropped before it came. Evidence that a rebuild derives goes before what it took over.
    """
    at, told_by, recorded_at, after, *words, ruleset = fact
    return (
        at,
        told_by,
        *_text(ruleset),
        -recorded_at,
        -after,
        *(part for word in words for part in _text(word)),
    )


def _lift_order(lift: Lift) -> tuple[object, ...]:
    *times, by, note = lift
    return *times, *_text(by), *_text(note)


def _text(word: str | None) -> tuple[bool, str]:
    return word is not None, word or ""


def _later(one: Lift | None, other: Lift | None) -> Lift | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=_lift_order)


def bounces_suffice(asked: Iterable[int]) -> bool:
    """Whether bounces suppress, of each of which it is said how many it takes: there are so many as one of them asks for.

    A bounce that asks for more counts nothing towards one that asks for fewer.
    """
    return any(number >= after for number, after in enumerate(sorted(asked), 1))


def _suffices(reason: str, facts: Sequence[Fact]) -> bool:
    """Whether these facts suppress: one does, but of bounces so many as are asked for."""
    if reason != "bounce" or not facts:
        return bool(facts)
    if len(facts) == 1:
        return facts[0].after <= 1
    return bounces_suffice(fact.after for fact in facts)


def _suppressed(standing: dict[str, list[Fact]]) -> Outcome:
    if len(standing) == 1:
        ((reason, alone),) = standing.items()
        if len(alone) == 1:
            (fact,) = alone
            said = (fact.bounce_class, fact.leaf) if reason == "bounce" else (None, None)
            return Outcome(
                (reason,), (fact.id,), fact.at, fact.at, fact.recorded_at, *said, False, fact.by, fact.note
            )
    facts = sorted((fact for some in standing.values() for fact in some), key=_order, reverse=True)[:KEPT]
    (strongest, *_) = standing
    entered = standing[strongest][0]
    bounce = standing["bounce"][0] if "bounce" in standing else None
    return Outcome(
        tuple(standing),
        tuple(dict.fromkeys(fact.id for fact in facts)),
        min(fact.at for fact in facts),
        facts[0].at,
        max(fact.recorded_at for fact in facts),
        bounce.bounce_class if bounce else None,
        bounce.leaf if bounce else None,
        by=entered.by,
        note=entered.note,
    )


def _lifted(own: StreamStanding, lifted: dict[str, Lift]) -> Outcome:
    latest = max(lifted.values(), key=_lift_order)
    facts = [fact for reason in lifted for fact in own.facts[reason]]
    return Outcome(
        (),
        tuple(dict.fromkeys(lift.id for lift in sorted(lifted.values(), key=_lift_order, reverse=True))),
        min(lift.at for lift in lifted.values()),
        latest.at,
        max([*(fact.recorded_at for fact in facts), *(lift.recorded_at for lift in lifted.values())]),
        resubscribed=latest.resubscribed,
        by=latest.by,
        note=latest.note,
    )


def _withdrawn(facts: Iterable[Fact]) -> Outcome | None:
    """What followed once, of copies of these facts that said more, and does no longer."""
    left = sorted(facts, key=_order, reverse=True)[:KEPT]
    if not left:
        return None
    return Outcome(
        (),
        tuple(dict.fromkeys(fact.id for fact in left)),
        left[-1].at,
        left[0].at,
        max(fact.recorded_at for fact in left),
    )
