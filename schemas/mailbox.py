"""Addresses as people, lists, callers and programs name a recipient: taken when they are one address, else refused.

Who is asked about by another spelling than the one that is suppressed would be called not suppressed: `<jo@a.example>`,
`Jo <jo@a.example>`, `jo@a.example,`. What people name has a domain that mail can be sent to from anywhere; what a program
tells of may have been mailed within a network (`root@localhost`, `jo@mail_host.lan`). What mail and webhooks bring is read
elsewhere, and not held to this.
"""

import re
import unicodedata
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from schemas.recipient import InvalidAddress, normalised

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u0080-\U0010ffff-]+").fullmatch
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"').fullmatch
_LABELS = re.compile(
    r"(?!.{254})(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_HOST = re.compile(
    r"(?!.{254})(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)
_USUAL = re.compile(
    r"(?!.{255})[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@(?!.{254})(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
).fullmatch
"""What nearly all addresses are: asked first, since a program tells of thousands a second."""
LONGEST = 254
"""Octets of an address: a path of SMTP has 256, and its brackets are two of them (RFC 5321, 4.5.3.1.3)."""
_UNSEEN = ("C", "Z", "Pi", "Pf", "Ps", "Pe")
"""Unicode's categories of what stands around an address, or is not seen at all: controls, blanks, quotes, brackets."""


def mailbox(text: str) -> str:
    """The one address that a text is, without the blanks around it and one pair of angle brackets.

    A Mailbox of RFC 5321, 4.1.2: local part an atom string or quoted, in UTF-8 too (RFC 6531, 3.3); domain of at least two
    labels, or an address literal. Dots may stand anywhere in a local part, as some providers in Japan gave them out. Raises
    InvalidAddress, which says what is wrong and does not repeat the text.
    """
    given, domain = _split(text)
    if not _is_literal(domain) and not _LABELS.fullmatch(_in_ascii(domain)):
        raise InvalidAddress(
            "one address is wanted, as in jo@example.com, and what follows its @ is no domain of two labels or more"
        )
    return given


def mailed(text: str) -> str:
    """The one address that a program says it mailed, without blanks around it and one pair of angle brackets.

    As `mailbox`, and the domain may be a single label, and have underscores; at most 254 octets in UTF-8, of which the local
    part may be more than 64 (4.5.3.1.1), as those are that bounces and replies come back to. Raises InvalidAddress likewise.
    """
    if _USUAL(text):
        return text
    given, domain = _split(text)
    if len(given.encode("utf-8", "surrogatepass")) > LONGEST:
        raise InvalidAddress(f"one address is wanted, and this is longer than the {LONGEST} octets of one")
    if not _is_literal(domain) and not _HOST.fullmatch(_in_ascii(domain)):
        raise InvalidAddress(
            "one address is wanted, as in jo@example.com, and what follows its @ is no domain"
        )
    return given


@lru_cache(4096)
def named_domain(text: str) -> str:
    """The domain that a program or a person names, in the one form it is kept in: lower case, A-labels, no final dot.

    It may be a single label, and have underscores. Raises InvalidAddress, which does not repeat the text.
    """
    given = text.strip()
    name = given[:-1] if given.endswith(".") else given
    try:
        domain = _in_ascii(name.lower()) if "@" not in name else ""
    except InvalidAddress:
        domain = ""
    if not _HOST.fullmatch(domain):
        raise InvalidAddress(
            "a domain alone, as in example.com: no URL, address or brackets, and letters beyond ASCII as A-labels (xn--...)"
        )
    return domain


def _split(text: str) -> tuple[str, str]:
    """The address in a text, its local part looked at, and its domain."""
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
    return given, domain


def _is_seen(local: str) -> bool:
    return local.isascii() or not any(
        unicodedata.category(letter).startswith(_UNSEEN) for letter in local if letter > "\x7f"
    )


def _in_ascii(domain: str) -> str:
    return normalised(f"x@{domain}")[2:] if domain else ""


def _is_literal(domain: str) -> bool:
    """Whether it is an address literal. Raises InvalidAddress for one that holds no IP address."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return False
    inner = domain[1:-1]
    try:
        if inner[:5].lower() == "ipv6:":
            IPv6Address(inner[5:])
        else:
            IPv4Address(inner)
    except AddressValueError:
        raise InvalidAddress(
            "the literal after its @ is no IP address: [192.0.2.1], [IPv6:2001:db8::1]"
        ) from None
    return True
