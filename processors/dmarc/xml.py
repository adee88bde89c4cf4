"""One streaming pass over XML that a stranger wrote, by expat; and one more over a mended copy where it is broken.

A document type declaration is refused as soon as it is seen, and with it every entity: nothing is expanded,
nothing is fetched. A token can't be longer than `TOKEN_BYTES`, so that neither a tag with a million attributes
nor a comment without end costs more than reading it.
"""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn
from xml.parsers import expat

PIECE = 64 * 1024
TOKEN_BYTES = 1024 * 1024
"""The longest tag, comment or declaration that is read."""
MENDABLE_BYTES = 16 * 1024 * 1024
"""Broken XML larger than this is read as far as it goes, not mended."""


class Forbidden(ValueError):
    """XML that must not be read: the message says what is in it."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """What is told of each tag and text, as expat tells it: raw names with their prefix."""

    start: Callable[[str, dict[str, str]], None]
    end: Callable[[str], None]
    text: Callable[[str], None]


def read(xml: bytes, handlers: Handlers) -> str | None:
    """Tell the handlers everything up to the end or the first error; returns the error, None at the end.

    Raises Forbidden on a document type declaration or an entity; handlers' errors pass through.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = handlers.start
    parser.EndElementHandler = handlers.end
    parser.CharacterDataHandler = handlers.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.EntityDeclHandler = _refuse_entity
    parser.ExternalEntityRefHandler = _refuse_entity
    try:
        for start in range(0, len(xml), PIECE):
            end = min(start + PIECE, len(xml))
            parser.Parse(xml[start:end], False)
            if end - parser.CurrentByteIndex > TOKEN_BYTES:
                raise Forbidden(f"a tag or comment is longer than {TOKEN_BYTES} bytes")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        return f"{expat.ErrorString(error.code)} at line {error.lineno}"
    except Forbidden:
        raise
    except (LookupError, ValueError) as error:
        return f"the declared encoding can't be read ({error})"
    return None


def _refuse_doctype(*_: object) -> NoReturn:
    raise Forbidden("has a document type declaration (DOCTYPE), which a report never needs")


def _refuse_entity(*_: object) -> NoReturn:
    raise Forbidden("declares or uses an entity, which a report never needs")


_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']", re.I)
_TEXT_ENCODING = re.compile(
    r"utf-?8|iso-?8859-?\d+|latin-?1|windows-?125\d|cp\d{3,4}|us-?ascii|koi8-[ru]|gb2312|gbk|gb18030|big5"
    r"|euc-(?:jp|kr)|shift_jis|iso-2022-jp",
    re.I,
)
_BEGINNING = re.compile(r"<!doctype|<(?:[\w.-]+:)?feedback\b", re.I)
_DECLARATION = re.compile(r"<\?xml\b[^>]{0,1000}>", re.I)
_ENDING = re.compile(r"</(?:[\w.-]+:)?feedback\s*>", re.I)
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});)")
_REFERENCE = re.compile(r"&#(?:([0-9]{1,7})|x([0-9a-fA-F]{1,6}));")
_WINDOWS = "mailwake.windows-1252"


def mended(xml: bytes) -> tuple[bytes, list[str]]:
    """A copy that more of can be read, as UTF-8, and what was changed.

    Bytes that the declared encoding has no character for are read as windows-1252; what stands before the
    first and after the last tag of a report is cut; characters that XML forbids are dropped; an ampersand that
    begins no reference stands for itself.
    """
    text, changes = _decoded(xml)
    beginning = _BEGINNING.search(text)
    if beginning is not None:
        if _DECLARATION.sub("", text[: beginning.start()]).strip("\ufeff \t\r\n"):
            changes.append("junk before the report was skipped")
        text = text[beginning.start() :]
    end = max((found.end() for found in _ENDING.finditer(text)), default=len(text))
    if text[end:].strip():
        changes.append("junk after the report was skipped")
    text = text[:end]
    for pattern, by, change in (
        (_NOT_XML, "", "control characters were dropped"),
        (_AMPERSAND, "&amp;", "ampersands that begin no reference were read as they stand"),
    ):
        text, times = pattern.subn(by, text)
        if times:
            changes.append(change)
    text = _REFERENCE.sub(_legal_reference, text)
    return text.encode("utf-8", "replace"), changes


def _decoded(xml: bytes) -> tuple[str, list[str]]:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if xml.startswith(mark):
            return _in(xml[len(mark) :], encoding)
    if b"<\x00" in xml[:64] and xml[:64].count(b"\x00") > 16:
        return _in(xml, "utf-16-le")
    if b"\x00<" in xml[:64] and xml[:64].count(b"\x00") > 16:
        return _in(xml, "utf-16-be")
    declared = _DECLARED.search(xml[:4096])
    encoding = declared.group(1).decode("ascii") if declared else "utf-8"
    if not _TEXT_ENCODING.fullmatch(encoding):
        text, changes = _in(xml, "utf-8")
        return text, [f"the declared encoding {encoding} is not what the bytes are; read as UTF-8", *changes]
    return _in(xml, encoding)


def _in(content: bytes, encoding: str) -> tuple[str, list[str]]:
    try:
        return content.decode(encoding), []
    except UnicodeDecodeError:
        if encoding.startswith("utf-16"):
            return content.decode(encoding, "replace"), ["bytes that are no UTF-16 were replaced"]
    except LookupError:
        pass
    return content.decode("utf-8", _WINDOWS), [
        "bytes that the declared encoding has no character for were read as windows-1252"
    ]


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(_windows_character(byte) for byte in wrong), error.end


def _windows_character(byte: int) -> str:
    try:
        return bytes((byte,)).decode("windows-1252")
    except UnicodeDecodeError:
        return chr(byte)


codecs.register_error(_WINDOWS, _as_windows)


def _legal_reference(reference: re.Match[str]) -> str:
    code = int(reference.group(1)) if reference.group(1) else int(reference.group(2), 16)
    is_character = code < 0x110000 and not 0xD800 <= code < 0xE000 and not _NOT_XML.match(chr(code))
    return reference.group() if is_character else "\ufffd"
