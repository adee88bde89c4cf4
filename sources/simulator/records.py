"""What arrives, as records of the log: framed, keyed, in order of arrival; and the whole of a scenario appended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

import polars as pl

from schemas.codec import encode_rows
from schemas.documents import DocumentReceived
from schemas.framing import framed_rows
from sources.simulator.frames import Frames
from sources.simulator.incidents import Incident
from sources.simulator.reports import Document
from sources.simulator.simulate import Scenario, Slice, simulate
from streams.log import Log, Record

MAIL_EVENTS, DOCUMENTS = "mail.events", "documents"

_APPEND = 20_000
"""Records of one append, so that other writers of the log get their turn."""


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """What was appended. `first_ms` and `last_ms` are the earliest and the latest recorded_at, 0 if nothing was."""

    events: int
    documents: int
    incidents: tuple[Incident, ...]
    first_ms: int
    last_ms: int


def mail_records(frames: Frames) -> list[Record]:
    """Framed records of the topic mail.events, keyed `tenant/from_domain`, in order of recorded_at."""
    parts = [
        frame.select(
            pl.col("recorded_at"),
            pl.concat_str(pl.col("tenant"), pl.lit("/"), pl.col("from_domain")).cast(pl.Binary).alias("key"),
            framed_rows(record, frame).alias("value"),
        )
        for record, frame in frames.items()
    ]
    if not parts:
        return []
    ordered = pl.concat(parts).sort("recorded_at", maintain_order=True)
    columns = (ordered[name].to_list() for name in ("key", "value", "recorded_at"))
    return list(map(Record, *columns))


def document_records(tenant: str, documents: tuple[Document, ...]) -> list[Record]:
    """DocumentReceived records of the topic documents, keyed `tenant/receipt_id`, in the order given."""
    rows = [
        {
            "event_id": DocumentReceived.id_of(tenant, document.receipt_id),
            "tenant": tenant,
            "occurred_at": document.received_at,
            "recorded_at": document.received_at,
            "source": "simulator",
            "channel": "imap",
            "source_event_id": document.receipt_id,
            "receipt_id": document.receipt_id,
            "sha256": sha256(document.content).hexdigest(),
            "size": len(document.content),
            "content": document.content,
            "name": document.name,
            "content_type": "application/gzip",
        }
        for document in documents
    ]
    return [
        Record(f"{tenant}/{document.receipt_id}".encode(), value, document.received_at)
        for document, value in zip(documents, encode_rows(DocumentReceived, rows), strict=True)
    ]


def records_of(part: Slice) -> Mapping[str, list[Record]]:
    """All that arrives in a slice, by topic."""
    return {
        MAIL_EVENTS: mail_records(part.frames),
        DOCUMENTS: document_records(part.tenant, part.documents),
    }


def into_log(log: Log, scenario: Scenario, progress: Callable[[int], None] | None = None) -> SimulationReport:
    """Append everything that arrives in a scenario; `progress` is told how many events have been appended so far.

    Running it again appends the same records again, which admission then drops. Raises ValueError for a scenario
    that can't be and what `Log.append_all` raises.
    """
    events = documents = last = 0
    first: int | None = None
    for part in simulate(scenario):
        records = records_of(part)
        mail, reports = records[MAIL_EVENTS], records[DOCUMENTS]
        if reports:
            log.append_all({DOCUMENTS: reports})
        for begin in range(0, len(mail), _APPEND):
            chunk = mail[begin : begin + _APPEND]
            log.append_all({MAIL_EVENTS: chunk})
            events += len(chunk)
            if progress is not None:
                progress(events)
        documents += len(reports)
        for some in (mail, reports):
            if some:
                first = min(first, some[0].timestamp) if first is not None else some[0].timestamp
                last = max(last, some[-1].timestamp)
    return SimulationReport(events, documents, scenario.truth(), first or 0, last)
