"""Sealed bytes: what a tenant's documents are kept as, so that whoever deletes the tenant's key forgets them all.

A sealed document is an envelope and what it holds:

    8 bytes   magic: 0x89 "mwseal" 0x0a
    1 byte    version: 1
    8 bytes   key id: the beginning of SHA-256 of the data key
    12 bytes  nonce
    the rest  AES-256-GCM (NIST SP 800-38D): the ciphertext, and its tag of 16 bytes

What the tag covers besides: the 17 bytes before the nonce, and where the bytes belong (tenant and receipt, tenant and name
of a blob, or where the record of a dead letter was read). So sealed bytes that are put in another document's place are refused.
"""

import hashlib
import hmac
from functools import lru_cache
from typing import TYPE_CHECKING

from schemas.keyring import TenantKeys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"\x89mwseal\n"
VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
_KEY_ID, _TAG = 8, 16
_HEAD = len(MAGIC) + 1 + _KEY_ID
OVERHEAD = _HEAD + NONCE_BYTES + _TAG
"""Bytes that sealing adds."""

_SEPARATOR = b"\x1f"


class Forgotten(Exception):
    """The key that these bytes were sealed with is gone: nobody reads them any more."""


class DamagedSeal(ValueError):
    """Sealed bytes that are not what was sealed, or not in the place they were sealed for."""


def is_sealed(content: bytes) -> bool:
    """Whether these bytes are an envelope; plain ones are what was kept before documents were sealed."""
    return content.startswith(MAGIC)


def seal(key: bytes, place: bytes, plain: bytes, nonce: bytes) -> bytes:
    """The envelope of these bytes for one place (`document_place`, `blob_place`).

    `nonce` is 12 random bytes that nothing else is sealed with. Raises ValueError for another number of them.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce of {NONCE_BYTES} bytes")
    head = MAGIC + bytes([VERSION]) + key_id(key)
    return b"".join((head, nonce, _cipher(key).encrypt(nonce, plain, head + place)))


def unseal(key: bytes | None, place: bytes, content: bytes) -> bytes:
    """What an envelope holds; bytes that are none come back as they are.

    Raises Forgotten without a key, or with another than it was sealed with; DamagedSeal.
    """
    if not is_sealed(content):
        return content
    if len(content) < OVERHEAD or content[len(MAGIC)] != VERSION:
        raise DamagedSeal(
            f"sealed in a form that is not known here (version {content[len(MAGIC) : len(MAGIC) + 1].hex()})"
        )
    head, nonce = content[:_HEAD], content[_HEAD : _HEAD + NONCE_BYTES]
    if key is None:
        raise Forgotten("the tenant was forgotten: its key is gone")
    if head[-_KEY_ID:] != key_id(key):
        raise Forgotten("it was sealed with a key that is gone, or with that of another keyring")
    from cryptography.exceptions import InvalidTag

    try:
        return _cipher(key).decrypt(nonce, content[_HEAD + NONCE_BYTES :], head + place)
    except InvalidTag:
        raise DamagedSeal("the sealed bytes were changed, or belong to another document") from None


def document_place(tenant: str, receipt_id: str) -> bytes:
    """Where the content of a record belongs."""
    return _SEPARATOR.join((b"document", tenant.encode(), receipt_id.encode()))


def letter_place(origin: str) -> bytes:
    """Where the bytes of a dead letter belong: `origin` says where their record was read (`DeadLetter.key_of`)."""
    return _SEPARATOR.join((b"letter", origin.encode()))


def blob_place(tenant: str, sha256: str) -> bytes:
    """Where a blob belongs."""
    return _SEPARATOR.join((b"blob", tenant.encode(), sha256.encode()))


def plain_content(
    keys: TenantKeys, tenant: str, receipt_id: str, sha256: str, inline: bytes | None, blob: bytes | None
) -> bytes | None:
    """A document's bytes as received, from its record (`inline`), else from its blob; None where there are neither.

    Takes what was kept before documents were sealed. Raises Forgotten, DamagedSeal, and what the keys raise.
    """
    content, place = (
        (inline, document_place(tenant, receipt_id))
        if inline is not None
        else (blob, blob_place(tenant, sha256))
    )
    if content is None or not is_sealed(content):
        return content
    return unseal(keys.data_key(tenant), place, content)


def keyed_digest(hashing_key: bytes, content: bytes) -> str:
    """What a sealed document has for its SHA-256: 64 hex digits of HMAC-SHA256 under a key made of the tenant's.

    Of a short document that holds an address a plain hash could be tried out address by address.
    """
    return hmac.digest(_digest_key(hashing_key), content, "sha256").hex()


@lru_cache(maxsize=64)
def _digest_key(hashing_key: bytes) -> bytes:
    return hmac.digest(hashing_key, b"mailwake document digest", "sha256")


def sealed_with(content: bytes) -> bytes:
    """What an envelope names its key by: its `key_id`."""
    return content[_HEAD - _KEY_ID : _HEAD]


@lru_cache(maxsize=64)
def key_id(key: bytes) -> bytes:
    """What an envelope names a data key by: 8 bytes that do not tell the key."""
    return hashlib.sha256(b"mailwake data key" + key).digest()[:_KEY_ID]


@lru_cache(maxsize=64)
def _cipher(key: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)
