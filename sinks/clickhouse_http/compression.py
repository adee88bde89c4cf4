"""Compression both ways: HTTP's content encodings, and ClickHouse's own blocks (`compress=1`, `decompress=1`).

Both directions are iterators over chunks, so that a result or an insert of any size passes in little memory.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from struct import Struct
from typing import Protocol

import lz4.block
import lz4.frame
import zstandard

from sinks.clickhouse_http.cityhash import cityhash128
from sinks.clickhouse_http.errors import CANNOT_DECOMPRESS, ClickHouseError

ENCODINGS = ("zstd", "lz4", "gzip", "deflate")
"""Content encodings that are understood, the one preferred first."""

_BLOCK = 1024 * 1024
_LZ4, _ZSTD, _NONE = 0x82, 0x90, 0x02
_HEADER = Struct("<16sBII")
_METHOD_AND_SIZES = Struct("<BII")
_CHECKSUM = 16

_SLICE = 256
"""Compressed bytes taken at a time: zstd makes 32 KiB of one, so 8 MiB of this many."""

_WINDOW = 32 * 1024 * 1024
"""How far back a zstd frame may refer; `zstd -19` uses 8 MiB."""


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: memoryview, /) -> bytes: ...


class _Lz4Frame:
    """lz4's frame compressor, which has a beginning, in the shape of the others, which have none."""

    def __init__(self) -> None:
        self._compressor = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def compress(self, data: bytes) -> bytes:
        begin = b"" if self._begun else bytes(self._compressor.begin())
        self._begun = True
        return begin + bytes(self._compressor.compress(data))

    def flush(self) -> bytes:
        begin = b"" if self._begun else bytes(self._compressor.begin())
        return begin + bytes(self._compressor.flush())


_COMPRESSORS: dict[str, Callable[[], _Compressor]] = {
    "gzip": lambda: zlib.compressobj(level=3, wbits=31),
    "deflate": lambda: zlib.compressobj(level=3, wbits=15),
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    "lz4": _Lz4Frame,
}
_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "x-gzip": lambda: zlib.decompressobj(wbits=31),
    "deflate": lambda: zlib.decompressobj(wbits=15),
    "zstd": lambda: zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj(),
    "lz4": lz4.frame.LZ4FrameDecompressor,
}


def accepted(accept_encoding: str) -> str | None:
    """The encoding to answer with, by a request's Accept-Encoding; None to send the bytes as they are."""
    offered: dict[str, float] = {}
    for part in accept_encoding.split(","):
        name, _, parameters = part.strip().partition(";")
        _, _, quality = parameters.partition("q=")
        try:
            offered[name.strip().lower()] = float(quality) if quality else 1.0
        except ValueError:
            offered[name.strip().lower()] = 0.0
    best = max(ENCODINGS, key=lambda name: offered.get(name, 0.0))
    return best if offered.get(best, 0.0) > 0 else None


def compressed(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The chunks in one of `ENCODINGS`."""
    compressor = _COMPRESSORS[encoding]()
    for chunk in chunks:
        if out := compressor.compress(chunk):
            yield out
    yield compressor.flush()


def decompressed(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Undo `encoding`, in pieces of bounded size, however far the bytes expand.

    Raises:
        ClickHouseError: the encoding is unknown, or the bytes are not in it, or they end too early.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        yield from chunks
        return
    if name not in _DECOMPRESSORS:
        known = ", ".join(ENCODINGS)
        raise ClickHouseError.of(CANNOT_DECOMPRESS, f"Content-Encoding {encoding!r} is not one of {known}")
    try:
        yield from _frames(chunks, _DECOMPRESSORS[name])
    except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError) as error:
        raise ClickHouseError.of(CANNOT_DECOMPRESS, f"the body is not {encoding}: {error}") from error


def _frames(chunks: Iterable[bytes], begin: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """One compressed frame after another (gzip calls them members)."""
    decompressor: _Decompressor | None = None
    for chunk in chunks:
        view = memoryview(chunk)
        at = 0
        while at < len(view):
            if decompressor is None:
                decompressor = begin()
            piece = view[at : at + _SLICE]
            at += len(piece)
            if out := decompressor.decompress(piece):
                yield out
            if decompressor.eof:
                at -= len(decompressor.unused_data or b"")
                decompressor = None
    if decompressor is not None:
        raise EOFError("it ends too early")


def as_blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks in ClickHouse's compressed blocks: checksum, method, sizes, LZ4."""
    for chunk in chunks:
        for at in range(0, len(chunk), _BLOCK):
            piece = chunk[at : at + _BLOCK]
            body = lz4.block.compress(piece, store_size=False)
            head = _METHOD_AND_SIZES.pack(_LZ4, len(body) + _METHOD_AND_SIZES.size, len(piece))
            yield cityhash128(head + body) + head + body


def from_blocks(chunks: Iterable[bytes], largest: int = 64 * _BLOCK) -> Iterator[bytes]:
    """Undo `as_blocks`, for the methods LZ4, ZSTD and none, and blocks of at most `largest` bytes.

    Raises:
        ClickHouseError: a block is broken, too large, cut off, or of another method.
    """
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= _HEADER.size:
            checksum, method, size, plain_size = _HEADER.unpack_from(waiting)
            if max(plain_size, size) > largest + _HEADER.size or size < _METHOD_AND_SIZES.size:
                raise ClickHouseError.of(
                    CANNOT_DECOMPRESS, f"a compressed block is larger than {largest} bytes, or broken"
                )
            if len(waiting) < _CHECKSUM + size:
                break
            block = bytes(waiting[_CHECKSUM : _CHECKSUM + size])
            del waiting[: _CHECKSUM + size]
            if cityhash128(block) != checksum:
                raise ClickHouseError.of(CANNOT_DECOMPRESS, "a compressed block does not match its checksum")
            yield _plain(method, block[_METHOD_AND_SIZES.size :], plain_size)
    if waiting:
        raise ClickHouseError.of(
            CANNOT_DECOMPRESS, f"the last compressed block is cut off ({len(waiting)} bytes)"
        )


def _plain(method: int, body: bytes, size: int) -> bytes:
    try:
        if method == _LZ4:
            return bytes(lz4.block.decompress(body, uncompressed_size=size))
        if method == _ZSTD:
            if zstandard.frame_content_size(body) not in {-1, size}:
                raise zstandard.ZstdError("its frame is not of the size that the block says")
            return zstandard.ZstdDecompressor().decompress(body, max_output_size=size)
    except (lz4.block.LZ4BlockError, zstandard.ZstdError) as error:
        raise ClickHouseError.of(CANNOT_DECOMPRESS, f"a compressed block is broken: {error}") from error
    if method == _NONE and len(body) == size:
        return body
    raise ClickHouseError.of(
        CANNOT_DECOMPRESS, f"blocks of compression method {method:#x} are not understood"
    )
