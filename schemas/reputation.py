"""Reputation: counts on their way to the fold, the buckets it emits, and the scores drawn from them.

Deltas and buckets are packed: one record holds an array of rows, in columns on both ends. All fields of a row
are nullable because that is what a data frame writes; a count that is null is 0.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.record import Count, Event, FlatRecord, Long, Word

IDENTITY_KINDS = ("domain", "dkim", "ip", "stream", "campaign")
"""What is counted by default: From domain, d=, sending address, domain/stream, domain/campaign."""

COUNTS = (
    "sent", "delivered", "deferred", "bounced", "bounced_async", "dropped", "expired", "complained", "opened",
    "opened_by_machine", "clicked", "clicked_by_machine", "unsubscribed", "resubscribed", "auto_replied",
)  # fmt: skip
"""Every count of a bucket, each an integer: how many such events lie in it."""


class Counted(FlatRecord):
    """The counts of one identity at one mailbox provider in some span of event time."""

    tenant: str | None = None
    """Whose identity."""
    kind: str | None = None
    """domain, dkim, ip, stream, campaign."""
    identity: str | None = None
    """The identity itself: example.com, 192.0.2.1, example.com/marketing."""
    provider: str | None = None
    """The mailbox provider."""
    sent: Long | None = None
    """MessageSent."""
    delivered: Long | None = None
    """MessageDelivered."""
    deferred: Long | None = None
    """MessageDeferred: attempts, not messages."""
    bounced: Long | None = None
    """MessageBounced, in the session or later."""
    bounced_async: Long | None = None
    """Those of them told by a DSN."""
    dropped: Long | None = None
    """MessageDropped."""
    expired: Long | None = None
    """MessageExpired."""
    complained: Long | None = None
    """ComplaintReceived, by incidents; reports of types not-spam, auth-failure and virus do not count."""
    opened: Long | None = None
    """MessageOpened, machines included."""
    opened_by_machine: Long | None = None
    """Those of them known to be machines."""
    clicked: Long | None = None
    """LinkClicked, machines included."""
    clicked_by_machine: Long | None = None
    """Those of them known to be machines."""
    unsubscribed: Long | None = None
    """RecipientUnsubscribed."""
    resubscribed: Long | None = None
    """RecipientResubscribed."""
    auto_replied: Long | None = None
    """AutoReplyReceived."""


class DeltaRow(Counted):
    """What a batch of events adds to one minute."""

    minute: Long | None = None
    """Start of the minute, ms since the epoch."""


class BucketRow(Counted):
    """The counts of one bucket: absolute under part 0, an addition under any other part."""

    grain: str | None = None
    """minute, hour or day."""
    bucket: Long | None = None
    """Start of the bucket, ms since the epoch."""
    part: Long | None = None
    """0 = absolute counts, the highest revision is the latest; else an addition that came after the horizon."""
    revision: Long | None = None
    """Counts up with each emission of the bucket."""


class ReputationDeltas(Event):
    """Counts of one batch for one partition of the fold. Topic `reputation.deltas`, packed."""

    watermark: Long
    """Highest effective event time seen by the pump, less the allowed lateness, ms since the epoch."""
    checksum: Long | None = None
    """CRC-32 of the rows as encoded: damage is found without decoding row by row."""
    rows: tuple[DeltaRow, ...] = ()
    """The counts."""


class ReputationBuckets(Event):
    """Buckets that changed in one flush of the fold. Topic `reputation.buckets`, packed."""

    watermark: Long
    """The fold's watermark at that flush, ms since the epoch."""
    checksum: Long | None = None
    """CRC-32 of the rows as encoded: damage is found without decoding row by row."""
    rows: tuple[BucketRow, ...] = ()
    """The buckets."""


class ScoreFactor(FlatRecord):
    """What one thing contributes to a score."""

    name: Word
    """complaints, bounces, throttling, blocklists, authentication, engagement."""
    value: Annotated[float, Field(allow_inf_nan=False)]
    """The measured rate or state."""
    contribution: Annotated[float, Field(ge=0, le=1)]
    """The factor it multiplies the score by, 0 to 1."""


class ReputationScored(Event):
    """The score of an identity at a mailbox provider. Topic `reputation.scores`."""

    kind: Literal["domain", "dkim", "ip", "stream", "campaign", "pool", "return_path", "selector", "tenant"]
    """What kind of identity."""
    identity: Word
    """The identity."""
    provider: Word
    """The mailbox provider, or `*`."""
    score: Annotated[float, Field(ge=0, le=100)]
    """0 (bad) to 100."""
    confidence: Annotated[float, Field(ge=0, le=1)]
    """How much the evidence allows to say."""
    evidence: Count
    """How many messages it rests on."""
    factors: tuple[ScoreFactor, ...] = ()
    """Why: score = 100 times the product of contributions."""
    model_version: Annotated[int, Field(ge=1, le=2**63 - 1)]
    """Which version of the model said so."""
