"""Texts within texts, unescaped as a whole: strings of JSON, and what is percent-encoded, as forms are.

What is written letter by letter is found without this (`letters.py`); but in an unescaped text blanks are blanks, lines
end, and so what is encoded in its lines is found: the base64 of a mail in a JSON string, a body posted as a form.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from urllib.parse import quote_from_bytes, unquote_to_bytes

from mailwake.privacy.layers import Layer, Spends

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)++"', re.DOTALL)
"""A string of JSON with an escape in it (RFC 8259, 7); line ends may stand in it, as programs write them."""

_PLAIN = rb"\w.+*~!'()@:/?,;$\-"
_PERCENT = re.compile(rb"[" + _PLAIN + rb"]*+(?:%[0-9A-Fa-f]{2}[" + _PLAIN + rb"]*+)++")
"""A value in a form or a URL (RFC 3986, 3) in which something is escaped."""


def escaped(content: bytes, budget: Spends) -> Iterator[Layer]:
    """Each such text, in no particular order. Raises OutOfBudget."""
    if b"\\" in content:
        for found in _STRING.finditer(content):
            yield from _string(found, budget)
    if b"%" in content:
        for found in _PERCENT.finditer(content):
            budget.spend(len(found[0]))
            inner = unquote_to_bytes(found[0] if b"%20" in found[0] else found[0].replace(b"+", b" "))
            yield Layer(*found.span(), (inner,), partial(_percent_like, found[0]))


def _string(found: "re.Match[bytes]", budget: Spends) -> Iterator[Layer]:
    budget.spend(len(found[0]))
    try:
        text = json.loads(found[0], strict=False)
        inner = text.encode("utf-8", "surrogatepass")
    except ValueError:
        return
    yield Layer(*found.span(), (inner,), partial(_string_like, found[0]))


def _string_like(raw: bytes, inner: Sequence[bytes]) -> bytes:
    """Escaped as the string was: letters beyond ASCII where it has none, slashes where it has them."""
    text = inner[0].decode("utf-8", "surrogatepass")
    has_half = re.search("[\ud800-\udfff]", text) is not None
    written = json.dumps(text, ensure_ascii=has_half or raw.isascii())
    return (written.replace("/", "\\/") if b"\\/" in raw else written).encode()


def _percent_like(raw: bytes, inner: Sequence[bytes]) -> bytes:
    """Escaped as the value was: a blank as + where it was, and nothing that it has unescaped."""
    blank_as_plus = b"+" in raw and b"%20" not in raw
    unescaped = re.sub(rb"%..|[\w+]", b"", raw)
    written = quote_from_bytes(inner[0], safe=unescaped + (b" " if blank_as_plus else b""))
    return (written.replace(" ", "+") if blank_as_plus else written).encode()
