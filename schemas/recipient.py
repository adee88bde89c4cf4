"""The keyed hash that stands for a recipient's address: addresses are not stored in clear."""

import hmac
import unicodedata
from hashlib import sha256

import idna

_BLOCK = 64
"""Bytes that SHA-256 takes at a time (FIPS 180-4)."""


class InvalidAddress(ValueError):
    """Text that is no address; the message does not repeat it."""


def recipient_hash(key: bytes, address: str) -> str:
    """The first 32 hex digits of HMAC-SHA256(the tenant's key, the normalised address).

    Raises InvalidAddress when the address has no local part or no domain name, ValueError on an empty key.
    """
    return hmac.digest(_given(key), normalised(address).encode(), "sha256").hex()[:32]


class RecipientHashes:
    """`recipient_hash` under one key, for many addresses: what the key does to a hash is done once (RFC 2104, 4)."""

    def __init__(self, key: bytes) -> None:
        """Raises ValueError on an empty key."""
        block = (sha256(key).digest() if len(_given(key)) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def __call__(self, address: str) -> str:
        """The hash of an address. Raises InvalidAddress."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(normalised(address).encode())
        outer.update(inner.digest())
        return outer.hexdigest()[:32]


def _given(key: bytes) -> bytes:
    if not key:
        raise ValueError("an empty key: anybody could try addresses against the hashes")
    return key


def normalised(address: str) -> str:
    """The address in NFC, local part in lower case, domain in lower case and as A-labels (IDNA 2008, UTS 46).

    Nothing is stripped: dots and `+tags` are the receiver's business. An address literal (`[192.0.2.1]`) stays as
    it is. Raises InvalidAddress.
    """
    if address.isascii() and 0 < address.rfind("@") < len(address) - 1:
        return address.lower()
    local, at, domain = unicodedata.normalize("NFC", address).rpartition("@")
    if not (local and at and domain):
        raise InvalidAddress("an address needs a local part, an @ and a domain")
    return f"{unicodedata.normalize('NFC', local.lower())}@{_domain(domain)}"


def _domain(domain: str) -> str:
    if domain.startswith("[") and domain.endswith("]"):
        return domain.lower()
    lower = domain.lower()
    if lower.isascii():
        return lower
    try:
        return idna.encode(lower, uts46=True).decode()
    except idna.IDNAError as error:
        raise InvalidAddress(f"a domain that has no A-labels ({type(error).__name__})") from None
