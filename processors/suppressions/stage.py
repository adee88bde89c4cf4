"""The stage behind evidence: what speaks for and against a suppression to who is suppressed.

What it emits depends on the order of the evidence, not on how it was batched: a record whenever what follows for a
recipient and a stream has changed. The last of them is what follows from all of the evidence, in whatever order that came.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from processors.reputation.counting import dead_letters
from processors.stage import Emission, Flush, Slice, Tally
from processors.suppressions.chunks import Recipients, place_of
from processors.suppressions.standing import ALL, LIFTED_UNNAMED, REASONS, Fact, Lift, Outcome, Standing
from schemas.codec import encode_rows
from schemas.columns import INDEX, decode_frames
from schemas.record import CLOCK_TOLERANCE_MS, Event, is_canonical_uuid
from schemas.suppression import RecipientSuppressed, SuppressionEvidence, SuppressionLifted

TOPIC = "suppressions"
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


class SuppressStage:
    """Reads `suppressions.evidence`; gives `suppressions` and dead letters."""

    name = "suppress"
    reads = "suppressions.evidence"

    def __init__(self) -> None:
        self._recipients = Recipients()
        self._clock = self._flushed_clock = 0
        self._emissions: list[Emission] = []
        self._follows: list[tuple[type[Event], dict[str, Any]]] = []
        """What follows from the evidence that is being taken, in order."""
        self._tally = Tally()

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin from what earlier flushes left."""
        kept = dict(chunks)
        self._clock = self._flushed_clock = int(kept.pop(CLOCK, b"0"))
        self._recipients.restore(kept.items())

    def take(self, records: Slice) -> None:
        """Join each piece of evidence in, and emit what follows otherwise."""
        decoded = decode_frames(records.values)
        bad = list(decoded.bad)
        rows: list[dict[str, Any]] = []
        for record, frame in decoded.frames.items():
            if record is SuppressionEvidence:
                rows = frame.to_dicts()
            else:
                reason = f"{record.__name__} does not belong in {records.topic}"
                bad += [(index, reason) for index in frame.get_column(INDEX)]
        wrong = {row[INDEX]: why for row in rows if (why := _wrong(row))}
        good = [row for row in rows if row[INDEX] not in wrong] if wrong else rows
        times = [self._clock, *_highest_so_far(self._clock, (row["recorded_at"] for row in good))]
        letters = dead_letters(
            records, sorted([*bad, *wrong.items()]), self.name, [row[INDEX] for row in good], times
        )
        repeats = sum(not self._tell(row) for row in good)
        self._emissions += [*letters, *self._encoded()]
        self._clock = times[-1]
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

    def _encoded(self) -> Iterator[Emission]:
        """What follows as it is emitted: records of a type are encoded together, which is faster."""
        told, self._follows = self._follows, []
        values: dict[type[Event], Iterator[bytes]] = {
            record: iter(encode_rows(record, (fields for kind, fields in told if kind is record)))
            for record in (RecipientSuppressed, SuppressionLifted)
        }
        for record, fields in told:
            key = f"{fields['tenant']}/{fields['recipient_hash']}/{fields['stream']}"
            yield Emission(TOPIC, key.encode(), next(values[record]), fields["recorded_at"])

    def _tell(self, evidence: Mapping[str, Any]) -> bool:
        """Join a piece of evidence in; returns whether it said anything new."""
        tenant, recipient_hash = evidence["tenant"], evidence["recipient_hash"]
        place = place_of(tenant, recipient_hash)
        standing = self._recipients.standing(place)
        stream, speaks_for = evidence["stream"], evidence["kind"] in _FACTS
        domain = min(filter(None, (standing.domain, evidence["recipient_domain"])), default=None)
        about_all = domain != standing.domain or (stream == ALL and not speaks_for)
        streams = sorted({*standing.streams, stream}) if about_all else [stream]
        before = {name: (standing.domain, standing.outcome(name)) for name in streams}
        joined = _add(standing, evidence) if speaks_for else _lift(standing, evidence)
        if not joined and domain == standing.domain:
            return False
        standing.domain = domain
        self._recipients.changed(place)
        for name in streams:
            outcome = standing.outcome(name)
            if outcome is not None and (domain, outcome) != before[name]:
                held = standing.streams[name]
                held.revision += 1
                self._follows.append(_follows(tenant, recipient_hash, name, domain, outcome, held.revision))
        return True


def _wrong(evidence: Mapping[str, Any]) -> str | None:
    """Why a record that can be read is no evidence all the same; None when it is."""
    kind, stream, fact = evidence["kind"], evidence["stream"], evidence["fact_event_id"]
    if kind not in _FACTS and kind not in ("resubscribe", "lift"):
        return f"SuppressionEvidence.kind: {kind!r} is no kind of evidence"
    if stream not in _STREAMS:
        return f"SuppressionEvidence.stream: {stream!r} is no stream"
    if fact is not None and not is_canonical_uuid(fact):
        return f"SuppressionEvidence.fact_event_id: {fact!r} is no uuid"
    unknown = [reason for reason in evidence["reasons"] if reason not in REASONS]
    return f"SuppressionEvidence.reasons: {unknown[0]!r} is no reason" if unknown else None


def _add(standing: Standing, evidence: Mapping[str, Any]) -> bool:
    given = evidence["reasons"] if evidence["kind"] == "import" else ()
    fact = Fact(
        _effective(evidence),
        _fact_id(evidence),
        evidence["recorded_at"],
        max(1, min(evidence["after"], 16)),
        evidence["bounce_class"],
        evidence["leaf"],
        evidence["by"],
        evidence["note"],
    )
    return standing.add(evidence["stream"], given[0] if given else _FACTS[evidence["kind"]], fact)


def _lift(standing: Standing, evidence: Mapping[str, Any]) -> bool:
    resubscribed = evidence["kind"] == "resubscribe"
    reasons = ("unsubscribe",) if resubscribed else tuple(evidence["reasons"]) or LIFTED_UNNAMED
    lift = Lift(
        _effective(evidence),
        _fact_id(evidence),
        evidence["recorded_at"],
        resubscribed,
        evidence["by"],
        evidence["note"],
    )
    return standing.lift(evidence["stream"], reasons, lift)


def _effective(evidence: Mapping[str, Any]) -> int:
    """When it happened: a clock that is wrong puts nothing into a future that no lift could reach."""
    return int(min(evidence["occurred_at"], evidence["recorded_at"] + CLOCK_TOLERANCE_MS))


def _fact_id(evidence: Mapping[str, Any]) -> bytes:
    return bytes.fromhex((evidence["fact_event_id"] or evidence["event_id"]).replace("-", ""))


def _highest_so_far(highest: int, times: Iterable[int]) -> Iterator[int]:
    for time in times:
        highest = max(highest, time)
        yield highest


def _follows(
    tenant: str, recipient_hash: str, stream: str, domain: str | None, outcome: Outcome, revision: int
) -> tuple[type[Event], dict[str, Any]]:
    record: type[Event] = RecipientSuppressed if outcome.reasons else SuppressionLifted
    key = f"{recipient_hash}/{stream}/{outcome.digest}"
    fields: dict[str, Any] = {
        "event_id": record.id_of(tenant, key),
        "tenant": tenant,
        "occurred_at": outcome.occurred_at,
        "recorded_at": outcome.recorded_at,
        "source": "mailwake",
        "channel": None,
        "source_event_id": key,
        "recipient_hash": recipient_hash,
        "recipient_domain": domain,
        "stream": stream,
        "by": outcome.by,
        "note": outcome.note,
        "evidence": [_uuid(one) for one in outcome.evidence],
        "revision": revision,
    }
    if outcome.reasons:
        fields |= {
            "reason": outcome.reasons[0],
            "reasons": list(outcome.reasons),
            "bounce_class": outcome.bounce_class,
            "leaf": outcome.leaf,
            "since": outcome.since,
        }
    else:
        fields["reason"] = "resubscribed" if outcome.resubscribed else "lifted"
    return record, fields


def _uuid(raw: bytes) -> str:
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
