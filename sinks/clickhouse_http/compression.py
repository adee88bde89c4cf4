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


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


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
    """Undo `encoding`.

    Raises:
        ClickHouseError: the encoding is unknown, or the bytes are not in it.
    """
    match encoding.strip().lower():
        case "" | "identity":
            yield from chunks
            return
        case "gzip" | "x-gzip":
            decompress: Callable[[bytes], bytes] = zlib.decompressobj(wbits=31).decompress
        case "deflate":
            decompress = zlib.decompressobj(wbits=15).decompress
        case "zstd":
            decompress = zstandard.ZstdDecompressor().decompressobj().decompress
        case "lz4":
            decompress = lz4.frame.LZ4FrameDecompressor().decompress
        case other:
            known = ", ".join(ENCODINGS)
            raise ClickHouseError.of(CANNOT_DECOMPRESS, f"Content-Encoding {other!r} is not one of {known}")
    try:
        for chunk in chunks:
            if out := decompress(chunk):
                yield out
    except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError) as error:
        raise ClickHouseError.of(CANNOT_DECOMPRESS, f"the body is not {encoding}: {error}") from error


def as_blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks in ClickHouse's compressed blocks: checksum, method, sizes, LZ4."""
    for chunk in chunks:
        for at in range(0, len(chunk), _BLOCK):
            piece = chunk[at : at + _BLOCK]
            body = lz4.block.compress(piece, store_size=False)
            head = _METHOD_AND_SIZES.pack(_LZ4, len(body) + _METHOD_AND_SIZES.size, len(piece))
            yield cityhash128(head + body) + head + body


def from_blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Undo `as_blocks`, for the methods LZ4, ZSTD and none.

    Raises:
        ClickHouseError: a block is broken, cut off, or of another method.
    """
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= _HEADER.size:
            checksum, method, size, plain_size = _HEADER.unpack_from(waiting)
            if plain_size > 64 * _BLOCK or size > 64 * _BLOCK or size < _METHOD_AND_SIZES.size:
                raise ClickHouseError.of(
                    CANNOT_DECOMPRESS, "a compressed block is larger than 64 MiB, or broken"
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
            return zstandard.ZstdDecompressor().decompress(body, max_output_size=size)
    except (lz4.block.LZ4BlockError, zstandard.ZstdError) as error:
        raise ClickHouseError.of(CANNOT_DECOMPRESS, f"a compressed block is broken: {error}") from error
    if method == _NONE and len(body) == size:
        return body
    raise ClickHouseError.of(
        CANNOT_DECOMPRESS, f"blocks of compression method {method:#x} are not understood"
    )
