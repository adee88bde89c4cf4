"""Compressed bodies and blocks to bytes, never more of them than they may become.

Source: RFC 9110, 8.4.1 (gzip, deflate), RFC 8878 (zstd; 8 MiB is the window that a decoder has to have).
"""

import zlib
from collections.abc import Iterator

from sources.intake.limits import IntakeLimits

CODINGS = ("identity", "gzip", "x-gzip", "deflate", "zstd")
"""What Content-Encoding may name."""

_PIECE = 256 * 1024
_ZSTD_PIECE = 256
"""Compressed bytes at a time: a block of four may become 128 KiB, and nothing bounds what one call gives back."""
_WINDOW = 8 * 2**20


class TooMuch(ValueError):
    """It becomes more than it may."""


class Unreadable(ValueError):
    """It is not what it is said to be."""


def unpacked(data: bytes, coding: str, most: int, limits: IntakeLimits) -> bytes:
    """The bytes that were compressed: one of CODINGS, or `raw-deflate`. Raises TooMuch, Unreadable."""
    if coding == "identity":
        return data
    allowed = min(most, max(limits.ratio_floor, limits.ratio * len(data)))
    out = bytearray()
    try:
        for piece in _zstd(data) if coding == "zstd" else _zlib(data, _wbits(data, coding)):
            out += piece
            if len(out) > allowed:
                raise TooMuch(f"the body unpacks to more than {allowed:,} bytes: nothing was kept")
    except (zlib.error, EOFError) as error:
        raise Unreadable(f"the body is no {coding}: {error}") from None
    return bytes(out)


def _wbits(data: bytes, coding: str) -> int:
    if coding in ("gzip", "x-gzip"):
        return 16 + zlib.MAX_WBITS
    # "deflate" means zlib's format (RFC 1950); some send the bare stream inside it all the same.
    wrapped = (
        coding == "deflate"
        and len(data) > 1
        and data[0] & 0x0F == 8
        and int.from_bytes(data[:2], "big") % 31 == 0
    )
    return zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS


def _zlib(data: bytes, wbits: int) -> Iterator[bytes]:
    while data:
        inflater = zlib.decompressobj(wbits)
        rest = data
        while not inflater.eof:
            piece = inflater.decompress(rest, _PIECE)
            rest = inflater.unconsumed_tail
            if not piece and not rest and not inflater.eof:
                raise EOFError("it ends early")
            yield piece
        data = inflater.unused_data if wbits > zlib.MAX_WBITS else b""


def _zstd(data: bytes) -> Iterator[bytes]:
    import zstandard

    at = 0
    while at < len(data):
        frame = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
        while not frame.eof:
            if at >= len(data):
                raise EOFError("it ends early")
            try:
                yield frame.decompress(data[at : at + _ZSTD_PIECE])
            except zstandard.ZstdError as error:
                raise EOFError(str(error)) from None
            at += _ZSTD_PIECE
        at = min(at, len(data)) - len(frame.unused_data)
