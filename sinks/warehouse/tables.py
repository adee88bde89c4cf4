"""Which records of which topic go to which table, as data. Table `x_told` stands under the view `x`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from schemas.catalog import latest
from schemas.classification import BounceClassified
from schemas.dmarc import DmarcRecordReported, DmarcReportParsed
from schemas.documents import DeadLetter, DocumentProcessed, DocumentReceived
from schemas.mail import (
    AutoReplyReceived,
    ComplaintReceived,
    LinkClicked,
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    MessageDropped,
    MessageExpired,
    MessageOpened,
    MessageSent,
    RecipientResubscribed,
    RecipientUnsubscribed,
)
from schemas.record import Event
from schemas.reputation import ReputationBuckets
from schemas.suppression import RecipientSuppressed, SuppressionEvidence, SuppressionLifted


@dataclass(frozen=True, slots=True, eq=False)
class FactTable:
    """One row for each record: the fact's own key sorts, and the version says which copy stays."""

    name: str
    topic: str
    kinds: Mapping[type[Event], str]
    """The record types it holds, and each one's word in the column `kind`; "" where there is no such column."""
    stays: Literal["first_told", "last_told", "revision"] = "first_told"
    """The version column: whether the copy told first stays, the one told last, or that of the record's own revision."""
    without: frozenset[str] = field(default=frozenset())
    """Fields that are not loaded."""


@dataclass(frozen=True, slots=True)
class BucketTable:
    """One row for each packed row of one grain: the revision says which copy stays."""

    name: str
    topic: str
    record: type[Event]
    grain: str


MAIL_KINDS: Mapping[type[Event], str] = {
    MessageSent: "sent",
    MessageDelivered: "delivered",
    MessageDeferred: "deferred",
    MessageBounced: "bounced",
    MessageDropped: "dropped",
    MessageExpired: "expired",
    ComplaintReceived: "complained",
    MessageOpened: "opened",
    LinkClicked: "clicked",
    RecipientUnsubscribed: "unsubscribed",
    RecipientResubscribed: "resubscribed",
    AutoReplyReceived: "auto_replied",
}
"""What the view mail_events calls each record; the same words as reputation's counts."""

FACTS: tuple[FactTable, ...] = (
    FactTable("mail_events", "mail.events", MAIL_KINDS),
    FactTable("bounces_classified", "mail.classified", {BounceClassified: ""}),
    FactTable("suppression_evidence", "suppressions.evidence", {SuppressionEvidence: ""}),
    FactTable(
        "suppressions",
        "suppressions",
        {RecipientSuppressed: "suppressed", SuppressionLifted: "lifted"},
        stays="revision",
    ),
    FactTable("dmarc_reports", "dmarc.records", {DmarcReportParsed: ""}),
    FactTable("dmarc_records", "dmarc.records", {DmarcRecordReported: ""}),
    FactTable(
        "documents",
        "documents",
        {DocumentReceived: ""},
        stays="last_told",
        without=frozenset({"content", "erased", "is_copy"}),
    ),
    FactTable("document_outcomes", "documents.outcomes", {DocumentProcessed: ""}),
    FactTable("dead_letters", "dead.letters", {DeadLetter: ""}, without=frozenset({"content"})),
)

BUCKETS: tuple[BucketTable, ...] = (
    BucketTable("reputation_minutes", "reputation.buckets", ReputationBuckets, "minute"),
    BucketTable("reputation_hours", "reputation.buckets", ReputationBuckets, "hour"),
    BucketTable("reputation_days", "reputation.buckets", ReputationBuckets, "day"),
)

TOPICS: tuple[str, ...] = tuple(
    dict.fromkeys([*(table.topic for table in FACTS), *(table.topic for table in BUCKETS)])
)
"""Every topic the warehouse has a place for."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a record as a column."""

    name: str
    avro: Any
    """Its type in the committed schema, logical types and all."""
    doc: str
    """What it is, in the schema's words."""

    @property
    def is_time(self) -> bool:
        """Whether it is a moment in milliseconds."""
        return isinstance(self.avro, dict) and self.avro.get("logicalType") == "timestamp-millis"


@cache
def columns(record: type[Event]) -> Mapping[str, Column]:
    """The columns of a record type, in the order of its fields."""
    fields = latest(record).schema["fields"]
    return {f["name"]: Column(f["name"], f["type"], f.get("doc", "")) for f in fields}


def fact_columns(table: FactTable) -> Mapping[str, Column]:
    """The columns of all record types of a table together; the first that has a column describes it."""
    merged: dict[str, Column] = {}
    for record in table.kinds:
        for name, column in columns(record).items():
            if name not in table.without:
                merged.setdefault(name, column)
    return merged


def row_columns(table: BucketTable) -> Mapping[str, Column]:
    """The columns of a packed row."""
    rows = latest(table.record).schema["fields"][-1]["type"]["items"]
    return {f["name"]: Column(f["name"], f["type"], f.get("doc", "")) for f in rows["fields"]}
