"""Documents as they are kept: sealed with their tenant's key, inline or in the blob store."""

import os
from dataclasses import dataclass

from schemas.documents import DocumentReceived
from schemas.keyring import TenantKeys
from schemas.sealing import (
    NONCE_BYTES,
    DamagedSeal,
    Forgotten,
    blob_place,
    document_place,
    is_sealed,
    keyed_digest,
    plain_content,
    seal,
    unseal,
)
from streams.blobs import INLINE_LIMIT, Blobs
from streams.keyring.keyring import writing_keys


@dataclass(frozen=True, slots=True)
class Kept:
    """What a record says of a document's bytes once they are kept."""

    sha256: str
    """The keyed digest of the bytes as received (`schemas.sealing.keyed_digest`)."""
    content: bytes | None
    """The sealed bytes; None where they are in the blob store."""


def sealed(data_key: bytes, place: bytes, plain: bytes) -> bytes:
    """The envelope of these bytes, under a nonce of its own."""
    return seal(data_key, place, plain, os.urandom(NONCE_BYTES))


def keep_sealed(content: bytes, tenant: str, receipt_id: str, blobs: Blobs, keys: TenantKeys) -> Kept:
    """Seal a document as received for its receipt; a large one is in the blob store when this returns.

    Raises TenantForgotten, KeyringUnavailable (wait), KeyringError, OSError.
    """
    hashing, data = writing_keys(keys, tenant)
    digest = keyed_digest(hashing, content)
    if len(content) <= INLINE_LIMIT:
        return Kept(digest, sealed(data, document_place(tenant, receipt_id), content))
    place = blob_place(tenant, digest)
    if not _holds(blobs.get(tenant, digest), data, place, content):
        blobs.replace(tenant, digest, sealed(data, place, content))
    return Kept(digest, None)


def _holds(blob: bytes | None, data_key: bytes, place: bytes, content: bytes) -> bool:
    """Whether a blob is these bytes: somebody may have been taken out of them since they came first."""
    try:
        return blob is not None and unseal(data_key, place, blob) == content
    except (Forgotten, DamagedSeal):
        return False


def sealed_event(document: DocumentReceived, keys: TenantKeys) -> DocumentReceived:
    """The same document with its inline content sealed; one that has none, or a sealed one, as it is. Raises as above."""
    if document.content is None or is_sealed(document.content):
        return document
    hashing, data = writing_keys(keys, document.tenant)
    place = document_place(document.tenant, document.receipt_id)
    return document.model_copy(
        update={
            "sha256": keyed_digest(hashing, document.content),
            "content": sealed(data, place, document.content),
        }
    )


def content_of(document: DocumentReceived, blobs: Blobs, keys: TenantKeys) -> bytes | None:
    """A document's bytes as received, wherever they are; None where its blob is missing.

    Raises `schemas.sealing.Forgotten` and `DamagedSeal`, and what the keys raise.
    """
    blob = blobs.get(document.tenant, document.sha256) if document.content is None else None
    return plain_content(keys, document.tenant, document.receipt_id, document.sha256, document.content, blob)
