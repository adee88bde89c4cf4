"""Frames as ClickHouse takes them: ArrowStream, in memory for a row or two, in a file for many."""

import io
import tempfile
from typing import BinaryIO

import polars as pl

_BLOCK_ROWS = 8_192
"""Rows in one record batch: polars holds several copies of the one that it writes."""


def arrow_stream(frame: pl.DataFrame) -> bytes:
    """A small frame as ArrowStream."""
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()


def arrow_file(frame: pl.DataFrame) -> BinaryIO:
    """A frame as ArrowStream in a nameless file, at its beginning; it goes when it is closed.

    In memory it would take several times its size. Raises OSError where the folder for temporary files is full.
    """
    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        blocks = pl.concat(frame.iter_slices(_BLOCK_ROWS), rechunk=False) if frame.height else frame
        blocks.write_ipc_stream(file, compat_level=pl.CompatLevel.oldest())
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def with_values(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns that are not null throughout: null is what a table has where nothing is said, and costs nothing."""
    return frame.select(column for column in frame.get_columns() if column.null_count() < frame.height)
