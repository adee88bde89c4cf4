"""Every record type there is, the topic it belongs to, and the versions its schema has had.

A version is a committed file `avsc/<Record>/<n>.avsc`; its wire id is in `ids.json`. The highest version is
what we write; all of them can be read for ever.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from schemas.dmarc import DmarcRecordReported, DmarcReportParsed
from schemas.documents import DeadLetter, DocumentProcessed, DocumentReceived
from schemas.mail import MAIL_EVENTS
from schemas.record import Event
from schemas.reputation import ReputationBuckets, ReputationDeltas, ReputationScored

TOPICS: dict[str, tuple[type[Event], ...]] = {
    "documents": (DocumentReceived,),
    "documents.outcomes": (DocumentProcessed,),
    "mail.events": MAIL_EVENTS,
    "dmarc.records": (DmarcReportParsed, DmarcRecordReported),
    "reputation.deltas": (ReputationDeltas,),
    "reputation.buckets": (ReputationBuckets,),
    "reputation.scores": (ReputationScored,),
    "dead.letters": (DeadLetter,),
}
"""Which records a topic holds."""

RECORDS: dict[str, type[Event]] = {
    record.__name__: record for records in TOPICS.values() for record in records
}
"""Every record type by its name."""

TOPIC_OF: dict[type[Event], str] = {record: topic for topic, records in TOPICS.items() for record in records}
"""The topic each record type is appended to."""

FIRST_ID = 1_000_000
"""Committed ids start here, where no schema registry of ours will get to."""


class UnknownSchema(ValueError):
    """A schema id that no committed version has."""


@dataclass(frozen=True, slots=True)
class Version:
    """One committed version of a record's schema."""

    id: int
    record: type[Event]
    number: int
    schema: dict[str, Any]
    """As committed, logical types and all."""


@cache
def versions() -> dict[int, Version]:
    """Every committed version by its wire id."""
    here = files("schemas")
    ids = json.loads((here / "ids.json").read_text())
    return {
        number_id: Version(
            number_id,
            RECORDS[name],
            int(number),
            json.loads((here / "avsc" / name / f"{number}.avsc").read_text()),
        )
        for name, numbers in ids.items()
        for number, number_id in numbers.items()
    }


@cache
def latest(record: type[Event]) -> Version:
    """The version we write for a record type."""
    return max((v for v in versions().values() if v.record is record), key=lambda v: v.number)


def version(schema_id: int) -> Version:
    """The version with this wire id. Raises UnknownSchema."""
    try:
        return versions()[schema_id]
    except KeyError:
        raise UnknownSchema(
            f"schema id {schema_id} is not one of the {len(versions())} committed ones"
        ) from None
