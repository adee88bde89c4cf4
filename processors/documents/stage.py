"""The parse stage: documents as received to their outcomes and events."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from processors.dead_letters import dead_letter
from processors.dmarc.events import TOPIC, record_fields, report_event, topic_key
from processors.dmarc.seen import SeenReports
from processors.documents.limits import Limits
from processors.documents.reading import OUTCOMES, Reading, read_document, unreadable
from processors.stage import Emission, Flush, Slice, Tally, emission
from schemas.codec import Undecodable, decode, encode_rows
from schemas.dmarc import DmarcRecordReported
from schemas.documents import DocumentReceived
from schemas.record import InvalidEvent

CLOCK = b"clock"
"""The state chunk with the highest time of record so far: 8 bytes, ms."""

Blobs = Callable[[str, str], bytes | None]
"""Looks up a document's bytes by tenant and SHA-256. They never change, so asking keeps a stage pure."""


class DocumentStage:
    """Reads `documents`; gives `documents.outcomes`, `dmarc.records` and dead letters.

    A dead letter takes the highest time of record read before it, 0 when it is the partition's first record:
    so it does not depend on how the records were batched.
    """

    name = "documents"
    reads = "documents"

    def __init__(self, blobs: Blobs, limits: Limits | None = None) -> None:
        self._blobs = blobs
        self._limits = limits or Limits()
        self._seen = SeenReports()
        self._clock = 0
        self._flushed_clock = 0
        self._emissions: list[Emission] = []
        self._tally = Tally()

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin from what earlier flushes left."""
        kept = dict(chunks)
        self._clock = self._flushed_clock = int.from_bytes(kept.pop(CLOCK, b""), "big", signed=True)
        self._seen.restore(kept.items())

    def take(self, records: Slice) -> None:
        """Unpack and parse each document. A tombstone gives nothing: the document was erased."""
        repeats = dead = 0
        for index, value in enumerate(records.values):
            if value is None:
                continue
            try:
                document = _document(value)
            except (Undecodable, InvalidEvent) as error:
                dead += 1
                self._emissions.append(dead_letter(records, index, self.name, str(error), self._clock))
                continue
            self._clock = max(self._clock, document.recorded_at)
            for reading in self._readings(document):
                repeats += reading.processed.outcome == "duplicate"
                self._emit(reading)
        tally = self._tally
        self._tally = replace(
            tally, taken=tally.taken + len(records), repeats=tally.repeats + repeats, dead=tally.dead + dead
        )

    def flush(self) -> Flush:
        """Outcomes, events and dead letters in the order of the documents, and the chunks of reports seen."""
        emissions, self._emissions = self._emissions, []
        chunks: dict[bytes, bytes | None] = dict(self._seen.flush())
        if self._clock != self._flushed_clock:
            chunks[CLOCK] = self._clock.to_bytes(8, "big", signed=True)
            self._flushed_clock = self._clock
        return Flush(emissions, chunks)

    def tally(self) -> Tally:
        """Counts since it was made; repeats are duplicate reports."""
        return self._tally

    def _readings(self, document: DocumentReceived) -> Iterable[Reading]:
        if document.size > self._limits.document_bytes:
            limit = self._limits.document_bytes
            return (unreadable(document, f"larger than {limit} bytes (limit document_bytes)"),)
        content = document.content
        if content is None:
            content = self._blobs(document.tenant, document.sha256)
        if content is None:
            return (unreadable(document, f"blob {document.tenant}/{document.sha256} is missing"),)
        return read_document(document, content, self._limits, self._seen)

    def _emit(self, reading: Reading) -> None:
        processed = reading.processed
        self._emissions.append(emission(OUTCOMES, f"{processed.tenant}/{processed.receipt_id}", processed))
        report, provenance = reading.report, reading.provenance
        if report is None or provenance is None:
            return
        key = topic_key(report, provenance.tenant)
        self._emissions.append(emission(TOPIC, key, report_event(report, provenance)))
        at = provenance.recorded_at
        rows = encode_rows(DmarcRecordReported, record_fields(report, provenance))
        self._emissions.extend(Emission(TOPIC, key.encode(), row, at) for row in rows)


def _document(value: bytes) -> DocumentReceived:
    """The document in a record, every field checked. Raises Undecodable or InvalidEvent."""
    event = decode(value)
    if not isinstance(event, DocumentReceived):
        raise Undecodable(f"a {type(event).__name__} is no DocumentReceived")
    return DocumentReceived(**event.__dict__)
