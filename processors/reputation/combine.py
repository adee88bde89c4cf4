"""Events to counts: the first phase of the aggregation, a batch at a time.

What comes of a batch is a frame of deltas: how much each (tenant, identity kind, identity, provider, minute)
gains. Deltas are commutative monoids under `add`, with the frame of no rows as zero: however events are split
over batches and in whatever order, the sum is the same integers.
"""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from processors.reputation.grains import MINUTE_MS
from schemas import mail
from schemas.columns import EFFECTIVE_TIME
from schemas.record import Event
from schemas.reputation import COUNTS, IDENTITY_KINDS

KEYS = ("tenant", "kind", "identity", "provider", "minute")
"""What deltas are counted by: strings, and the start of the minute in ms."""

IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "domain": ("from_domain",),
    "dkim": ("dkim_domain",),
    "ip": ("ip",),
    "stream": ("from_domain", "stream"),
    "campaign": ("from_domain", "campaign"),
    "pool": ("pool",),
    "return_path": ("mail_from_domain",),
    "selector": ("dkim_domain", "dkim_selector"),
    "tenant": ("tenant",),
}
"""The fields that make an identity of each kind, joined by `/`; one that is null makes none."""

_MOST = 1_000_000_000
_ONE = pl.len()

_COUNTED: Mapping[type[Event], Mapping[str, pl.Expr]] = {
    mail.MessageSent: {"sent": _ONE},
    mail.MessageDelivered: {"delivered": _ONE},
    mail.MessageDeferred: {"deferred": _ONE},
    mail.MessageBounced: {"bounced": _ONE, "bounced_async": pl.col("is_async").sum()},
    mail.MessageDropped: {"dropped": _ONE},
    mail.MessageExpired: {"expired": _ONE},
    mail.ComplaintReceived: {
        "complained": pl.when(pl.col("feedback_type").is_in(mail.NO_COMPLAINT))
        .then(0)
        .otherwise(pl.col("incidents").clip(1, _MOST))
        .sum()
    },
    mail.MessageOpened: {"opened": _ONE, "opened_by_machine": pl.col("is_machine").sum()},
    mail.LinkClicked: {"clicked": _ONE, "clicked_by_machine": pl.col("is_machine").sum()},
    mail.RecipientUnsubscribed: {"unsubscribed": _ONE},
    mail.RecipientResubscribed: {"resubscribed": _ONE},
    mail.AutoReplyReceived: {"auto_replied": _ONE},
}


def columns_needed(kinds: Iterable[str] = IDENTITY_KINDS) -> frozenset[str]:
    """The fields of mail events that `combine` looks at. Raises ValueError for an unknown kind."""
    return frozenset(
        {
            "tenant",
            "provider",
            "occurred_at",
            "recorded_at",
            "is_async",
            "is_machine",
            "feedback_type",
            "incidents",
        }
    ).union(*(_identity(kind) for kind in kinds))


def combine(
    frames: Mapping[type[Event], pl.DataFrame], kinds: Sequence[str] = IDENTITY_KINDS
) -> pl.DataFrame:
    """The deltas of a batch: columns KEYS, and those of COUNTS (Int64) that are not 0 throughout.

    The same batch gives them in the same order.
    `frames` are as `decode_frames` makes them, by record type; types that are not mail events are passed over.
    Raises ValueError for an unknown kind.
    """
    fields = sorted({"tenant", "provider"}.union(*(_identity(kind) for kind in kinds)))
    counted = [
        frame.group_by(
            *fields, (EFFECTIVE_TIME // MINUTE_MS * MINUTE_MS).alias("minute"), maintain_order=True
        ).agg(count.cast(pl.Int64).alias(name) for name, count in _COUNTED[record].items())
        for record, frame in frames.items()
        if record in _COUNTED
    ]
    if not counted:
        return zero()
    routes = pl.concat(counted, how="diagonal")
    counts = [name for name in COUNTS if name in routes.columns]
    return _by_identity(_without_zeros(routes.with_columns(pl.col(counts).fill_null(0)), counts), kinds)


def zero() -> pl.DataFrame:
    """No deltas."""
    return pl.DataFrame(schema={name: pl.Int64 if name == "minute" else pl.String for name in KEYS})


def add(deltas: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The sum of deltas, each of which has one row for a key, in the order in which keys come first."""
    several = list(deltas)
    whole = pl.concat([zero(), *several], how="diagonal")
    counts = [name for name in COUNTS if name in whole.columns]
    if len(several) == 1:
        return whole.select(*KEYS, *counts)
    return whole.group_by(KEYS, maintain_order=True).agg(pl.col(counts).sum())


def _by_identity(routes: pl.DataFrame, kinds: Sequence[str]) -> pl.DataFrame:
    counts = [name for name in COUNTS if name in routes.columns]
    if not counts:
        return zero()
    return pl.concat(
        routes.group_by(
            "tenant",
            pl.concat_str(IDENTITIES[kind], separator="/").alias("identity"),
            "provider",
            "minute",
            maintain_order=True,
        )
        .agg(pl.col(counts).sum())
        .filter(pl.col("identity").is_not_null())
        .select("tenant", pl.lit(kind).alias("kind"), "identity", "provider", "minute", *counts)
        for kind in kinds
    )


def _without_zeros(routes: pl.DataFrame, counts: Sequence[str]) -> pl.DataFrame:
    """Without the counts that are 0 in all rows, and the rows that are 0 in all counts."""
    highest = routes.select(pl.col(counts).max()).row(0, named=True)
    kept = [name for name in counts if highest[name]]
    if not kept:
        return routes.drop(counts)
    return routes.drop(name for name in counts if name not in kept).filter(
        pl.any_horizontal(pl.col(name) != 0 for name in kept)
    )


def _identity(kind: str) -> tuple[str, ...]:
    try:
        return IDENTITIES[kind]
    except KeyError:
        raise ValueError(f"identity kind: got {kind!r}, wants one of {', '.join(IDENTITIES)}") from None
