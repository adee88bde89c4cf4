"""The keyed hash that stands for a recipient's address: addresses are not stored in clear."""

import hmac
import unicodedata

import idna


class InvalidAddress(ValueError):
    """Text that is no address; the message does not repeat it."""


def recipient_hash(key: bytes, address: str) -> str:
    """The first 32 hex digits of HMAC-SHA256(the tenant's key, the normalised address).

    Raises InvalidAddress when the address has no local part or no domain name, ValueError on an empty key.
    """
    if not key:
        raise ValueError("an empty key: anybody could try addresses against the hashes")
    return hmac.digest(key, normalised(address).encode(), "sha256").hex()[:32]


def normalised(address: str) -> str:
    """The address in NFC, local part in lower case, domain in lower case and as A-labels (IDNA 2008, UTS 46).

    Nothing is stripped: dots and `+tags` are the receiver's business. An address literal (`[192.0.2.1]`) stays as
    it is. Raises InvalidAddress.
    """
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
