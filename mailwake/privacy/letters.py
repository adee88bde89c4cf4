"""Every way in which one letter of an address is written in what mail systems, webhooks and browsers send, as patterns."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

BREAK = (
    rb"(?:\x00|[=%]00|=(?:3D)*[ \t]*+\r?\n|\\\r?\n|_?\?=[ \t]*+(?:\r?\n)?[ \t]++=\?[\w*-]{2,40}\?[qQ]\?"
    rb"|\xc2\xad|\xe2\x80[\x8b-\x8d]|<wbr ?/?>|&(?:shy|ZeroWidthSpace|#173|#8203|#xAD|#x200B);)*+"
)
"""What may stand between two letters and is not seen: the zeros of UTF-16 and UTF-32, escaped or not, a soft line break, the seam of two
encoded words, soft hyphens and spaces of no width."""

BACKSLASHES = rb"(?<!\\)\\++"
"""Those of an escape within texts within texts, from the first of them on: so that a run of them is gone through once."""

_DOTS = "\u3002\uff0e\uff61"
"""What stands for a dot in a domain (RFC 3490, 3.1; UTS 46)."""


def spelled(text: str) -> bytes:
    """A pattern of a text, in any of the ways in which each of its letters is written."""
    return BREAK.join(map(letter, text))


def spelled_domain(domain: str) -> bytes:
    """The same of a domain, whose dots may be others."""
    dot = b"(?:" + b"|".join(letter(one) for one in ("." + _DOTS)) + b")"
    return BREAK.join(dot if one == "." else letter(one) for one in domain)


def letter(one: str) -> bytes:
    """Every way in which one letter is written, in both cases, composed or not."""
    forms: list[bytes] = []
    for case in dict.fromkeys((one, one.lower(), one.upper())):
        for variant in dict.fromkeys((case, unicodedata.normalize("NFD", case))):
            for way in _ways(variant):
                if way not in forms:
                    forms.append(way)
    return b"(?:" + b"|".join(forms) + b")"


def _ways(text: str) -> Iterator[bytes]:
    """Of a letter, which may be several code points."""
    encoded = text.encode()
    units = _units(text)
    yield re.escape(encoded)
    if len(encoded) > 1:
        yield _wide(text.encode("utf-16-le"))
        yield _wide(text.encode("utf-16-be"))
        if len(text) == 1 and ord(text) < 256:
            yield re.escape(text.encode("latin-1"))
            yield b"(?:=|%%)%02x" % ord(text)
    # Quoted-printable (RFC 2045, 6.7), percent (RFC 3986, 2.1), xtext (RFC 3461, 4); the first two of themselves as well.
    yield BREAK.join(b"(?:[=+](?:3D)*|%%(?:25)*(?:3D)*)%02x" % byte for byte in encoded)
    yield b"".join(BACKSLASHES + b"u%04x" % unit for unit in units)
    # RFC 6533, 3, and programs of today.
    yield b"".join(BACKSLASHES + rb"[ux]\{0*" + b"%x" % ord(point) + rb"\}" for point in text)
    yield b"".join(BACKSLASHES + b"(?:x%02x|%03o)" % (byte, byte) for byte in encoded)
    if len(encoded) == 1 and not text.isalnum():
        yield rb"\\" + re.escape(encoded)
    yield b"".join(map(_entity, text))


def _wide(encoded: bytes) -> bytes:
    """A letter in UTF-16, each byte as it is or in quoted-printable."""
    return b"".join(b"(?:" + re.escape(bytes((byte,))) + b"|=%02x)" % byte for byte in encoded)


def _entity(point: str) -> bytes:
    """A code point in HTML, escaped again however often."""
    names = b"".join(b"|" + name for name in _names().get(point, ()))
    return b"&(?:amp;)*(?:#0*%d;?|#x0*%x;?" % (ord(point), ord(point)) + names + b")"


@cache
def _names() -> dict[str, list[bytes]]:
    """The names that HTML has for letters, each with its semicolon."""
    from html.entities import html5

    names: dict[str, list[bytes]] = {}
    for name, text in html5.items():
        if len(text) == 1 and name.endswith(";"):
            names.setdefault(text, []).append(re.escape(name.encode()))
    return names


def _units(text: str) -> list[int]:
    encoded = text.encode("utf-16-be")
    return [int.from_bytes(encoded[at : at + 2], "big") for at in range(0, len(encoded), 2)]
