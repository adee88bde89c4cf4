"""Packed records, which hold an array of rows: opened to one data frame, and made from one.

The blocks that a frame is written to as an Avro file are the blocks of an Avro array, so no row passes through
Python. A packed record's last field is `rows`; the one before it, `checksum`, covers their bytes.
"""

import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import fastavro
import polars as pl

from schemas.catalog import UnknownSchema, Version, latest, version
from schemas.codec import DECODING_ERRORS, HEADER, Undecodable, decode_fields, encode, plain, schema_id_of
from schemas.encoding.container import as_read, file_head, polars_schema, read_bodies
from schemas.encoding.wire import copy_items, read_long, write_long
from schemas.record import Event

INDEX = "_index"
"""The column that says which value of the batch a row came from."""

Blocks = list[tuple[int, bytes]]
"""Blocks of an array: how many items, and their bytes."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Packed records, opened: the rows of all of them in one frame."""

    headers: dict[int, Event]
    """The record at each index, without its rows."""
    rows: pl.DataFrame
    """Columns are the fields of a row and `_index`."""
    bad: list[tuple[int, str]]
    """Index in the batch, and why it could not be opened."""


def pack_rows(event: Event, rows: pl.DataFrame) -> bytes:
    """One framed packed record: the fields of `event`, and `rows` as its array (a frame of the row's columns).

    Columns that a row has and the frame lacks are null in every row; others are left out. Raises InvalidEvent when
    the header can't be encoded, polars' InvalidOperationError when a column is of another type.
    """
    blocks = _blocks_of(whole_rows(type(event), rows))
    header = encode(event.model_copy(update={"checksum": _checksum(blocks), "rows": ()}))
    sized = (write_long(-count) + write_long(len(data)) + data for count, data in blocks)
    return b"".join((header[:-1], *sized, b"\x00"))


def unpack_rows(record: type[Event], values: Sequence[bytes | None]) -> Unpacked:
    """Open packed records of one type; whatever is not such a record, or is damaged, is reported as bad."""
    headers: dict[int, Event] = {}
    frames: list[pl.DataFrame] = []
    bad: list[tuple[int, str]] = []
    for index, framed in enumerate(values):
        if framed is None:
            continue
        try:
            header, rows = _unpack(record, framed)
        except Undecodable as error:
            bad.append((index, str(error)))
            continue
        headers[index] = header
        frames.append(rows.with_columns(pl.lit(index, pl.UInt32).alias(INDEX)))
    empty = pl.DataFrame(schema={**polars_schema(_row_schema(latest(record))), INDEX: pl.UInt32})
    return Unpacked(headers, pl.concat([empty, *frames]), bad)


def _unpack(record: type[Event], framed: bytes) -> tuple[Event, pl.DataFrame]:
    try:
        known = version(schema_id_of(framed))
    except UnknownSchema as error:
        raise Undecodable(str(error)) from None
    if known.record is not record:
        raise Undecodable(f"{known.record.__name__}: expected {record.__name__} here")
    start = _end_of_header(known, framed)
    _, fields = decode_fields(framed[:start] + b"\x00")
    blocks = _sized_blocks(framed, start) or _walked_blocks(known, framed, start)
    said = fields.get("checksum")
    if said is not None and said != _checksum(blocks):
        raise Undecodable(f"{record.__name__}: the rows are not those that checksum {said} was made of")
    rows = _rows(known, blocks)
    if rows is None:
        raise Undecodable(f"{record.__name__}: the rows are not valid Avro")
    return record.trusted({**fields, "rows": ()}), rows


def _end_of_header(known: Version, framed: bytes) -> int:
    body = io.BytesIO(framed)
    body.seek(HEADER)
    try:
        fastavro.schemaless_reader(body, _header_schema(known.id), None)
    except DECODING_ERRORS as error:
        raise Undecodable(f"{known.record.__name__}: {type(error).__name__}: {error}") from None
    return body.tell()


def _sized_blocks(framed: bytes, at: int) -> Blocks | None:
    """The blocks by the sizes they claim; None when they are not all sized and whole to the record's end."""
    blocks: Blocks = []
    try:
        count, at = read_long(framed, at)
        while count:
            size, at = read_long(framed, at)
            if count > 0 or size < 0 or at + size > len(framed):
                return None
            blocks.append((-count, framed[at : at + size]))
            count, at = read_long(framed, at + size)
    except Undecodable:
        return None
    return blocks if at == len(framed) else None


def _walked_blocks(known: Version, framed: bytes, at: int) -> Blocks:
    """The blocks row by row: for a producer that writes no sizes, and to say what is wrong with a bad one."""
    items = bytearray()
    name = known.record.__name__
    try:
        count, end = copy_items(_row_schema(known), framed, at, items, "rows")
    except Undecodable as error:
        raise Undecodable(f"{name}: {error}") from None
    if end != len(framed):
        raise Undecodable(f"{name}: {len(framed) - end} bytes too many after the body")
    return [(count, bytes(items))]


def _checksum(blocks: Iterable[tuple[int, bytes]]) -> int:
    crc = 0
    for _, data in blocks:
        crc = zlib.crc32(data, crc)
    return crc


def _rows(known: Version, blocks: Blocks) -> pl.DataFrame | None:
    """The rows as today's reader sees them; None when the blocks are not what their counts say.

    A last row that is known stands behind them, so that blocks which hold more or less than they claim show.
    """
    written = _row_schema(known)
    head, last_row, last_bytes = _known_last(known.id)
    body = b"".join((*(data for _, data in blocks), last_bytes))
    count = 1 + sum(rows for rows, _ in blocks)
    if count * len(written["fields"]) > len(body):
        return None
    frame = read_bodies(head, count, body)
    if frame is None or not frame.tail(1).equals(last_row):
        return None
    return as_read(frame.head(-1), written, _row_schema(latest(known.record)))


_LAST = {
    pl.String(): "the last row",
    pl.Int64(): 2**62 + 1,
    pl.Float64(): 0.1,
    pl.Boolean(): True,
    pl.Binary(): b"\xff",
}


@cache
def _known_last(schema_id: int) -> tuple[bytes, pl.DataFrame, bytes]:
    """How a file of this version's rows begins; the row that ends it, as a frame and as bytes."""
    schema = _row_schema(version(schema_id))
    columns = polars_schema(schema)
    row = pl.DataFrame({name: [_LAST[dtype]] for name, dtype in columns.items()}, schema=columns)
    ((_, data),) = _blocks_of(row)
    return file_head(schema), row, data


def whole_rows(record: type[Event], rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with every column that a row of the record has, in its order and type."""
    columns = polars_schema(_row_schema(latest(record)))
    if rows.schema == columns:
        return rows
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in columns.items()
    )


def _blocks_of(rows: pl.DataFrame) -> Blocks:
    """The rows as blocks of an Avro array, as `write_avro` made them."""
    if not rows.height:
        return []
    file = io.BytesIO()
    rows.write_avro(file, name="rows")
    data = file.getvalue()
    at = data.index(b"avro.schema") + len(b"avro.schema")
    length, at = read_long(data, at)
    sync = data[-16:]
    at = data.index(sync, at + length) + 16
    blocks: Blocks = []
    while at < len(data):
        count, at = read_long(data, at)
        size, at = read_long(data, at)
        blocks.append((count, data[at : at + size]))
        at += size + 16
    return blocks


@cache
def _header_schema(schema_id: int) -> Any:
    known = plain(schema_id)
    return fastavro.parse_schema({**known, "fields": known["fields"][:-1]})


def _row_schema(known: Version) -> dict[str, Any]:
    rows = plain(known.id)["fields"][-1]
    if rows["name"] != "rows":
        raise TypeError(f"{known.record.__name__} is not a packed record")
    return dict(rows["type"]["items"])
