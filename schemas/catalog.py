"""Every record type there is, the topic it belongs to, and the versions its schema has had.

A version is a committed file `avsc/<Record>/<n>.avsc`; its wire id is in `ids.json`. The highest version is
what we write; all of them can be read for ever.

Where there is a schema registry, `install` tells its ids, once, when the process starts. They are then what is written,
and read beside the committed ones.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from schemas.classification import BounceClassified
from schemas.dmarc import DmarcRecordReported, DmarcReportParsed
from schemas.documents import DeadLetter, DocumentProcessed, DocumentReceived
from schemas.mail import MAIL_EVENTS
from schemas.record import Event
from schemas.reputation import ReputationBuckets, ReputationDeltas, ReputationScored
from schemas.suppression import RecipientSuppressed, SuppressionEvidence, SuppressionLifted
from schemas.tail import TailPlace, TailState

TOPICS: dict[str, tuple[type[Event], ...]] = {
    "documents": (DocumentReceived,),
    "documents.outcomes": (DocumentProcessed,),
    "mail.events": MAIL_EVENTS,
    "mail.classified": (BounceClassified,),
    "suppressions.evidence": (SuppressionEvidence,),
    "suppressions": (RecipientSuppressed, SuppressionLifted),
    "dmarc.records": (DmarcReportParsed, DmarcRecordReported),
    "reputation.deltas": (ReputationDeltas,),
    "reputation.buckets": (ReputationBuckets,),
    "reputation.scores": (ReputationScored,),
    "dead.letters": (DeadLetter,),
    "tail.places": (TailPlace, TailState),
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


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids that a schema registry has given. They are facts: an id never comes to mean another schema."""

    registry: str
    """Which one, to say so."""
    written: Mapping[str, int]
    """What the latest version of each record is written with, by the record's name."""
    read: Callable[[int], Version]
    """The version that an id of the registry stands for. Raises UnknownSchema."""


_installed: list[Ids] = []


def install(ids: Ids | None) -> None:
    """Write with these ids from now on, and read them too; None for the committed ones alone.

    They hold for the whole process, as the committed ones do: to be told before anything is read or written. An id may be
    asked for when it is first met; what it means is the same whoever asks, and when.
    """
    _installed[:] = [] if ids is None else [ids]


def installed() -> Ids | None:
    """The registry's ids, if there are any."""
    return _installed[0] if _installed else None


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
    """The version with this wire id, be it a committed one or the registry's. Raises UnknownSchema."""
    known = versions().get(schema_id)
    if known is not None:
        return known
    if not _installed:
        hint = ": a registry's, which MAILWAKE_SCHEMA_REGISTRY names?" if 0 < schema_id < FIRST_ID else ""
        raise UnknownSchema(f"schema id {schema_id} is not one of the {len(versions())} committed ones{hint}")
    return _installed[0].read(schema_id)


def wire_id(record: type[Event]) -> int:
    """The id that the latest version of a record type is written with."""
    return _installed[0].written[record.__name__] if _installed else latest(record).id
