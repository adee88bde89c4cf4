"""What the events of every format have in common: recipients as hashes, domains, ids made from the fact's own key."""

import hashlib
import re
from functools import lru_cache

from processors.origin import Hashed
from schemas.mail import MailEvent, without_addresses
from schemas.recipient import InvalidAddress, normalised
from schemas.record import NAMESPACE, SEPARATOR

ADDRESS = r'(?:"(?:[^"\\]|\\.)*+"[^>\s]*+|[^>\s"][^>\s]*+|)'
"""An address between angle brackets, as a pattern (RFC 5321, 4.1.2): a quoted local part may hold anything, any other neither
blanks nor brackets. It takes what it takes once, so that no line is slow."""

_MOST_CACHED = 200_000
_MOST_NAMES = 50_000
"""Domains and From headers that are remembered."""
_DOMAIN = re.compile(r"[^@\s\x00-\x1f]{1,253}").fullmatch
_IP = re.compile(r"[0-9A-Fa-f.:]{3,45}").fullmatch
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class Facts:
    """Makes ids and hashes for one tenant, and remembers those it made."""

    def __init__(self, tenant: str, hashed: Hashed) -> None:
        self._tenant, self._hashed = tenant, hashed
        self._recipients: dict[str, tuple[str | None, str | None]] = {}
        self._beginnings: dict[type[MailEvent], hashlib._Hash] = {}

    def id_of(self, record: type[MailEvent], key: str) -> str:
        """The same as `record.id_of(tenant, key)`, several times as fast."""
        beginning = self._beginnings.get(record)
        if beginning is None:
            fact = SEPARATOR.join((record.fact or record.__name__, self._tenant, ""))
            beginning = self._beginnings[record] = hashlib.sha1(
                NAMESPACE.bytes + fact.encode(), usedforsecurity=False
            )
        whole = beginning.copy()
        whole.update(key.encode())
        x = whole.hexdigest()
        return f"{x[:8]}-{x[8:12]}-5{x[13:16]}-{_VARIANT[x[16]]}{x[17:20]}-{x[20:32]}"

    def forget_recipients(self) -> None:
        """Remember no hash: the tenant has another key now."""
        self._recipients.clear()

    def recipient(self, address: str) -> tuple[str | None, str | None]:
        """The hash and the domain of a recipient's address; None for what is none."""
        found = self._recipients.get(address)
        if found is None:
            if len(self._recipients) >= _MOST_CACHED:
                self._recipients.clear()
            found = self._recipients[address] = self._hashed(address), self.domain(address)
        return found

    def domain(self, address: str) -> str | None:
        """The domain of an address as events hold it: A-labels, in lower case; None for none, and for a literal."""
        _, at, name = address.rpartition("@")
        return mail_domain(name) if at else None


@lru_cache(_MOST_NAMES)
def mail_domain(name: str) -> str | None:
    """A domain as events hold it, None for what is none."""
    name = name.strip().rstrip(".")
    if not name.isascii():
        try:
            name = normalised(f"x@{name}").rpartition("@")[2]
        except InvalidAddress:
            return None
    return name.lower() if _DOMAIN(name) and not name.startswith("[") else None


@lru_cache(_MOST_NAMES)
def header_domain(header: str) -> str | None:
    """The domain of the (first) address in a From header: `Name <local@domain>` or `local@domain`."""
    _, at, after = header.rpartition("@")
    return mail_domain(re.split(r"[>\s,;\")]", after, maxsplit=1)[0]) if at else None


def words(value: object) -> str:
    """A value of JSON as text, of several the first; an empty one for none."""
    if isinstance(value, str):
        return value
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, str) else str(value or "")


def text(value: str, longest: int = 1024) -> str | None:
    """A text as events hold it: addresses replaced, cut where it is too long; None for an empty one."""
    return (without_addresses(value) if "@" in value else value)[:longest] or None


def message_id(value: str) -> str | None:
    """A Message-ID as events hold it; None for an empty one."""
    return value.strip()[:1024] or None


def key_part(value: str) -> str:
    """A text as part of a fact's key: one that may hold an address as its digest."""
    return hashlib.sha256(value.encode()).hexdigest()[:32] if "@" in value else value


@lru_cache(_MOST_NAMES)
def ip(value: str) -> str | None:
    """An IP address as events hold it; None for what can't be one."""
    return value if _IP(value) else None
