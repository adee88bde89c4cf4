"""Frames as state chunks: Arrow IPC streams, the same frame always the same bytes."""

import io
from typing import Any, Literal

import polars as pl

_NARROW = ((0xFF, pl.UInt8), (0xFFFF, pl.UInt16), (0xFFFF_FFFF, pl.UInt32))


def write_chunk(frame: pl.DataFrame, compression: Literal["zstd", "uncompressed"] = "zstd") -> bytes:
    """A frame as a chunk.

    Strings are written in Arrow's older layout: the bytes of string views depend on how the frame was made.
    """
    buffer = io.BytesIO()
    frame.rechunk().write_ipc_stream(buffer, compression=compression, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()


def read_chunk(chunk: bytes) -> pl.DataFrame:
    """The frame in a chunk."""
    return pl.read_ipc_stream(io.BytesIO(chunk))


def narrowed(frame: pl.DataFrame, keep: str) -> pl.DataFrame:
    """The frame with each column of non-negative integers as small as it can be; those of zeros alone left out.

    The column `keep` stays as it is.
    """
    return pl.DataFrame(
        [
            column if column.name == keep else column.cast(_narrowest(high))
            for column in frame.get_columns()
            if (high := column.max()) or column.name == keep
        ]
    )


def _narrowest(high: Any) -> type[pl.DataType]:
    return next((dtype for limit, dtype in _NARROW if high <= limit), pl.Int64)
