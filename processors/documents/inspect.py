"""What a file would become if it were ingested; nothing is appended anywhere."""

from dataclasses import dataclass
from hashlib import sha256

from processors.dmarc.events import record_fields, report_event
from processors.documents.reading import DocumentReader, Hashing, Reading, ReadingSettings
from schemas.dmarc import DmarcRecordReported
from schemas.documents import DocumentProcessed, DocumentReceived
from schemas.record import Event


@dataclass(frozen=True, slots=True)
class Inspected:
    """One document found in a file."""

    outcome: DocumentProcessed
    """What became of it, with warnings and reason."""
    events: tuple[Event, ...]
    """DmarcReportParsed and its DmarcRecordReported, or what it tells of messages; empty where it gives none."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file would become."""

    name: str | None
    sha256: str
    size: int
    documents: tuple[Inspected, ...]


def inspect(
    content: bytes,
    name: str | None,
    tenant: str = "default",
    settings: ReadingSettings | None = None,
    hashing: Hashing | None = None,
    received_at: int = 0,
) -> Inspection:
    """What these bytes would become, as if nothing had been told before them. Times of record are 0.

    `received_at`, ms, is when what gives no time of its own happened.
    """
    digest = sha256(content).hexdigest()
    document = DocumentReceived(
        event_id=DocumentReceived.id_of(tenant, digest),
        tenant=tenant,
        occurred_at=received_at,
        source="inspect",
        receipt_id=digest,
        sha256=digest,
        size=len(content),
        name=name[:4096] if name else None,
    )
    found = tuple(
        Inspected(reading.processed, _events_of(reading))
        for reading in DocumentReader(settings, hashing).read(document, content)
    )
    return Inspection(name, digest, len(content), found)


def _events_of(reading: Reading) -> tuple[Event, ...]:
    if reading.report is None or reading.provenance is None:
        return reading.events
    records = (DmarcRecordReported(**fields) for fields in record_fields(reading.report, reading.provenance))
    return (report_event(reading.report, reading.provenance), *records)
