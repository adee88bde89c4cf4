"""Compressed streams to bytes: as much as can be read of a damaged one, and never more than the budget allows."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import NamedTuple

from processors.documents.limits import Budget

PIECE = 16 * 1024
"""Compressed bytes fed at a time."""
OUTPUT = 256 * 1024
"""Unpacked bytes taken at a time."""
LZMA_MEMORY = 64 * 1024 * 1024
"""What an xz stream may ask for as its dictionary, bytes."""

GZIP = b"\x1f\x8b"
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT = 2, 4, 8, 16


class Stream(NamedTuple):
    """One compressed stream, read."""

    content: bytes
    end: int
    """Where in the input the stream ended."""
    problem: str | None = None
    """Why `content` is not all of it."""


Decompressor = bz2.BZ2Decompressor | lzma.LZMADecompressor


def inflate(data: bytes, start: int, stop: int, budget: Budget) -> Stream:
    """Read a raw deflate stream (RFC 1951) that begins at `start`. Raises OverBudget."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    gathered = _Gathered(budget)
    at = start
    while not inflater.eof:
        piece = data[at : min(at + PIECE, stop)]
        before = inflater.copy()
        try:
            got = inflater.decompress(piece, OUTPUT)
        except zlib.error as error:
            _until_error(before, piece, gathered)
            return Stream(gathered.content(), at, f"the compressed data is damaged ({error})")
        used = len(piece) - len(inflater.unconsumed_tail) - len(inflater.unused_data)
        at += used
        gathered.add(got)
        if not inflater.eof and not used and not got:
            return Stream(gathered.content(), at, "the compressed data ends early")
    return Stream(gathered.content(), at)


def _until_error(inflater: "zlib._Decompress", piece: bytes, gathered: "_Gathered") -> None:
    """Take what comes before the byte that can't be read; zlib forgets it when it fails on the whole piece."""
    try:
        for byte in piece:
            gathered.add(inflater.decompress(bytes((byte,))))
    except zlib.error:
        return


def expand(decompressor: Decompressor, data: bytes, start: int, stop: int, budget: Budget) -> Stream:
    """Read a bzip2 or LZMA stream that begins at `start`. Raises OverBudget."""
    gathered = _Gathered(budget)
    at = start
    while not decompressor.eof:
        piece = data[at : min(at + PIECE, stop)] if decompressor.needs_input else b""
        at += len(piece)
        try:
            got = decompressor.decompress(piece, OUTPUT)
        except (OSError, ValueError, EOFError, lzma.LZMAError) as error:
            return Stream(gathered.content(), at, f"the compressed data is damaged ({error})")
        gathered.add(got)
        if not decompressor.eof and decompressor.needs_input and at >= stop:
            return Stream(gathered.content(), at, "the compressed data ends early")
    return Stream(gathered.content(), at - len(decompressor.unused_data))


def gunzip(data: bytes, budget: Budget) -> tuple[list[Stream], str | None]:
    """Every member of a gzip file (RFC 1952), and what was odd after the last. Raises OverBudget."""
    streams: list[Stream] = []
    at = 0
    while data.startswith(GZIP, at):
        budget.member()
        body = _gzip_body(data, at)
        if body is None:
            return streams, "a gzip header can't be read"
        stream = inflate(data, body, len(data), budget)
        trailer = data[stream.end : stream.end + 8]
        if stream.problem is None:
            stream = stream._replace(problem=_trailer_problem(stream.content, trailer))
        streams.append(stream)
        at = stream.end + len(trailer)
        if stream.problem is not None and not data.startswith(GZIP, at):
            return streams, None
    left = len(data[at:].strip(b"\x00\r\n "))
    return streams, f"{left} bytes follow the gzip stream" if left else None


def _trailer_problem(content: bytes, trailer: bytes) -> str | None:
    if len(trailer) < 8:
        return "the gzip trailer is missing"
    if zlib.crc32(content) != int.from_bytes(trailer[:4], "little"):
        return "the gzip checksum does not match"
    if len(content) & 0xFFFFFFFF != int.from_bytes(trailer[4:], "little"):
        return "the gzip length does not match"
    return None


def _gzip_body(data: bytes, at: int) -> int | None:
    """Where the deflate stream of the gzip member at `at` begins; None when the header can't be read."""
    if len(data) < at + 10 or data[at + 2] != zlib.DEFLATED:
        return None
    flags = data[at + 3]
    at += 10
    if flags & _FEXTRA:
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for flag in (_FNAME, _FCOMMENT):
        if flags & flag:
            at = data.find(b"\x00", at) + 1
            if not at:
                return None
    if flags & _FHCRC:
        at += 2
    return at if at < len(data) else None


def bunzip2(data: bytes, budget: Budget) -> tuple[list[Stream], str | None]:
    """Every stream of a bzip2 file. Raises OverBudget."""
    return _streams(data, b"BZh", bz2.BZ2Decompressor, budget)


def unxz(data: bytes, budget: Budget) -> tuple[list[Stream], str | None]:
    """Every stream of an xz file. Raises OverBudget."""
    return _streams(data, b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(memlimit=LZMA_MEMORY), budget)


def _streams(
    data: bytes, magic: bytes, make: Callable[[], Decompressor], budget: Budget
) -> tuple[list[Stream], str | None]:
    streams: list[Stream] = []
    at = 0
    while data.startswith(magic, at):
        budget.member()
        stream = expand(make(), data, at, len(data), budget)
        streams.append(stream)
        at = stream.end
        if stream.problem is not None:
            return streams, None
    left = len(data[at:].strip(b"\x00\r\n "))
    return streams, f"{left} bytes follow the compressed stream" if left else None


class _Gathered:
    """Unpacked bytes, each counted against the budget before more are made."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        if not piece:
            return
        self._size += len(piece)
        self._budget.check_member(self._size)
        self._budget.spend(len(piece))
        self._pieces.append(piece)

    def content(self) -> bytes:
        return b"".join(self._pieces)
