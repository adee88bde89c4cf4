"""Log files as bytes from any offset on, be they plain or compressed, finished or still being written."""

import bz2
import lzma
import os
import sys
import zlib
from pathlib import Path
from typing import Protocol

PIECE = 256 * 1024
"""Compressed bytes read at a time."""
MEMORY = 128 * 2**20
"""What an xz stream may ask for as its dictionary, bytes."""


class UnreadableLog(ValueError):
    """A compressed file that is damaged: says where."""


class _Unpacker(Protocol):
    """One compressed stream."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(31)
        self.eof, self.needs_input, self.unused_data = False, True, b""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        got = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self.eof, self.unused_data = self._stream.eof, self._stream.unused_data
        self.needs_input = not self.eof and len(got) < max_length and not self._stream.unconsumed_tail
        return got


class _Zstd:
    def __init__(self) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        self._stream, self._damaged = zstd.ZstdDecompressor(), zstd.ZstdError

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return self._stream.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        try:
            return self._stream.decompress(data, max_length)
        except self._damaged as error:
            raise ValueError(str(error)) from None


def _unpacker(magic: bytes) -> "_Unpacker | None":
    if magic.startswith(b"\x1f\x8b"):
        return _Gzip()
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return _Zstd()
    if magic.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    if magic.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMADecompressor(memlimit=MEMORY)
    return None


class LogBytes:
    """One open file. Offsets are of what it holds, unpacked."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises OSError."""
        self.path = path
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._magic = os.pread(self._file, 6, 0)
        self._start()

    def _start(self) -> None:
        self._unpacker = _unpacker(self._magic)
        self._at = self._unpacked = 0
        self._last = b""
        self._failure: UnreadableLog | None = None

    @property
    def compressed(self) -> bool:
        """Whether it is."""
        return self._unpacker is not None

    @property
    def damaged(self) -> bool:
        """Whether it was read up to where it can't be read any further."""
        return self._failure is not None

    @property
    def packed_left(self) -> int:
        """How much of a packed file is still to be unpacked, in bytes of the file."""
        return max(0, self.stat().st_size - self._at)

    def stat(self) -> os.stat_result:
        """Of the open file, wherever its name went."""
        return os.fstat(self._file)

    def ended_at(self) -> int | None:
        """How much a finished gzip file of one member holds, by its last four bytes (RFC 1952, 2.3.1); else None."""
        size = self.stat().st_size
        if not self._magic.startswith(b"\x1f\x8b") or size < 18 or size > 2**30:
            return None
        return int.from_bytes(os.pread(self._file, 4, size - 4), "little")

    def read(self, offset: int, size: int) -> bytes:
        """At most so many bytes from an offset on; none at what is the end by now.

        Raises UnreadableLog where nothing is left before the damage, however often it is asked; OSError.
        """
        if self._unpacker is None:
            if not self._magic:
                self._magic = os.pread(self._file, 6, 0)
                self._start()
                if self._unpacker is not None:
                    return self.read(offset, size)
            return os.pread(self._file, size, offset)
        back = self._unpacked - offset
        if back > len(self._last):
            self._start()
            back = -offset
        while self._unpacked < offset:
            if not self._next(min(PIECE, offset - self._unpacked)):
                return b""
        # Who reads line by line asks again for the one that the last piece had only the beginning of.
        got = [self._last[len(self._last) - back :][:size]] if back > 0 else []
        try:
            while (wanted := size - sum(map(len, got))) > 0 and (some := self._next(wanted)):
                got.append(some)
        except UnreadableLog:
            if not got:
                raise
        return b"".join(got)

    def _next(self, most: int) -> bytes:
        """The next bytes, unpacked; none where the file has no more of them yet."""
        if self._failure is not None:
            raise self._failure
        try:
            return self._unpacked_next(most)
        except UnreadableLog as error:
            self._failure = error
            raise

    def _unpacked_next(self, most: int) -> bytes:
        unpacker = self._unpacker
        assert unpacker is not None
        while True:
            try:
                if unpacker.eof:
                    rest = unpacker.unused_data + os.pread(self._file, PIECE, self._at)
                    if not rest.strip(b"\0"):
                        return b""
                    following = _unpacker(rest)
                    if following is None:
                        if len(rest) < 6:
                            return b""
                        raise UnreadableLog(f"{self.path}: something else follows what is compressed")
                    self._at += len(rest) - len(unpacker.unused_data)
                    unpacker = self._unpacker = following
                    got = unpacker.decompress(rest, most)
                elif unpacker.needs_input:
                    piece = os.pread(self._file, PIECE, self._at)
                    if not piece:
                        return b""
                    self._at += len(piece)
                    got = unpacker.decompress(piece, most)
                else:
                    got = unpacker.decompress(b"", most)
            except (zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
                if isinstance(error, UnreadableLog) or (isinstance(error, OSError) and error.errno):
                    raise
                raise UnreadableLog(
                    f"{self.path}: damaged after {self._unpacked} bytes unpacked ({error})"
                ) from None
            if got:
                self._unpacked += len(got)
                self._last = (self._last + got)[-PIECE:]
                return got

    def close(self) -> None:
        """Close it."""
        os.close(self._file)
