"""The stage behind evidence: what speaks for and against a suppression to who is suppressed.

What it emits depends on the order of the evidence, not on how it was batched: a record whenever what follows for a
recipient and a stream has changed. The last of them is what follows from all of the evidence, in whatever order that came.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import polars as pl

from processors.reputation.counting import dead_letters
from processors.stage import Emission, Flush, Slice, Tally
from processors.suppressions.chunks import Recipients, recipient_key
from processors.suppressions.following import Following, emissions
from processors.suppressions.standing import ALL, LIFTED_UNNAMED, REASONS, Fact, Lift, Standing
from schemas.columns import EFFECTIVE_TIME, INDEX, decode_frames
from schemas.record import UUID_PATTERN, is_canonical_uuid
from schemas.suppression import SuppressionEvidence

CLOCK = b"clock"
"""The state chunk with the highest time of record so far, in decimal, ms."""

_STREAMS = frozenset(("all", "transactional", "marketing", "cold", "other"))
_FACTS: Mapping[str, str] = {
    "bounce": "bounce",
    "complaint": "complaint",
    "unsubscribe": "unsubscribe",
    "manual": "manual",
    "import": "import",
}
"""The reason that each kind of evidence is, but an import whose list gives another."""
_KINDS = frozenset((*_FACTS, "resubscribe", "lift"))


class _Evidence(NamedTuple):
    """What a piece of evidence says."""

    tenant: str
    recipient_hash: str
    recipient_domain: str | None
    kind: str
    stream: str
    reasons: list[str]
    said: Fact
    """As a fact, which it is unless it speaks against a suppression."""


_READ = (
    "event_id", "tenant", "occurred_at", "recorded_at", "kind", "recipient_hash", "recipient_domain", "stream",
    "fact_event_id", "bounce_class", "leaf", "ruleset", "after", "by", "note", "reasons",
)  # fmt: skip
_NO_EVIDENCE = pl.DataFrame(
    schema={
        INDEX: pl.UInt32,
        **dict.fromkeys(_READ, pl.String),
        **dict.fromkeys(("occurred_at", "recorded_at", "after"), pl.Int64),
        "reasons": pl.List(pl.String),
    }
)
_AS_FACT = {
    # A clock that is wrong puts nothing into a future that no lift could reach.
    "at": EFFECTIVE_TIME,
    "id": pl.coalesce("fact_event_id", "event_id").str.replace_all("-", "", literal=True).str.decode("hex"),
    "after": pl.col("after").clip(1, 16),
}
_IS_EVIDENCE = (
    pl.col("kind").is_in(list(_KINDS))
    & pl.col("stream").is_in(list(_STREAMS))
    & (pl.col("fact_event_id").is_null() | pl.col("fact_event_id").str.contains(UUID_PATTERN))
    & (pl.col("reasons").list.set_difference(list(REASONS)).list.len() == 0)
)


class SuppressStage:
    """Reads `suppressions.evidence`; gives `suppressions` and dead letters."""

    name = "suppress"
    reads = "suppressions.evidence"

    def __init__(self) -> None:
        self._recipients = Recipients()
        self._clock = self._flushed_clock = 0
        self._emissions: list[Emission] = []
        self._tally = Tally()

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin from what earlier flushes left."""
        kept = dict(chunks)
        self._clock = self._flushed_clock = int(kept.pop(CLOCK, b"0"))
        self._recipients.restore(kept.items())

    def take(self, records: Slice) -> None:
        """Join each piece of evidence in, and emit what follows otherwise."""
        good, bad = _read(records)
        letters = self._letters(records, bad, good) if bad else []
        follows: list[Following] = []
        repeats = sum(not self._tell(evidence, follows) for evidence in _evidence(good))
        self._emissions += [*letters, *emissions(follows)]
        self._clock = max([self._clock, *good.get_column("recorded_at")])
        tally = self._tally
        self._tally = replace(
            tally,
            taken=tally.taken + len(records),
            repeats=tally.repeats + repeats,
            dead=tally.dead + len(letters),
        )

    def flush(self) -> Flush:
        """What follows, dead letters, and the chunks of the recipients of whom anything was said."""
        emissions, self._emissions = self._emissions, []
        chunks: dict[bytes, bytes | None] = dict(self._recipients.flush())
        if self._clock != self._flushed_clock:
            chunks[CLOCK] = b"%d" % self._clock
            self._flushed_clock = self._clock
        return Flush(emissions, chunks)

    def tally(self) -> Tally:
        """Counts since it was made; repeats are evidence that was known, or says nothing more."""
        return self._tally

    def _letters(self, records: Slice, bad: Sequence[tuple[int, str]], good: pl.DataFrame) -> list[Emission]:
        times = [self._clock, *_highest_so_far(self._clock, good.get_column("recorded_at"))]
        return dead_letters(records, bad, self.name, good.get_column(INDEX).to_list(), times)

    def _tell(self, evidence: _Evidence, follows: list[Following]) -> bool:
        """Join a piece of evidence in, and add what follows otherwise; returns whether it said anything new."""
        tenant, recipient_hash, told_domain, kind, stream, reasons, said = evidence
        key = recipient_key(tenant, recipient_hash)
        standing = self._recipients.standing(key)
        known_domain, speaks_for = standing.domain, kind in _FACTS
        domain = known_domain or told_domain or None
        if known_domain and told_domain and told_domain < known_domain:
            domain = told_domain
        about_all = domain != known_domain or (stream == ALL and not speaks_for)
        streams = sorted({*standing.streams, stream}) if about_all and standing.streams else [stream]
        before = [standing.outcome(name) for name in streams]
        if speaks_for:
            reason = reasons[0] if reasons and kind == "import" else _FACTS[kind]
            joined = standing.add(stream, reason, said)
        else:
            joined = _lift(standing, evidence)
        if not joined and domain == known_domain:
            return False
        standing.domain = domain
        self._recipients.changed(key)
        for name, was in zip(streams, before, strict=True):
            outcome = standing.outcome(name)
            if outcome is not None and (outcome != was or domain != known_domain):
                held = standing.streams[name]
                held.revision += 1
                follows.append(Following(tenant, recipient_hash, name, domain, outcome, held.revision))
        return True


def _read(records: Slice) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    """The evidence of a slice, in order, and what is none: its index, and why."""
    decoded = decode_frames(records.values, _READ)
    bad = list(decoded.bad)
    good = _NO_EVIDENCE
    for record, frame in decoded.frames.items():
        if record is SuppressionEvidence:
            good = frame
        else:
            reason = f"{record.__name__} does not belong in {records.topic}"
            bad += [(index, reason) for index in frame.get_column(INDEX)]
    sound = good.select(_IS_EVIDENCE.alias("sound")).to_series()
    if not sound.all():
        bad += [(row[INDEX], _wrong(row)) for row in good.filter(~sound).iter_rows(named=True)]
        good = good.filter(sound)
    return good, sorted(bad)


def _evidence(good: pl.DataFrame) -> Iterable[_Evidence]:
    columns = good.with_columns(**_AS_FACT).to_dict(as_series=False)
    facts = map(Fact._make, zip(*(columns[name] for name in Fact._fields), strict=True))
    told = (columns[name] for name in _Evidence._fields[:-1])
    return map(_Evidence._make, zip(*told, facts, strict=True))


def _wrong(evidence: Mapping[str, Any]) -> str:
    """Why a record that can be read is no evidence all the same."""
    kind, stream, fact = evidence["kind"], evidence["stream"], evidence["fact_event_id"]
    if kind not in _KINDS:
        return f"SuppressionEvidence.kind: {kind!r} is no kind of evidence"
    if stream not in _STREAMS:
        return f"SuppressionEvidence.stream: {stream!r} is no stream"
    if fact is not None and not is_canonical_uuid(fact):
        return f"SuppressionEvidence.fact_event_id: {fact!r} is no uuid"
    unknown = next(reason for reason in evidence["reasons"] if reason not in REASONS)
    return f"SuppressionEvidence.reasons: {unknown!r} is no reason"


def _lift(standing: Standing, evidence: _Evidence) -> bool:
    resubscribed, said = evidence.kind == "resubscribe", evidence.said
    reasons = ("unsubscribe",) if resubscribed else tuple(evidence.reasons) or LIFTED_UNNAMED
    lift = Lift(said.at, said.id, said.recorded_at, resubscribed, said.by, said.note)
    return standing.lift(evidence.stream, reasons, lift)


def _highest_so_far(highest: int, times: Iterable[int]) -> Iterator[int]:
    for time in times:
        highest = max(highest, time)
        yield highest
