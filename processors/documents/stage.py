"""The parse stage: documents as received to their outcomes and events."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import get_args

from processors.dead_letters import dead_letter
from processors.dmarc.events import TOPIC, record_fields, report_event, topic_key
from processors.dmarc.seen import SeenReports
from processors.documents.reading import (
    OUTCOMES,
    DocumentReader,
    Reading,
    ReadingSettings,
    hasher,
    unreadable,
)
from processors.stage import Emission, Flush, Slice, Tally, emission
from schemas.codec import Undecodable, decode, encode_rows
from schemas.dmarc import DmarcRecordReported
from schemas.documents import DocumentReceived, Outcome
from schemas.keyring import NO_KEYS, TenantKeys
from schemas.record import InvalidEvent
from schemas.sealing import DamagedSeal, Forgotten, plain_content

CLOCK = b"clock"
"""The state chunk with the highest time of record so far: 8 bytes, ms."""

MAIL = "mail.events"

Blobs = Callable[[str, str], bytes | None]
"""Looks up a document's bytes by tenant and SHA-256. They never change, so asking keeps a stage pure."""


class DocumentStage:
    """Reads `documents`; gives `documents.outcomes`, `dmarc.records`, `mail.events` and dead letters.

    A dead letter takes the highest time of record read before it, 0 when it is the partition's first record:
    so it does not depend on how the records were batched.
    """

    name = "documents"
    reads = "documents"

    def __init__(
        self, blobs: Blobs, settings: ReadingSettings | None = None, keys: TenantKeys = NO_KEYS
    ) -> None:
        self._blobs = blobs
        self._settings = settings or ReadingSettings()
        self._keys = _Asked(keys)
        self._seen = SeenReports()
        self._reader = DocumentReader(self._settings, partial(hasher, self._keys), self._seen)
        self._clock = 0
        self._flushed_clock = 0
        self._emissions: list[Emission] = []
        self._tally = Tally(outcomes=dict.fromkeys(get_args(Outcome), 0))

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin from what earlier flushes left."""
        kept = dict(chunks)
        self._clock = self._flushed_clock = int.from_bytes(kept.pop(CLOCK, b""), "big", signed=True)
        self._seen.restore(kept.items())

    def take(self, records: Slice) -> None:
        """Unpack and parse each document. A tombstone gives nothing: the document was erased.

        Raises what the keys raise while they can't be asked; then nothing was taken.
        """
        read = [None if value is None else _document(value) for value in records.values]
        self._keys.ask({document.tenant for document in read if isinstance(document, DocumentReceived)})
        tally = self._tally
        outcomes = Counter(tally.outcomes)
        dead = 0
        for index, document in enumerate(read):
            if isinstance(document, Exception):
                dead += 1
                self._emissions.append(dead_letter(records, index, self.name, str(document), self._clock))
            elif document is not None:
                self._clock = max(self._clock, document.recorded_at)
                for reading in self._readings(document):
                    outcomes[reading.processed.outcome] += 1
                    self._emit(reading)
        self._tally = replace(
            tally,
            taken=tally.taken + len(records),
            repeats=outcomes["duplicate"],
            dead=tally.dead + dead,
            outcomes=outcomes,
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
        limit = self._settings.limits.document_bytes
        if document.size > limit:
            return (unreadable(document, f"larger than {limit} bytes (limit document_bytes)"),)
        try:
            content = self._content(document)
        except Forgotten as error:
            return (unreadable(document, str(error), "forgotten"),)
        except DamagedSeal as error:
            return (unreadable(document, str(error)),)
        if content is None:
            return (unreadable(document, f"blob {document.tenant}/{document.sha256} is missing"),)
        if not content and (document.erased or document.size):
            return (unreadable(document, "all that was in it was erased", "forgotten"),)
        return self._reader.read(document, content)

    def _content(self, document: DocumentReceived) -> bytes | None:
        inline, tenant, sha256 = document.content, document.tenant, document.sha256
        blob = self._blobs(tenant, sha256) if inline is None else None
        return plain_content(self._keys, tenant, document.receipt_id, sha256, inline, blob)

    def _emit(self, reading: Reading) -> None:
        processed = reading.processed
        self._emissions.append(emission(OUTCOMES, f"{processed.tenant}/{processed.receipt_id}", processed))
        self._emissions.extend(emission(MAIL, event.key(), event) for event in reading.events)
        report, provenance = reading.report, reading.provenance
        if report is None or provenance is None:
            return
        key = topic_key(report, provenance.tenant)
        self._emissions.append(emission(TOPIC, key, report_event(report, provenance)))
        at = provenance.recorded_at
        rows = encode_rows(DmarcRecordReported, record_fields(report, provenance))
        self._emissions.extend(Emission(TOPIC, key.encode(), row, at) for row in rows)


class _Asked:
    """The keys of the tenants of one slice, all asked for before any of it is taken: none can go away amid it."""

    def __init__(self, keys: TenantKeys) -> None:
        self._keys = keys
        self._known: dict[str, tuple[bytes | None, bytes | None]] = {}

    def ask(self, tenants: Iterable[str]) -> None:
        """Ask for these tenants' keys, and forget all others. Raises what the keys raise."""
        self._known = {
            tenant: (self._keys.hashing_key(tenant), self._keys.data_key(tenant))
            for tenant in sorted(tenants)
        }

    def hashing_key(self, tenant: str) -> bytes | None:
        """See `TenantKeys.hashing_key`."""
        return self._known[tenant][0]

    def data_key(self, tenant: str) -> bytes | None:
        """See `TenantKeys.data_key`."""
        return self._known[tenant][1]


def _document(value: bytes) -> DocumentReceived | Undecodable | InvalidEvent:
    """The document in a record, every field checked; or why there is none."""
    try:
        event = decode(value)
        if not isinstance(event, DocumentReceived):
            return Undecodable(f"a {type(event).__name__} is no DocumentReceived")
        return DocumentReceived(**event.__dict__)
    except (Undecodable, InvalidEvent) as error:
        return error
