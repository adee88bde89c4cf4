"""What mail events say for or against a suppression, a column at a time: the fields of `SuppressionEvidence`.

An event that names no recipient says nothing: a feedback loop that redacts it leaves nobody to suppress.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from processors.suppressions.scopes import COMPLAINT, EVERY_STREAM, UNSUBSCRIBED
from schemas.columns import INDEX
from schemas.mail import (
    NO_COMPLAINT,
    ComplaintReceived,
    MessageDropped,
    RecipientResubscribed,
    RecipientUnsubscribed,
)
from schemas.record import Event
from schemas.suppression import SuppressionEvidence

TOPIC = "suppressions.evidence"

OPT_OUT = "opt-out"
"""The feedback type that is an unsubscription (drafts of ARF before RFC 5965, and still sent)."""

SPEAKING: tuple[type[Event], ...] = (
    ComplaintReceived,
    RecipientUnsubscribed,
    RecipientResubscribed,
    MessageDropped,
)
"""Events that say it by themselves; a bounce does by what it means."""

_FROM_THE_EVENT = (
    "tenant",
    "occurred_at",
    "recorded_at",
    "recipient_hash",
    "recipient_domain",
    "provider",
    "from_domain",
)
_OF_A_BOUNCE = ("bounce_class", "leaf", "ruleset", "after")


def of_fatal_bounces(classified: pl.DataFrame) -> pl.DataFrame:
    """Evidence from bounces as they are classified: the address takes no mail of any kind. In their order."""
    fatal = classified.filter(pl.col("address_fatal") & (pl.col("classified_kind") == "bounced"))
    said = fatal.with_columns(
        pl.lit("bounce").alias("kind"), pl.col("classified_event_id").alias("fact_event_id")
    )
    return _evidence(said, {"bounce": {"other": EVERY_STREAM}}, _OF_A_BOUNCE)


def of_events(frames: Mapping[type[Event], pl.DataFrame]) -> Sequence[pl.DataFrame]:
    """Evidence from events of the types in SPEAKING, whose frames have all columns of any of them. By type."""
    feedback = pl.col("feedback_type").str.to_lowercase()
    kinds: Mapping[type[Event], pl.Expr] = {
        ComplaintReceived: pl.when(feedback == OPT_OUT)
        .then(pl.lit("unsubscribe"))
        .when(~feedback.is_in(NO_COMPLAINT))
        .then(pl.lit("complaint")),
        RecipientUnsubscribed: pl.lit("unsubscribe"),
        RecipientResubscribed: pl.lit("resubscribe"),
        # A provider's list holds the address: what put it there may have happened before there was this log.
        MessageDropped: pl.col("listed_for"),
    }
    scopes = {
        "bounce": dict.fromkeys(COMPLAINT, EVERY_STREAM),
        "complaint": COMPLAINT,
        "unsubscribe": UNSUBSCRIBED,
        "resubscribe": UNSUBSCRIBED,
    }
    return [
        _evidence(
            frames[record].with_columns(
                kind.alias("kind"),
                pl.col("event_id").alias("fact_event_id"),
                pl.lit(1, pl.Int64).alias("after"),
                # It is the provider's word, and shown as such.
                (pl.col("source") if record is MessageDropped else pl.lit(None, pl.String)).alias("by"),
            ),
            scopes,
            ("after", "by"),
        )
        for record, kind in kinds.items()
        if record in frames
    ]


def _evidence(
    said: pl.DataFrame, scopes: Mapping[str, Mapping[str, tuple[str, ...]]], more: tuple[str, ...] = ()
) -> pl.DataFrame:
    """A row for each event and stream that it closes; `scopes` are the streams by kind and the event's stream.

    A stream that nobody knows is as good as untold.
    """
    closes = pl.DataFrame(
        [
            (kind, stream, list(closed))
            for kind, streams in scopes.items()
            for stream, closed in streams.items()
        ],
        schema={"kind": pl.String, "_told": pl.String, "_closes": pl.List(pl.String)},
        orient="row",
    )
    known = closes.get_column("_told").unique().to_list()
    told = pl.when(pl.col("stream").is_in(known)).then("stream").otherwise(pl.lit("other")).alias("_told")
    named = said.filter(pl.col("recipient_hash").is_not_null() & pl.col("kind").is_not_null()).with_columns(
        told
    )
    rows = named.join(closes, on=["kind", "_told"], how="inner", maintain_order="left").explode("_closes")
    keys = rows.select(pl.concat_str("fact_event_id", "kind", "_closes", separator="/")).to_series()
    tenants = rows.get_column("tenant").to_list()
    ids = [
        SuppressionEvidence.id_of(tenant, key) for tenant, key in zip(tenants, keys.to_list(), strict=True)
    ]
    return rows.select(
        INDEX,
        pl.Series("event_id", ids, pl.String),
        *_FROM_THE_EVENT,
        pl.lit("mailwake").alias("source"),
        keys.alias("source_event_id"),
        "kind",
        pl.col("_closes").alias("stream"),
        "fact_event_id",
        *more,
    )


KEY = pl.concat_str("tenant", pl.lit("/"), "recipient_hash")
"""The key that evidence goes to its topic under: all of a recipient's in one partition."""
