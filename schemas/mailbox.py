"""Addresses as people, lists and callers name a recipient: taken when they are one address, refused when they are not.

Who is asked about by another spelling than the one that is suppressed would be called not suppressed: `<jo@a.example>`,
`Jo <jo@a.example>`, `jo@a.example,`. What mail and webhooks bring is read elsewhere, and not held to this.
"""

import re
import unicodedata
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from schemas.recipient import InvalidAddress, normalised

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u0080-\U0010ffff-]+").fullmatch
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"').fullmatch
_LABELS = re.compile(
    r"(?!.{254})(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_UNSEEN = ("C", "Z", "Pi", "Pf", "Ps", "Pe")
"""Unicode's categories of what stands around an address, or is not seen at all: controls, blanks, quotes, brackets."""


def mailbox(text: str) -> str:
    """The one address that a text is, without the blanks around it and one pair of angle brackets.

    A Mailbox of RFC 5321, 4.1.2: local part an atom string or quoted, in UTF-8 too (RFC 6531, 3.3); domain of at least two
    labels, or an address literal. Dots may stand anywhere in a local part, as some providers in Japan gave them out. Raises
    InvalidAddress, which says what is wrong and does not repeat the text.
    """
    given = text.strip()
    if given.startswith("<") and given.endswith(">"):
        given = given[1:-1].strip()
    local, at, domain = given.rpartition("@")
    if not at:
        raise InvalidAddress("it has no @")
    if not (_ATOMS(local) or _QUOTED(local)) or not _is_seen(local):
        raise InvalidAddress(
            "one address is wanted, as in jo@example.com, and what is before its @ is no local part"
        )
    _require_domain(domain)
    return given


def _is_seen(local: str) -> bool:
    return local.isascii() or not any(
        unicodedata.category(letter).startswith(_UNSEEN) for letter in local if letter > "\x7f"
    )


def _require_domain(domain: str) -> None:
    if domain.startswith("[") and domain.endswith("]"):
        _require_literal(domain[1:-1])
        return
    ascii_domain = normalised(f"x@{domain}")[2:] if domain else ""
    if not _LABELS.fullmatch(ascii_domain):
        raise InvalidAddress(
            "one address is wanted, as in jo@example.com, and what follows its @ is no domain of two labels or more"
        )


def _require_literal(inner: str) -> None:
    try:
        if inner[:5].lower() == "ipv6:":
            IPv6Address(inner[5:])
        else:
            IPv4Address(inner)
    except AddressValueError:
        raise InvalidAddress(
            "the literal after its @ is no IP address: [192.0.2.1], [IPv6:2001:db8::1]"
        ) from None
