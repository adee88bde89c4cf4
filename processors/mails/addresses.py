"""Addresses as mail writes them: found in fields and texts, and told from what only looks like one."""

import re
from urllib.parse import unquote

from schemas.recipient import InvalidAddress, normalised

_SHAPE = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u0080-\U0010ffff-]{1,128}@"
    r"(?:[A-Za-z0-9\u0080-\U0010ffff_-]{1,63}(?:\.[A-Za-z0-9\u0080-\U0010ffff_-]{1,63}){0,12}|\[[0-9A-Fa-f.:IPv]{3,60}\])"
)
_QUOTED = re.compile(r'"((?:[^"\\\r\n]|\\.){1,128})"@([A-Za-z0-9.-]{1,253})')
_FULL_WIDTH = str.maketrans("：；，。、（）〈〉《》「」『』【】［］＜＞　", ":;, ,()<><><><>[][]<> ")
"""Punctuation that East Asian texts set right beside an address."""
_GLUED_LABEL = re.compile(r".*[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af](?=[A-Za-z0-9][!-~]*$)")
_GLUED_REST = re.compile(r"(\.[A-Za-z]{2,24})[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af].*$")
_LABELS = re.compile(r"^(?:smtp|rfc822|rfc-822|mailto|rcpt|to|addr|address|e?mail|recipient)=", re.I)
_UNICODE = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_NOT_BARE = re.compile(r"[\s<>(),;:\\*|/]|@.*@|=\?")
_NAMED = re.compile(r'"\s{0,9}<[^"<>]{0,64}$')
"""A name in quotes, and what comes after it in angle brackets."""
_HEX = re.compile(r"\+([0-9A-F]{2})")
ADDRESSES = 20_000
"""How many addresses are looked at in one place."""


def addresses_in(text: str, limit: int = ADDRESSES) -> list[str]:
    """Every address in a field or text, in order, once each (whatever the letter case)."""
    if "@" not in text:
        return []
    found: dict[str, str] = {}
    text = text if text.isascii() else text.translate(_FULL_WIDTH)
    for match in _SHAPE.finditer(text):
        shape, end = match.group(0), match.end()
        if not shape.isascii() and not (text[: match.start()].endswith("<") and text.startswith(">", end)):
            shape = _unglued(shape)
        is_more = text.startswith("..", end) or (
            text.startswith("@", end) and "." not in shape.rpartition("@")[2]
        )
        address = "" if is_more else _trimmed(shape)
        if address:
            found.setdefault(address.lower(), address)
            if len(found) >= limit:
                break
    return list(found.values())


def address_in(text: str) -> str | None:
    """The first address in a field: within angle brackets where there are any."""
    if "@" not in text:
        return None
    quoted = _QUOTED.search(text)
    if quoted:
        return f'"{quoted.group(1)}"@{quoted.group(2)}'
    opened = text.rfind("<")
    if opened >= 0:
        inner = addresses_in(text[opened:], 1)
        if inner:
            return inner[0]
    found = addresses_in(text, 1)
    return found[0] if found else None


def _unglued(shape: str) -> str:
    """Without the words that languages which put no blanks between words put right before and after it."""
    local, _, domain = shape.partition("@")
    return _GLUED_LABEL.sub("", local) + "@" + _GLUED_REST.sub(r"\1", domain)


def _trimmed(address: str) -> str:
    """Without the punctuation that a sentence puts around it."""
    local, _, domain = address.rpartition("@")
    if local.endswith(".."):
        return ""
    local = local.lstrip("'`*=|/.!?#$&^~-{}")
    domain = domain.rstrip("-_.")
    local = _LABELS.sub("", local)
    return f"{local}@{domain}" if local and domain else ""


def typed_address(value: str) -> str | None:
    """The address in a field of the form `type; address` (RFC 3464, 2.3.1; RFC 6533, 3); None where it has none.

    Types that are none of mail's (x400) give one only where it is written as mail's.
    """
    kind, separator, rest = value.partition(";")
    if not separator:
        kind, rest = "rfc822", value
    kind, rest = kind.strip().lower(), rest.strip()
    if kind == "utf-8":
        rest = _UNICODE.sub(_character, rest)
    if "+" in rest and "+40" in rest and "@" not in rest:
        rest = _HEX.sub(lambda match: chr(int(match.group(1), 16)), rest)
    if kind in ("x400", "x500"):
        return None
    rest = rest.replace("\\", "") if "\\@" in rest else rest
    return _as_it_stands(rest) or address_in(rest)


def without_xtext(address: str) -> str:
    """An address as it was before RFC 3461's xtext, which a report should not have any more."""
    return _HEX.sub(lambda match: chr(int(match.group(1), 16)), address)


def _as_it_stands(rest: str) -> str | None:
    """A field that holds an address and nothing else: taken to the letter, whatever shape it has."""
    bare = rest.removeprefix("<").removesuffix(">").strip()
    local, _, domain = bare.rpartition("@")
    if (
        not local
        or not domain
        or len(bare) > 320
        or local.endswith("..")
        or ".." in domain
        or _NAMED.search(local)
    ):
        return None
    if _NOT_BARE.search(bare if not local.startswith('"') else domain):
        return None
    return bare


def _character(match: re.Match[str]) -> str:
    number = int(match.group(1), 16)
    return chr(number) if 0x20 <= number < 0x110000 and not 0xD800 <= number < 0xE000 else ""


def domain_of(address: str | None) -> str | None:
    """The domain of an address, in lower case and as A-labels; None where it is none that an event can hold."""
    if not address:
        return None
    domain = address.rpartition("@")[2].strip("[]<>. ").lower()
    if not domain.isascii():
        try:
            domain = normalised(f"x@{domain}")[2:]
        except InvalidAddress:
            return None
    return domain if domain and len(domain) <= 253 and "@" not in domain and not _has_space(domain) else None


def _has_space(text: str) -> bool:
    return any(character.isspace() for character in text)


def host_of(value: str) -> str | None:
    """The host in `dns; mx.example.com (192.0.2.1, ...)`, in lower case; None where it has none."""
    kind, separator, rest = value.partition(";")
    words = (rest if separator else kind).replace(",", " ").split()
    host = words[0].strip("[]()<>.").lower() if words else ""
    if not host or "@" in host or len(host) > 253 or "." not in host or not re.fullmatch(r"[\w.:-]+", host):
        return None
    return host


def is_unaddressable(address: str) -> bool:
    """Whether nobody is behind the address: mailer daemons and their like."""
    local = address.partition("@")[0].lower()
    return local.startswith(("mailer-daemon", "postmaster", "mail-daemon", "maildaemon", "no-reply", "noreply",
                             "do-not-reply", "donotreply", "microsoftexchange", "mailerdaemon"))  # fmt: skip


def any_replaced(text: str) -> str:
    """A text with everything that has the shape of an address replaced by `<address>`, top-level domain or not."""
    return _SHAPE.sub("<address>", text) if "@" in text else text


def forms_of(address: str) -> tuple[str, ...]:
    """How an address is written within other things: as it is, in VERP, in URLs."""
    local, _, domain = address.rpartition("@")
    return tuple(
        f"{local}{sign}{domain}".lower() for sign in ("@", "=", "%40", "(a)", "_at_", "-at-", "=40", " at ")
    )


def from_verp(place: dict[str, str]) -> str | None:
    """The address that the names of a VERP pattern make; None where they make none."""
    local, domain = place.get("local"), place.get("domain")
    if place.get("address"):
        local, _, domain = unquote(place["address"]).replace("@", "=").rpartition("=")
    if not local or not domain:
        return None
    return f"{unquote(local)}@{domain}"
