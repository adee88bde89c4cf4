"""The stage behind mail events: what each failure means, and what speaks for and against suppressing its recipient.

Of a batch only what fails or speaks is decoded, and of that each distinct reply is judged once. What can't be read is
passed over: the stage that counts the same events tells of it, so that there is one dead letter of each such record.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from processors.classification.classify import Reply, Ruleset, Verdict, active_ruleset, classify
from processors.classification.providers import provider_of
from processors.stage import Emission, Flush, Slice, Tally
from processors.suppressions import evidence
from schemas.catalog import UnknownSchema, version
from schemas.classification import BounceClassified
from schemas.codec import HEADER, Undecodable, encode_rows, schema_id_of
from schemas.columns import INDEX, decode_frames
from schemas.mail import MessageBounced, MessageDeferred, MessageExpired
from schemas.record import Event
from schemas.suppression import SuppressionEvidence

TOPIC = "mail.classified"

KINDS: Mapping[type[Event], str] = {
    MessageBounced: "bounced",
    MessageDeferred: "deferred",
    MessageExpired: "expired",
}
"""What is classified, and each one's word in `classified_kind`."""

EXPIRED = Verdict("transient", "expired", False, 1, True, "message", "none", "expired", "event")
"""What the end of all attempts means: nobody said anything, and nobody tries again."""

_REPLY = ("_kind", "smtp_code", "enhanced_code", "response", "mx_host", "provider")
"""What a verdict depends on."""

_COLUMNS = (
    "event_id", "tenant", "occurred_at", "recorded_at", "message_id", "provider_message_id", "recipient_hash",
    "recipient_domain", "mx_host", "provider", "from_domain", "ip", "stream", "campaign", "smtp_code", "enhanced_code",
    "response", "feedback_type",
)  # fmt: skip

_OF_THE_EVENT = (
    "tenant", "occurred_at", "recorded_at", "message_id", "provider_message_id", "recipient_hash", "recipient_domain",
    "mx_host", "provider", "from_domain", "ip", "stream", "campaign",
)  # fmt: skip


class ClassifyStage:
    """Reads `mail.events`; gives `mail.classified` and `suppressions.evidence`."""

    name = "classify"
    reads = "mail.events"

    def __init__(self, ruleset: Ruleset | None = None) -> None:
        """Judge by a ruleset; the newest unless given."""
        self._ruleset = ruleset or active_ruleset()
        self._emissions: list[Emission] = []
        self._tally = Tally()

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """It has no state."""

    def take(self, records: Slice) -> None:
        """Classify what failed, and find what speaks."""
        wanted = _of_interest(records.values)
        if wanted is not None:
            decoded = decode_frames(wanted, _COLUMNS)
            found = judged(_failures(decoded.frames), self._ruleset)
            rows: list[tuple[type[Event], dict[str, Any]]] = [
                *(
                    (BounceClassified, _classified(row, verdict, self._ruleset.name))
                    for row, verdict in found
                ),
                *_speaking(decoded.frames),
            ]
            self._emit(sorted(rows, key=lambda row: row[1][INDEX]))
        self._tally = Tally(self._tally.taken + len(records))

    def flush(self) -> Flush:
        """What was found since the last flush."""
        emissions, self._emissions = self._emissions, []
        return Flush(emissions)

    def tally(self) -> Tally:
        """Counts since it was made."""
        return self._tally

    def _emit(self, rows: Sequence[tuple[type[Event], dict[str, Any]]]) -> None:
        """Classifications and evidence, in the order of their events: encoded together, which is faster."""
        classified: list[dict[str, Any]] = []
        found: list[dict[str, Any]] = []
        for record, row in rows:
            if record is BounceClassified:
                classified.append(row)
                if row["classified_kind"] == "bounced" and row["address_fatal"]:
                    found += evidence.of_fatal_bounce(row | {"event_id": row["classified_event_id"]})
            else:
                found += evidence.of_event(record, row)
        self._emissions += (
            Emission(TOPIC, key_of(row), value, row["recorded_at"])
            for row, value in zip(classified, encode_rows(BounceClassified, classified), strict=True)
        )
        self._emissions += (
            Emission(evidence.TOPIC, evidence.key(row), value, row["recorded_at"])
            for row, value in zip(found, encode_rows(SuppressionEvidence, found), strict=True)
        )


def failures(values: Sequence[bytes | None]) -> pl.DataFrame:
    """The failures among these records, whatever else there is: what `judged` takes.

    A provider that the event does not tell is that of its MX, or of the recipient's domain.
    """
    wanted = _of_interest(values)
    return _failures({} if wanted is None else decode_frames(wanted, _COLUMNS).frames)


def judged(failed: pl.DataFrame, ruleset: Ruleset) -> Iterator[tuple[dict[str, Any], Verdict]]:
    """Each failure, as the fields of its event, and what it means; each distinct reply is judged once."""
    distinct = failed.select(_REPLY).unique(maintain_order=True)
    verdicts = {row: _verdict(row, ruleset) for row in distinct.iter_rows()}
    at = [failed.columns.index(name) for name in _REPLY]
    names = failed.columns
    for values in failed.iter_rows():
        yield dict(zip(names, values, strict=True)), verdicts[tuple(values[i] for i in at)]


def key_of(classified: Mapping[str, Any]) -> bytes:
    """The key it goes to its topic under: that of the event that it is about."""
    of_message = classified["from_domain"] or classified["message_id"] or classified["provider_message_id"]
    return f"{classified['tenant']}/{of_message or classified['classified_event_id']}".encode()


def _failures(frames: Mapping[type[Event], pl.DataFrame]) -> pl.DataFrame:
    parts = [
        _whole(frame).with_columns(pl.lit(kind).alias("_kind"))
        for record, kind in KINDS.items()
        if (frame := frames.get(record)) is not None
    ]
    return (
        _with_provider(pl.concat(parts)) if parts else pl.DataFrame(schema=dict.fromkeys(_REPLY, pl.String))
    )


def _classified(row: Mapping[str, Any], verdict: Verdict, ruleset: str) -> dict[str, Any]:
    key = BounceClassified.key_of(row["event_id"], ruleset)
    return {
        INDEX: row[INDEX],
        **{name: row[name] for name in _OF_THE_EVENT},
        "event_id": BounceClassified.id_of(row["tenant"], key),
        "source": "mailwake",
        "source_event_id": key,
        "classified_event_id": row["event_id"],
        "classified_kind": row["_kind"],
        "ruleset": ruleset,
        "bounce_class": verdict.bounce_class,
        "leaf": verdict.leaf,
        "address_fatal": verdict.address_fatal,
        "after": verdict.after,
        "message_fatal": verdict.message_fatal,
        "scope": verdict.scope,
        "action": verdict.action,
        "rule": verdict.rule,
    }


def _verdict(reply: tuple[Any, ...], ruleset: Ruleset) -> Verdict:
    kind, smtp_code, enhanced_code, response, mx_host, provider = reply
    if kind == "expired":
        return EXPIRED
    told = Reply(response, smtp_code, enhanced_code, mx_host, provider, is_temporary=kind == "deferred")
    return classify(told, ruleset)


def _speaking(
    frames: Mapping[type[Event], pl.DataFrame],
) -> Iterator[tuple[type[Event], dict[str, Any]]]:
    for record in evidence.SPEAKING:
        if record in frames:
            yield from ((record, row) for row in _with_provider(_whole(frames[record])).iter_rows(named=True))


def _whole(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with every column there is, null where its record type has none."""
    missing = [
        pl.lit(None, pl.Int64 if name == "smtp_code" else pl.String).alias(name)
        for name in _COLUMNS
        if name not in frame.columns
    ]
    return frame.with_columns(missing).select(INDEX, *_COLUMNS)


def _with_provider(frame: pl.DataFrame) -> pl.DataFrame:
    """The mailbox provider by MX or domain where the event says `other`."""
    where = ["mx_host", "recipient_domain"]
    unknown = frame.filter(provider="other").select(where).unique()
    known = {place: provider_of(*place) for place in unknown.iter_rows()}
    found = pl.DataFrame(
        [(*place, provider) for place, provider in known.items() if provider != "other"],
        schema={"mx_host": pl.String, "recipient_domain": pl.String, "_found": pl.String},
        orient="row",
    )
    if not found.height:
        return frame
    by_place = frame.join(found, on=where, how="left", nulls_equal=True, maintain_order="left")
    told = (
        pl.when(pl.col("provider") == "other").then(pl.coalesce("_found", "provider")).otherwise("provider")
    )
    return by_place.with_columns(told.alias("provider")).drop("_found")


def _of_interest(values: Sequence[bytes | None]) -> list[bytes | None] | None:
    """The values with all others left out as tombstones are; None when there are none of interest."""
    heads = [b"" if value is None else value[:HEADER] for value in values]
    wanted = {head for head in set(heads) if _record(head) in _READ}
    if not wanted:
        return None
    return [value if head in wanted else None for value, head in zip(values, heads, strict=True)]


_READ = frozenset((*KINDS, *evidence.SPEAKING))


def _record(head: bytes) -> type[Event] | None:
    try:
        return version(schema_id_of(head)).record
    except (Undecodable, UnknownSchema):
        return None
