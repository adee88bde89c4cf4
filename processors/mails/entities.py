"""The parts of a mail that may tell something (RFC 2045, 2046), found without copying it.

The walk in processors/documents/mail.py decodes every leaf, to find reports in attachments; here an attachment of 50 MB
is stepped over, and what a part says of itself (type, charset, the header it has as a returned message) matters.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from processors.mails.fields import HEADER_BYTES, Fields, parameters_of
from processors.mails.text import TEXT_BYTES, text_of, text_of_html
from processors.mails.transfer_encoding import decoded

DEPTH = 10
"""Multiparts within each other; what lies deeper is not looked at."""
PARTS = 1000
"""How many parts of a mail are looked at."""
STATUS_BYTES = 8 * 1024 * 1024
"""How much of a part in fields (delivery status, feedback report, returned message) is read."""

_A_BOUNDARY = re.compile(rb"(?:^|\n)--([!-~]{4,100})[ \t]{0,20}\r?\n[Cc]ontent-", re.M)


@dataclass(frozen=True, slots=True)
class Entity:
    """One leaf of a mail: its header, and where its body lies."""

    fields: Fields
    content_type: str
    parameters: dict[str, str]
    data: bytes
    start: int
    end: int

    @property
    def is_text(self) -> bool:
        """Whether it is written for people."""
        return self.content_type.startswith("text/") and not self.content_type.startswith("text/rfc822")

    def content(self, limit: int = STATUS_BYTES) -> bytes:
        """The first bytes of its body, transfer encoding undone."""
        encoding = self.fields.get("content-transfer-encoding").strip().lower()
        return decoded(self.data[self.start : min(self.end, self.start + limit)], encoding)

    def text(self) -> str:
        """Its text; HTML as what a reader sees."""
        text = text_of(self.content(TEXT_BYTES * 2), self.parameters.get("charset", ""))
        return text_of_html(text) if self.content_type == "text/html" else text.replace("\r\n", "\n")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail's header and its leaves, in order."""

    fields: Fields
    content_type: str
    parameters: dict[str, str]
    leaves: tuple[Entity, ...]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, content: bytes) -> "Mail":
        """The mail in these bytes; any bytes are one."""
        content = _as_lines(content)
        start = 0
        while content.startswith((b"\n", b"\r", b" "), start) and start < 1000:
            start += 1
        if content.startswith((b"From ", b">From "), start):
            start = content.find(b"\n", start) + 1 or len(content)
        warnings: list[str] = []
        end = len(content)
        body = _end_of_header(content, start, end)
        fields = Fields(content[start : min(body, start + 2 * HEADER_BYTES)])
        kind, parameters = _type_of(fields)
        leaves: list[Entity] = []
        for leaf in _leaves(content, body, end, fields, (kind, parameters), 0, warnings):
            if len(leaves) == PARTS:
                warnings.append(f"has more than {PARTS} parts: the rest was not looked at")
                break
            leaves.append(leaf)
        if fields.is_cut:
            warnings.append("has a header so long that the end of it was not read")
        return cls(fields, kind, parameters, tuple(leaves), tuple(dict.fromkeys(warnings)))


def _as_lines(content: bytes) -> bytes:
    """Without what an editor, a shell or an old Macintosh made of a mail: UTF-16, a byte order mark, lines that end in CR."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = content.decode("utf-16", "replace").encode("utf-8", "replace")
    content = content.removeprefix(b"\xef\xbb\xbf").rstrip(b"\x00")
    return content if b"\n" in content else content.replace(b"\r", b"\n")


def _end_of_header(data: bytes, start: int, end: int) -> int:
    """Where the body begins."""
    if data.startswith(b"\n", start):
        return start + 1
    if data.startswith(b"\r\n", start):
        return start + 2
    unix, windows = data.find(b"\n\n", start, end), data.find(b"\n\r\n", start, end)
    if unix < 0 and windows < 0:
        old = data.find(b"\r\r", start, end)
        return end if old < 0 else old + 2
    if unix < 0 or 0 <= windows < unix:
        return windows + 3
    return unix + 2


def _type_of(fields: Fields) -> tuple[str, dict[str, str]]:
    kind, parameters = parameters_of(fields.get("content-type"))
    return (kind if "/" in kind else "text/plain"), parameters


def _leaves(
    data: bytes,
    start: int,
    end: int,
    fields: Fields,
    kind: tuple[str, dict[str, str]],
    depth: int,
    warnings: list[str],
) -> Iterator[Entity]:
    content_type, parameters = kind
    if content_type.startswith("multipart/"):
        if depth >= DEPTH:
            warnings.append(f"MIME parts are nested more than {DEPTH} deep")
            return
        is_divided = False
        for boundary in _boundaries(data, start, end, parameters.get("boundary", "")):
            for at, until in _divided(data, start, end, boundary):
                is_divided = True
                body = _end_of_header(data, at, until)
                inner = Fields(data[at : min(body, until, at + 2 * HEADER_BYTES)])
                yield from _leaves(data, min(body, until), until, inner, _type_of(inner), depth + 1, warnings)
            if is_divided:
                return
        warnings.append("a multipart has no part that its boundary marks")
        content_type, parameters = "text/plain", {}
    yield Entity(fields, content_type, parameters, data, start, end)


def _boundaries(data: bytes, start: int, end: int, declared: str) -> Iterator[bytes]:
    if declared:
        yield declared.encode("utf-8", "replace")
    seen = _A_BOUNDARY.search(data, start, min(end, start + 64 * 1024))
    if seen:
        yield seen.group(1)


def _divided(data: bytes, start: int, end: int, boundary: bytes) -> Iterator[tuple[int, int]]:
    """What lies between the boundary lines; the last part may lack its closing line."""
    newline = rb"\n" if b"\n" in data[start : min(end, start + 4096)] else rb"\r"
    line = re.compile(
        newline + b"--" + re.escape(boundary) + rb"(--)?[ \t]{0,200}\r?(?:" + newline + rb"|\Z)"
    )
    begin: int | None = None
    # A boundary may be the very first line, and one line's end is the next one's beginning.
    at = start - 1 if start else start
    while (found := line.search(data, at, end)) is not None:
        if begin is not None:
            before = found.start()
            yield begin, max(begin, before - 1 if data[before - 1 : before] == b"\r" else before)
        if found.group(1):
            return
        begin = found.end()
        at = begin - 1
    if begin is not None:
        yield begin, end


def header_within(leaf: Entity) -> Fields:
    """The header fields of the message that a leaf holds."""
    content = leaf.content(512 * 1024).lstrip(b"\r\n ")
    if content.startswith((b"From ", b">From ")):
        content = content.partition(b"\n")[2]
    return Fields(content[: _end_of_header(content, 0, len(content))])
