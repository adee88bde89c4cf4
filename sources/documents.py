"""Documents appended whole, before anyone interprets them."""

import hashlib
from dataclasses import dataclass
from uuid import uuid4

from schemas.codec import encode
from schemas.documents import DocumentReceived
from schemas.keyring import TenantKeys
from schemas.record import now_ms
from streams.blobs import INLINE_LIMIT, Blobs
from streams.emitter import TakesEmits
from streams.keys import key_of
from streams.log import Log, Record
from streams.sealed_documents import Kept, keep_sealed

LONGEST_TYPE = 1024
"""Characters of a Content-Type that are kept; the rest of a longer one is cut off."""


@dataclass(frozen=True, slots=True)
class DocumentIntake:
    """Where documents are appended, and as whose."""

    log: Log | TakesEmits
    blobs: Blobs
    tenant: str = "default"
    channel: str = "file"
    source: str = "files"
    keys: TenantKeys | None = None
    """What documents are sealed with; kept in clear without."""
    from_domain: str | None = None
    """The From domain of what names none."""

    def receive(self, content: bytes, name: str) -> DocumentReceived:
        """Append one document; it is durable when this returns. Raises LogError (TenantForgotten), OSError."""
        document, record = self.prepare(content, name)
        if isinstance(self.log, TakesEmits):
            self.log.append_emits([{"documents": [record]}])
        else:
            self.log.append("documents", [record])
        return document

    def prepare(
        self,
        content: bytes,
        name: str | None,
        content_type: str | None = None,
        receipt: str | None = None,
        keys: TenantKeys | None = None,
    ) -> tuple[DocumentReceived, Record]:
        """The event and record for a document; a large one is in the blob store when this returns.

        `receipt` names the receipt where whoever sends the document has a name for it: sent again, it is the same one.
        `keys` go before those that this was made with.
        """
        now = now_ms()
        receipt = receipt or str(uuid4())
        kept = self._keep(content, receipt, keys or self.keys)
        document = DocumentReceived(
            event_id=DocumentReceived.id_of(self.tenant, receipt),
            tenant=self.tenant,
            occurred_at=now,
            recorded_at=now,
            source=self.source,
            channel=self.channel,
            source_event_id=receipt,
            receipt_id=receipt,
            sha256=kept.sha256,
            size=len(content),
            content=kept.content,
            name=name,
            content_type=content_type[:LONGEST_TYPE] if content_type else None,
            from_domain=self.from_domain,
        )
        return document, Record(key_of(document), encode(document), now)

    def _keep(self, content: bytes, receipt: str, keys: TenantKeys | None) -> Kept:
        if keys is not None:
            return keep_sealed(content, self.tenant, receipt, self.blobs, keys)
        if len(content) <= INLINE_LIMIT:
            return Kept(hashlib.sha256(content).hexdigest(), content)
        return Kept(self.blobs.put(self.tenant, content), None)
