"""The stage behind mail events: what each failure means, and what speaks for and against suppressing its recipient.

Of a batch only what fails or speaks is decoded, and of that each distinct reply is judged once. What can't be read is
passed over: the stage that counts the same events tells of it, so that there is one dead letter of each such record.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

import polars as pl

from processors.classification.classify import Reply, Ruleset, Verdict, active_ruleset, classify
from processors.classification.providers import provider_of
from processors.stage import Emission, Flush, Slice, Tally
from processors.suppressions import evidence
from schemas.catalog import UnknownSchema, version
from schemas.classification import BounceClassified
from schemas.codec import HEADER, Undecodable, schema_id_of
from schemas.columns import INDEX, decode_frames
from schemas.framing import framed_rows
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
    "response", "feedback_type", "listed_for", "source",
)  # fmt: skip

_SAID: Mapping[str, type[pl.DataType]] = {
    "bounce_class": pl.String,
    "leaf": pl.String,
    "address_fatal": pl.Boolean,
    "after": pl.Int64,
    "message_fatal": pl.Boolean,
    "scope": pl.String,
    "action": pl.String,
    "rule": pl.String,
}
"""What is taken of a verdict."""

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
            frames = decode_frames(wanted, _COLUMNS).frames
            classified = _classified(_failures(frames), self._ruleset)
            speaking = (record for record in evidence.SPEAKING if record in frames)
            told = {record: _with_provider(_whole(frames[record])) for record in speaking}
            found = [evidence.of_fatal_bounces(classified), *evidence.of_events(told)]
            self._emissions += _emissions(TOPIC, BounceClassified, classified, KEY)
            self._emissions += _emissions(
                evidence.TOPIC,
                SuppressionEvidence,
                pl.concat(found, how="diagonal").sort(INDEX, maintain_order=True),
                evidence.KEY,
            )
        self._tally = Tally(self._tally.taken + len(records))

    def flush(self) -> Flush:
        """What was found since the last flush."""
        emissions, self._emissions = self._emissions, []
        return Flush(emissions)

    def tally(self) -> Tally:
        """Counts since it was made."""
        return self._tally


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


def verdict_on(event: MessageBounced | MessageDeferred | MessageExpired, ruleset: Ruleset) -> Verdict:
    """What one failure means."""
    if isinstance(event, MessageExpired):
        return EXPIRED
    known = event.provider != "other"
    provider = event.provider if known else provider_of(event.mx_host, event.recipient_domain)
    answer = (event.smtp_code, event.enhanced_code, event.response, event.mx_host, provider)
    return _verdict((KINDS[type(event)], *answer), ruleset)


KEY = pl.concat_str(
    "tenant",
    pl.lit("/"),
    pl.coalesce(
        *(
            pl.when(pl.col(name) != "").then(name)
            for name in ("from_domain", "message_id", "provider_message_id", "classified_event_id")
        )
    ),
)
"""The key that a classification goes to its topic under: that of the event that it is about."""


def _emissions(topic: str, record: type[Event], rows: pl.DataFrame, key: pl.Expr) -> Iterator[Emission]:
    """A record of each row, in the order of their events."""
    if not rows.height:
        return iter(())
    keys = rows.select(key.cast(pl.Binary)).to_series().to_list()
    values = framed_rows(record, rows.drop(INDEX)).to_list()
    return map(Emission, repeat(topic), keys, values, rows.get_column("recorded_at").to_list())


def _failures(frames: Mapping[type[Event], pl.DataFrame]) -> pl.DataFrame:
    parts = [
        _whole(frame).with_columns(pl.lit(kind).alias("_kind"))
        for record, kind in KINDS.items()
        if (frame := frames.get(record)) is not None
    ]
    return _with_provider(pl.concat(parts)) if parts else _NO_FAILURES


def _classified(failed: pl.DataFrame, ruleset: Ruleset) -> pl.DataFrame:
    """The fields of a BounceClassified for each failure, and `_index`, in the order of the events."""
    distinct = failed.select(_REPLY).unique(maintain_order=True)
    means = [_verdict(row, ruleset) for row in distinct.iter_rows()]
    said = [pl.Series(name, [getattr(one, name) for one in means], kind) for name, kind in _SAID.items()]
    judged_rows = failed.join(
        distinct.with_columns(said), on=_REPLY, how="left", nulls_equal=True, maintain_order="left"
    ).sort(INDEX)
    events, tenants = (judged_rows.get_column(name).to_list() for name in ("event_id", "tenant"))
    keys = [BounceClassified.key_of(event, ruleset.name) for event in events]
    ids = [BounceClassified.id_of(tenant, key) for tenant, key in zip(tenants, keys, strict=True)]
    return judged_rows.select(
        INDEX,
        *_OF_THE_EVENT,
        *_SAID,
        pl.Series("event_id", ids, pl.String),
        pl.Series("source_event_id", keys, pl.String),
        pl.col("event_id").alias("classified_event_id"),
        pl.col("_kind").alias("classified_kind"),
        pl.lit("mailwake").alias("source"),
        pl.lit(ruleset.name).alias("ruleset"),
    )


_NO_FAILURES = pl.DataFrame(
    schema={
        INDEX: pl.UInt32,
        **dict.fromkeys(_COLUMNS, pl.String),
        "occurred_at": pl.Int64,
        "recorded_at": pl.Int64,
        "smtp_code": pl.Int64,
        "_kind": pl.String,
    }
)


def _verdict(reply: tuple[Any, ...], ruleset: Ruleset) -> Verdict:
    kind, smtp_code, enhanced_code, response, mx_host, provider = reply
    if kind == "expired":
        return EXPIRED
    told = Reply(response, smtp_code, enhanced_code, mx_host, provider, is_temporary=kind == "deferred")
    return classify(told, ruleset)


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
