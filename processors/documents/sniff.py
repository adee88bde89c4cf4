"""What bytes are, by looking at them: file names and media types are often wrong."""

import re
from typing import Literal

from processors.documents.archives import END, LOCAL
from processors.mails.transfer_encoding import from_base64

Form = Literal["xml", "gzip", "bzip2", "xz", "zip", "tar", "mail", "base64"]

LOOK = 4096
"""Bytes of the beginning that are looked at."""

_MAGIC: tuple[tuple[bytes, Form], ...] = (
    (b"\x1f\x8b\x08", "gzip"),
    (LOCAL, "zip"),
    (END, "zip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)
_BYTE_ORDER_MARKS = re.compile(rb"^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)")
_HTML = re.compile(rb"<(?:!doctype\s+)?html\b", re.I)
_XML = re.compile(
    rb"<\?xml|<!doctype(?!\s+html)|<(?:[\w.-]+:)?feedback\b|<(?:[\w.-]+:)?report_metadata\b", re.I
)
_FIELD = re.compile(rb"(?:>?From [^\n]*\n)?[!-9;-~]{1,76}[ \t]*:")
_MAIL_FIELD = re.compile(
    rb"^(?:received|return-path|from|to|subject|date|message-id|mime-version|content-[a-z-]+|delivered-to"
    rb"|dkim-signature|authentication-results|arc-[a-z-]+|x-[!-9;-~]+)[ \t]*:",
    re.I | re.M,
)
_BASE64_TEXT = re.compile(rb"[A-Za-z0-9+/\s]{16,}={0,2}\s*")
_ZIP_END_WITHIN = 65_557
"""An end-of-directory record begins at most so many bytes before the end of a zip."""


def form_of(content: bytes) -> Form | None:
    """What these bytes are; None when they are nothing that could hold a report."""
    for magic, form in _MAGIC:
        if content.startswith(magic):
            return form
    if content[257:262] == b"ustar":
        return "tar"
    text = _BYTE_ORDER_MARKS.sub(b"", content[:LOOK]).replace(b"\x00", b"").lstrip()
    if text.startswith(b"<"):
        return None if _HTML.match(text) else "xml"
    if _FIELD.match(text) and _MAIL_FIELD.search(text):
        return "mail"
    if _XML.search(text):
        return "xml"
    if LOCAL in content[:LOOK] or content.rfind(END, max(0, len(content) - _ZIP_END_WITHIN)) >= 0:
        return "zip"
    if _BASE64_TEXT.fullmatch(content) and form_of(from_base64(content[:LOOK])) is not None:
        return "base64"
    return None
