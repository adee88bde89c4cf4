"""The parts of a mail (RFC 2045, 2046), as bytes with their transfer encoding undone.

Made for mail as it arrives: labels that lie, padding that is missing, boundaries that never close. The work is
linear in the size of the mail times the depth of its nesting, which is bounded; the standard library's parser
is asked for header fields only, since its parsing of bodies and of long parameters is not.
"""

import re
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesHeaderParser
from typing import NamedTuple

from processors.documents.limits import Budget
from processors.mails.fields import HEADER_BYTES
from processors.mails.transfer_encoding import decoded

MIME_DEPTH = 10
"""Multiparts and forwarded mails within each other; what lies deeper is not looked at."""
FIELD_CHARACTERS = 2000
"""How much of one field is read."""

_BLANK_LINE = re.compile(rb"\r?\n\r?\n|\r\r")
_REST_OF_LINE = re.compile(rb"(--)?[ \t]*(?:\r\n|\r|\n|\Z)")
_BAD_FIELDS = (ValueError, TypeError, IndexError, LookupError, AttributeError)


class Part(NamedTuple):
    """One leaf of a mail."""

    name: str
    """Its file name, or `part-n`; forwarded mails and unnamed multiparts add none."""
    content: bytes
    problem: str | None = None


def parts(mail: bytes, budget: Budget) -> Iterator[Part]:
    """Every leaf of a mail, in order. Raises OverBudget."""
    if mail.startswith((b"From ", b">From ")):
        mail = mail.partition(b"\n")[2]
    for number, (name, content, problem) in enumerate(_leaves(mail, 0, budget), start=1):
        yield Part(name or f"part-{number}", content, problem)


def _leaves(entity: bytes, depth: int, budget: Budget) -> Iterator[tuple[str | None, bytes, str | None]]:
    budget.member()
    header, body = _split(entity)
    fields = _Fields(header)
    if depth >= MIME_DEPTH:
        yield fields.filename, b"", f"MIME parts are nested more than {MIME_DEPTH} deep"
        return
    if fields.boundary is not None:
        is_divided = False
        for part in _divided(body, fields.boundary):
            is_divided = True
            yield from _leaves(part, depth + 1, budget)
        if is_divided:
            return
    content = decoded(body, fields.encoding)
    budget.spend(len(content))
    if fields.content_type == "message/rfc822":
        yield from _leaves(content.lstrip(b"\r\n"), depth + 1, budget)
    else:
        yield fields.filename, content, None


def _split(entity: bytes) -> tuple[bytes, bytes]:
    if entity.startswith((b"\n", b"\r")):
        return b"", entity.removeprefix(b"\r").removeprefix(b"\n")
    blank = _BLANK_LINE.search(entity)
    if blank is None:
        return entity, b""
    return entity[: blank.start()], entity[blank.end() :]


class _Fields:
    """The header fields that say what a part is."""

    def __init__(self, header: bytes) -> None:
        parsed = BytesHeaderParser().parsebytes(header[:HEADER_BYTES])
        short: Message[str, str] = Message()
        for field in ("Content-Type", "Content-Transfer-Encoding", "Content-Disposition"):
            value = parsed.get(field)
            if value is not None:
                short[field] = " ".join(str(value)[:FIELD_CHARACTERS].split())
        self.encoding = str(short.get("Content-Transfer-Encoding", "")).strip().lower()
        try:
            self.content_type = short.get_content_type()
            boundary = short.get_boundary() if short.get_content_maintype() == "multipart" else None
        except _BAD_FIELDS:
            self.content_type, boundary = "application/octet-stream", None
        try:
            self.filename = short.get_filename() or None
        except _BAD_FIELDS:
            self.filename = None
        self.boundary = boundary.encode("utf-8", "surrogateescape") if boundary else None


def _divided(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """What lies between the boundary lines; the last part may lack its closing line."""
    delimiter = b"--" + boundary
    start: int | None = None
    at = body.find(delimiter)
    while at >= 0:
        line = _REST_OF_LINE.match(body, at + len(delimiter))
        if line is not None and (at == 0 or body[at - 1] in b"\r\n"):
            if start is not None:
                yield body[start : max(start, at - (2 if body.startswith(b"\r\n", at - 2) else 1))]
            if line.group(1):
                return
            start = line.end()
        at = body.find(delimiter, at + len(delimiter))
    if start is not None:
        yield body[start:]
