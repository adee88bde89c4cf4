"""What bytes can be packed in: the runs of base64 and hex digits in a text, and compressed containers."""

import base64
import binascii
import bz2
import codecs
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Protocol

DEPTH = 8
"""How many layers are opened, one in the other."""

_DIGITS = rb"[A-Za-z0-9+/_\-]"
_LINE_END = rb"(?:[ \t]*\r*\n[ \t>]*|(?:&#(?:13|xD);)?(?:\r?\n|&#(?:10|xA);))"
"""Between two lines of base64: also in an answer that quotes it, in XML."""
_SOFT_END = rb"(?:(?:=0D)?(?:=0A)?=\r*\n|=0D\r*\n)"
"""The same in quoted-printable, where a line may also be broken anywhere; elsewhere it is the end of what is encoded."""
_BETWEEN = re.compile(_LINE_END + b"|" + _SOFT_END + b"|=")
_BROKEN = re.compile(_DIGITS + b"+(" + _LINE_END + b"|" + _SOFT_END + b")")
_WORD = re.compile(rb"=\?([\w*-]{2,40})\?[bB]\?([A-Za-z0-9+/=]*)\?=")
_WORDS = re.compile(_WORD.pattern + rb"(?:[ \t\r\n]+" + _WORD.pattern.replace(b"(", b"(?:") + rb")+")
_ALIGNED_BYTES = 4096
"""Runs up to this many bytes are decoded from each of their first four digits on: a word may stand before what is encoded."""
_BODY = 60
"""Digits of the lines of a body, or more: mails have 76 (RFC 2045, 6.8), PEM 64."""
_CHUNK = 1 << 20
_WHOLE = 1 << 62


class OutOfBudget(Exception):
    """There is more packed in it than is looked through."""


class Spends(Protocol):
    """How much may be unpacked."""

    def spend(self, size: int) -> None:
        """Raises OutOfBudget."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A part of some bytes that holds others, and how to pack those again."""

    start: int
    end: int
    contents: Sequence[bytes]
    packed: Callable[[Sequence[bytes]], bytes]


def runs(content: bytes, budget: Spends, size: int) -> Iterator[Layer]:
    """What is encoded in a text: encoded words that belong together, base64, hex digits; in no particular order.

    Nothing shorter than `size` bytes is looked for.
    """
    yield from _encoded_words(content)
    shapes = _shapes(size)
    for found in shapes.lines.finditer(content):
        yield from _base64(found, budget)
    for found in shapes.hex_digits.finditer(content):
        yield from _hex(found)


def runs_by_line(content: bytes, budget: Spends, size: int) -> Iterator[Layer]:
    """Base64 once more, each line for itself: it may be a list of what is encoded. Long lines of one length are a body."""
    shapes = _shapes(size)
    for some in shapes.lines.finditer(content):
        *lines, _ = some[0].split(b"\n")
        if lines and not (len(lines[0]) >= _BODY and len(set(map(len, lines))) == 1):
            for found in shapes.line.finditer(content, *some.span()):
                yield from _base64(found, budget)


def runs_over_soft_breaks(content: bytes, budget: Spends, size: int) -> Iterator[Layer]:
    """Base64 once more, in quoted-printable."""
    if b"=\n" in content or b"=\r\n" in content or b"=0D" in content:
        for found in _shapes(size).soft.finditer(content):
            if _SOFT.search(found[0]):
                yield from _base64(found, budget)


class _Shapes(NamedTuple):
    """Runs that hold so many bytes or more; many words are shorter."""

    line: "re.Pattern[bytes]"
    lines: "re.Pattern[bytes]"
    soft: "re.Pattern[bytes]"
    hex_digits: "re.Pattern[bytes]"


@cache
def _shapes(size: int) -> _Shapes:
    digits, pairs = min(12, size * 4 // 3), min(8, size)
    line = _DIGITS + b"{%d,}" % digits
    # What begins with two dashes is the boundary behind a part (RFC 2046, 5.1.1).
    more = b"(?:" + _LINE_END + b"(?!--)" + _DIGITS + b"{4,}"
    end = b"(?:" + _LINE_END + _DIGITS + b"{2,3}=)?={0,2}"
    return _Shapes(
        re.compile(line + b"={0,2}"),
        re.compile(line + more + b")*" + end),
        re.compile(line + more + b"|" + _SOFT_END + b"(?!--)" + _DIGITS + b"+)*" + end),
        re.compile(b"(?:[0-9A-Fa-f]{2}){%d,}[0-9A-Fa-f]?" % pairs),
    )


_SOFT = re.compile(_SOFT_END)


def _hex(found: "re.Match[bytes]") -> Iterator[Layer]:
    """Of an odd number of digits the first, or the last, is none of what is encoded."""
    run = found[0]
    upper = run.isupper()
    for skipped in range(2 if len(run) <= _ALIGNED_BYTES or len(run) % 2 else 1):
        usable = run[skipped : len(run) - (len(run) - skipped) % 2]
        head, tail = run[:skipped], run[skipped + len(usable) :]

        def packed(inner: Sequence[bytes], head: bytes = head, tail: bytes = tail) -> bytes:
            digits = inner[0].hex().encode()
            return head + (digits.upper() if upper else digits) + tail

        yield Layer(*found.span(), (bytes.fromhex(usable.decode()),), packed)


def containers(content: bytes, budget: Spends) -> Iterator[Layer]:
    """What the bytes as a whole are packed in: at most one."""
    opened = _opener(content)
    layer = opened(content, budget) if opened else None
    if layer is not None:
        yield layer


def _encoded_words(content: bytes) -> Iterator[Layer]:
    """Encoded words one after the other, as one: what is written may be split between them (RFC 2047, 2)."""
    if b"=?" not in content:
        return
    for found in _WORDS.finditer(content):
        words = list(_WORD.finditer(found[0]))
        try:
            inner = b"".join(base64.b64decode(word[2] + b"==") for word in words)
        except binascii.Error:
            continue
        head = b"=?" + words[0][1] + b"?B?"
        yield Layer(
            *found.span(),
            (inner,),
            lambda cleaned, head=head: head + base64.b64encode(cleaned[0]) + b"?=",  # type: ignore[misc]
        )


def _base64(found: "re.Match[bytes]", budget: Spends) -> Iterator[Layer]:
    run = found[0]
    url_safe = b"-" in run or b"_" in run
    digits = _BETWEEN.sub(b"", run).replace(b"-", b"+").replace(b"_", b"/")
    for skipped in range(4 if len(run) <= _ALIGNED_BYTES else 1):
        usable = digits[skipped:]
        usable = usable[: len(usable) - (len(usable) % 4 == 1)]
        if len(usable) < 8:
            continue
        inner = binascii.a2b_base64(usable + b"=" * (-len(usable) % 4))
        budget.spend(len(inner))
        yield Layer(
            *found.span(),
            (inner,),
            lambda cleaned, skipped=skipped: _base64_like(run, skipped, cleaned[0], url_safe),  # type: ignore[misc]
        )


def _base64_like(run: bytes, skipped: int, content: bytes, url_safe: bool) -> bytes:
    """Encoded as the run was: its first digits, its alphabet, its lines, with padding where it had some."""
    encoded = base64.b64encode(content)
    if not run.endswith(b"=") and b"\n" not in run:
        encoded = encoded.rstrip(b"=")
    if url_safe:
        encoded = encoded.replace(b"+", b"-").replace(b"/", b"_")
    whole = run[:skipped] + encoded
    broken = _BROKEN.match(run)
    if broken is None:
        return whole
    width = broken.start(1)
    return broken[1].join(whole[at : at + width] for at in range(0, len(whole), width))


_Opener = Callable[[bytes, Spends], Layer | None]


def _opener(content: bytes) -> _Opener | None:
    if content.startswith(b"\x1f\x8b"):
        return _gzip
    if content.startswith(b"BZh"):
        return _bzip2
    if content.startswith(b"\xfd7zXZ\x00"):
        return _xz
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip
    if content[257:262] == b"ustar":
        return _tar
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _utf16
    if content[:1] == b"\x78" and len(content) > 2 and int.from_bytes(content[:2], "big") % 31 == 0:
        return _zlib
    return None


def _utf16(content: bytes, budget: Spends) -> Layer | None:
    """A text in UTF-16: what is written out in it is found as it is, what is encoded in it in this."""
    budget.spend(len(content))
    encoding = "utf-16-le" if content.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    even = len(content) // 2 * 2
    text = content[2:even].decode(encoding, "surrogatepass").encode("utf-8", "surrogatepass")

    def packed(inner: Sequence[bytes]) -> bytes:
        again = inner[0].decode("utf-8", "surrogatepass").encode(encoding, "surrogatepass")
        return content[:2] + again + content[even:]

    return Layer(0, _WHOLE, (text,), packed)


def _gzip(content: bytes, budget: Spends) -> Layer | None:
    return _stream(
        gzip.GzipFile(fileobj=io.BytesIO(content)), lambda plain: gzip.compress(plain, mtime=0), budget
    )


def _bzip2(content: bytes, budget: Spends) -> Layer | None:
    return _stream(bz2.BZ2File(io.BytesIO(content)), bz2.compress, budget)


def _xz(content: bytes, budget: Spends) -> Layer | None:
    return _stream(lzma.LZMAFile(io.BytesIO(content)), lzma.compress, budget)


def _zlib(content: bytes, budget: Spends) -> Layer | None:
    return _stream(_Inflated(content), zlib.compress, budget)


class _Reads(Protocol):
    def read1(self, size: int = ..., /) -> bytes: ...


class _Inflated:
    """A zlib stream (RFC 1950), read in pieces."""

    def __init__(self, content: bytes) -> None:
        self._rest, self._one = content, zlib.decompressobj()

    def read1(self, size: int = -1, /) -> bytes:
        """Some bytes, none at the end. Raises zlib.error."""
        out = self._one.decompress(self._rest, size)
        self._rest = self._one.unconsumed_tail
        return out


def _stream(file: _Reads, compress: Callable[[bytes], bytes], budget: Spends) -> Layer | None:
    """A compressed stream, all its members together, as far as it can be read; what can't is left out when it is packed again."""
    plain: list[bytes] = []
    try:
        while piece := file.read1(_CHUNK):
            budget.spend(len(piece))
            plain.append(piece)
    except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError):
        pass  # What was read until there is what a reader of the document can have as well.
    whole = b"".join(plain)
    return Layer(0, _WHOLE, (whole,), lambda inner: compress(inner[0])) if whole else None


def _zip(content: bytes, budget: Spends) -> Layer | None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            contents: list[bytes] = [b""] * len(entries)
            for index, entry in enumerate(entries):
                budget.spend(entry.file_size)
                contents[index] = archive.read(entry)
    except (
        zipfile.BadZipFile,
        OSError,
        EOFError,
        ValueError,
        RuntimeError,
        NotImplementedError,
        zlib.error,
        lzma.LZMAError,
    ):
        return None
    names = [entry.filename.encode("utf-8", "surrogateescape") for entry in entries]

    def packed(inner: Sequence[bytes]) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for index, entry in enumerate(entries):
                again = zipfile.ZipInfo(inner[index].decode("utf-8", "replace"), entry.date_time)
                again.compress_type = entry.compress_type
                again.external_attr = entry.external_attr
                archive.writestr(again, inner[len(entries) + index])
        return out.getvalue()

    return Layer(0, _WHOLE, (*names, *contents), packed)


def _tar(content: bytes, budget: Spends) -> Layer | None:
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            members = archive.getmembers()
            contents: list[bytes] = []
            for member in members:
                budget.spend(max(member.size, 0) if member.isfile() else 0)
                file = archive.extractfile(member) if member.isfile() else None
                contents.append(file.read() if file else b"")
    except (tarfile.TarError, OSError, EOFError, ValueError):
        return None
    names = [member.name.encode("utf-8", "surrogateescape") for member in members]

    def packed(inner: Sequence[bytes]) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for index, member in enumerate(members):
                member.name = inner[index].decode("utf-8", "surrogateescape")
                member.size = len(inner[len(members) + index])
                member.uname = member.gname = ""
                archive.addfile(member, io.BytesIO(inner[len(members) + index]))
        return out.getvalue()

    return Layer(0, _WHOLE, (*names, *contents), packed)
