"""Batches of framed records to data frames and back, without decoding a record in Python.

Bodies that share a schema are joined into one Avro container file, which polars reads natively. Each body
stands between two guards, its index before and after, as extra fields of the container's schema: a body that
is too short, too long or garbage shifts them, and the batch is then searched, half by half, for the culprits.
Packed records work the other way round as well: the blocks that a frame is written to as an Avro file are
the blocks of an Avro array.
"""

import io
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any

import fastavro
import polars as pl

from schemas.avro import without_logical_types
from schemas.catalog import UnknownSchema, Version, latest, version
from schemas.codec import DECODING_ERRORS, HEADER, Undecodable, decode_fields, encode, frame_of, schema_id_of
from schemas.record import EARLIEST_MS, LATEST_MS, Event

INDEX = "_index"
"""The column that says which value of the batch a row came from."""

_SYNC = b"mailwake-columns"
_GUARDS = "_guard_before", "_guard_after"


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a batch held: a frame for each record type, and what could not be understood."""

    frames: dict[type[Event], pl.DataFrame] = field(default_factory=dict)
    """Columns are the fields of today's reader and `_index`; rows are in the batch's order."""
    bad: list[tuple[int, str]] = field(default_factory=list)
    """Index in the batch, and why it is no record of ours."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Packed records, opened: the rows of all of them in one frame."""

    headers: dict[int, Event]
    """The record at each index, without its rows."""
    rows: pl.DataFrame
    """Columns are the fields of a row and `_index`."""
    bad: list[tuple[int, str]]
    """Index in the batch, and why it could not be opened."""


def decode_frames(values: Sequence[bytes | None], columns: Iterable[str] | None = None) -> Decoded:
    """Decode a batch of framed records of any types; tombstones (None) are passed over.

    `columns` limits what is materialised: fields that a record type does not have are left out of its frame.
    """
    wanted = None if columns is None else frozenset(columns)
    frames: dict[type[Event], list[pl.DataFrame]] = {}
    bad: list[tuple[int, str]] = []
    for head, indices in _by_head(values).items():
        try:
            known = version(schema_id_of(head))
        except (Undecodable, UnknownSchema) as error:
            bad += [(index, str(error)) for index in indices]
            continue
        bodies = [values[index][HEADER:] for index in indices]  # type: ignore[index]
        frame, culprits = _decode(known, indices, bodies, wanted)
        bad += culprits
        if frame is not None and frame.height:
            frames.setdefault(known.record, []).append(frame)
    merged = {record: _in_order(parts) for record, parts in frames.items()}
    return Decoded(merged, sorted(bad))


def pack_rows(event: Event, rows: pl.DataFrame) -> bytes:
    """One framed packed record: the fields of `event`, and `rows` as its array (a frame of the row's columns).

    Columns the frame lacks are null in every row. Raises InvalidEvent when the header can't be encoded.
    """
    row_schema = _row_schema(latest(type(event)))
    whole = rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in polars_schema(row_schema).items()
    )
    blocks = _array_blocks(whole)
    header = encode(event.model_copy(update={"checksum": _checksum(data for _, data in blocks), "rows": ()}))
    sized = (_long(-count) + _long(len(data)) + data for count, data in blocks)
    return b"".join((header[:-1], *sized, b"\x00"))


def unpack_rows(record: type[Event], values: Sequence[bytes | None]) -> Unpacked:
    """Open packed records of one type; whatever is not such a record is reported as bad."""
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


def polars_schema(schema: dict[str, Any]) -> dict[str, pl.DataType]:
    """The columns of a flat record's frame."""
    return {field["name"]: _dtype(field["type"]) for field in schema["fields"]}


def _by_head(values: Sequence[bytes | None]) -> dict[bytes, list[int]]:
    groups: dict[bytes, list[int]] = {}
    for index, value in enumerate(values):
        if value is not None:
            groups.setdefault(value[:HEADER], []).append(index)
    return groups


def _decode(
    known: Version, indices: list[int], bodies: list[bytes], wanted: frozenset[str] | None
) -> tuple[pl.DataFrame | None, list[tuple[int, str]]]:
    frame = _read(known, bodies, wanted)
    if frame is None:
        indices, bodies, bad = _set_aside(known, indices, bodies, wanted)
        frame = _read(known, bodies, wanted) if bodies else None
    else:
        bad = []
    if frame is None:
        return None, bad
    frame, invalid = _without_invalid(frame.with_columns(pl.Series(INDEX, indices, pl.UInt32)), known)
    return frame, bad + invalid


def _set_aside(
    known: Version, indices: list[int], bodies: list[bytes], wanted: frozenset[str] | None
) -> tuple[list[int], list[bytes], list[tuple[int, str]]]:
    """What of a batch both codecs can read, and why not the rest: record by record, since something is wrong."""
    good: list[tuple[int, bytes]] = []
    bad: list[tuple[int, str]] = []
    for index, body in zip(indices, bodies, strict=True):
        try:
            decode_fields(frame_of(known.id) + body)
            good.append((index, body))
        except Undecodable as error:
            bad.append((index, str(error)))
    if good and _read(known, [body for _, body in good], wanted) is None:
        disputed = {index for index, body in good if _read(known, [body], wanted) is None}
        bad += [(index, f"{known.record.__name__}: the body is not valid Avro") for index in disputed]
        good = [(index, body) for index, body in good if index not in disputed]
    return [index for index, _ in good], [body for _, body in good], bad


def _read(known: Version, bodies: list[bytes], wanted: frozenset[str] | None) -> pl.DataFrame | None:
    """The bodies as a frame of today's columns, or None when a guard shows that one of them is not whole."""
    written = [field["name"] for field in known.schema["fields"]]
    columns = [
        *_GUARDS,
        *(name for name in written if wanted is None or name in wanted or name in _VALIDATED),
    ]
    frame = _read_avro(_container(known.id, bodies), columns)
    if frame is None:
        return None
    before, after = (frame.get_column(name) for name in _GUARDS)
    expected = pl.int_range(frame.height, eager=True, dtype=pl.Int32)
    if frame.height != len(bodies) or not ((before == expected) & (after == expected)).all():
        return None
    return _as_read_today(frame.drop(_GUARDS), known, wanted)


def _read_avro(file: bytes, columns: list[str] | None = None) -> pl.DataFrame | None:
    """An Avro file as a frame; None for what polars can't read, be it that it says so or that it panics."""
    try:
        return pl.read_avro(io.BytesIO(file), columns=columns)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None


_VALIDATED = ("event_id", "occurred_at", "recorded_at", "begin", "end")
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


def _without_invalid(frame: pl.DataFrame, known: Version) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    """Set aside rows that are whole Avro and still no event: no id, or a time outside what can be stored."""
    checks = {"event_id": pl.col("event_id").str.contains(_UUID)} | {
        name: pl.col(name).is_between(EARLIEST_MS, LATEST_MS)
        for name in _VALIDATED[1:]
        if name in frame.columns
    }
    valid = pl.all_horizontal(list(checks.values()))
    if frame.select(valid.all()).item():
        return frame, []
    wrong = frame.filter(~valid).with_columns(**{f"_ok_{name}": check for name, check in checks.items()})
    bad = [
        (
            row[INDEX],
            f"{known.record.__name__}.{name}: {row[name]!r} is no {'UUID' if name == 'event_id' else 'time'}",
        )
        for row in wrong.iter_rows(named=True)
        for name in checks
        if not row[f"_ok_{name}"]
    ]
    return frame.filter(valid), list({index: (index, reason) for index, reason in reversed(bad)}.values())


def _as_read_today(frame: pl.DataFrame, known: Version, wanted: frozenset[str] | None) -> pl.DataFrame:
    reader = without_logical_types(latest(known.record).schema)["fields"]
    dtypes = polars_schema({"fields": reader})
    columns = [
        _column(field, dtypes[field["name"]], field["name"] in frame.columns)
        for field in reader
        if wanted is None or field["name"] in wanted or field["name"] in _VALIDATED
    ]
    return frame.select(columns)


def _column(reader: dict[str, Any], dtype: pl.DataType, written: bool) -> pl.Expr:
    name = reader["name"]
    if written:
        return pl.col(name).cast(dtype)
    default = pl.lit(pl.Series([reader["default"]], dtype=dtype)).first()
    return default.alias(name)


def _in_order(parts: list[pl.DataFrame]) -> pl.DataFrame:
    whole = parts[0] if len(parts) == 1 else pl.concat(parts)
    return whole if len(parts) == 1 and whole.get_column(INDEX).is_sorted() else whole.sort(INDEX)


def _container(schema_id: int, bodies: list[bytes]) -> bytes:
    guards = _guards(len(bodies))
    joined = b"".join(chain.from_iterable(zip(guards, bodies, guards, strict=False)))
    return b"".join((_container_head(schema_id), _long(len(bodies)), _long(len(joined)), joined, _SYNC))


@cache
def _container_head(schema_id: int) -> bytes:
    known = without_logical_types(version(schema_id).schema)
    before, after = ({"name": name, "type": "int"} for name in _GUARDS)
    return _head({**known, "fields": [before, *known["fields"], after]})


def _head(schema: dict[str, Any]) -> bytes:
    text = json.dumps(_without_defaults(schema)).encode()
    meta = (
        _long(2),
        _long(11),
        b"avro.schema",
        _long(len(text)),
        text,
        _long(10),
        b"avro.codec",
        _long(4),
        b"null",
    )
    return b"".join((b"Obj\x01", *meta, _long(0), _SYNC))


def _without_defaults(schema: Any) -> Any:
    """Defaults are for readers; polars refuses a schema with one that is a string."""
    if isinstance(schema, dict):
        return {key: _without_defaults(value) for key, value in schema.items() if key != "default"}
    return [_without_defaults(part) for part in schema] if isinstance(schema, list) else schema


_guard_list: list[bytes] = []


def _guards(count: int) -> list[bytes]:
    """The indices 0, 1, 2, ... as Avro ints; made once, as far as the largest batch so far."""
    for index in range(len(_guard_list), count):
        _guard_list.append(_long(index))
    return _guard_list


def _long(number: int) -> bytes:
    """Avro's variable-length zig-zag coding (Avro 1.11, 'Binary Encoding')."""
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_long(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Undecodable(f"a number runs past the end at byte {at}")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7


def _array_blocks(rows: pl.DataFrame) -> list[tuple[int, bytes]]:
    """The rows as blocks of an Avro array, (how many, their bytes), as `write_avro` made them."""
    if not rows.height:
        return []
    file = io.BytesIO()
    rows.write_avro(file, name="rows")
    data = file.getvalue()
    at = data.index(b"avro.schema") + len(b"avro.schema")
    length, at = _read_long(data, at)
    sync = data[-16:]
    at = data.index(sync, at + length) + 16
    blocks: list[tuple[int, bytes]] = []
    while at < len(data):
        count, at = _read_long(data, at)
        size, at = _read_long(data, at)
        blocks.append((count, data[at : at + size]))
        at += size + 16
    return blocks


def _unpack(record: type[Event], framed: bytes) -> tuple[Event, pl.DataFrame]:
    try:
        known = version(schema_id_of(framed))
    except UnknownSchema as error:
        raise Undecodable(str(error)) from None
    if known.record is not record:
        raise Undecodable(f"{known.record.__name__}: expected {record.__name__} here")
    start = _end_of_header(known, framed)
    _, fields = decode_fields(framed[:start] + b"\x00")
    blocks = _sized_blocks(framed, start)
    if blocks is None or fields.get("checksum") != _checksum([data for _, data in blocks]):
        return _unpack_slowly(record, framed)
    rows = _rows(known, blocks)
    if rows is None:
        raise Undecodable(f"{record.__name__}: the rows are not valid Avro")
    return record.trusted(fields), rows


def _unpack_slowly(record: type[Event], framed: bytes) -> tuple[Event, pl.DataFrame]:
    """Row by row: for a producer that writes no sizes or no checksum, and to say what is wrong with a bad one."""
    _, fields = decode_fields(framed)
    said = fields.get("checksum")
    if said is not None and said != _checksum([data for _, data in _sized_blocks(framed, 0) or []]):
        raise Undecodable(f"{record.__name__}: the rows are not those that checksum {said} was made of")
    rows = pl.DataFrame(fields.pop("rows"), schema=polars_schema(_row_schema(latest(record))), orient="row")
    return record.trusted({**fields, "rows": ()}), rows


def _end_of_header(known: Version, framed: bytes) -> int:
    body = io.BytesIO(framed)
    body.seek(HEADER)
    try:
        fastavro.schemaless_reader(body, _header_schema(known.id), None)
    except DECODING_ERRORS as error:
        raise Undecodable(f"{known.record.__name__}: {type(error).__name__}: {error}") from None
    return body.tell()


def _sized_blocks(framed: bytes, at: int) -> list[tuple[int, bytes]] | None:
    """(rows, bytes) of each array block, or None when they are not all sized and whole to the record's end."""
    blocks: list[tuple[int, bytes]] = []
    try:
        count, at = _read_long(framed, at)
        while count:
            size, at = _read_long(framed, at)
            if count > 0 or size < 0 or at + size > len(framed):
                return None
            blocks.append((-count, framed[at : at + size]))
            count, at = _read_long(framed, at + size)
    except Undecodable:
        return None
    return blocks if at == len(framed) else None


def _checksum(blocks: Iterable[bytes]) -> int:
    crc = 0
    for block in blocks:
        crc = zlib.crc32(block, crc)
    return crc


def _rows(known: Version, blocks: list[tuple[int, bytes]]) -> pl.DataFrame | None:
    written = _row_schema(known)
    count = sum(rows for rows, _ in blocks)
    body = b"".join(data for _, data in blocks)
    file = b"".join((_head(written), _long(count), _long(len(body)), body, _SYNC)) if count else b""
    frame = _read_avro(file) if count else pl.DataFrame(schema=polars_schema(written))
    if frame is None or frame.height != count:
        return None
    reader = _row_schema(latest(known.record))["fields"]
    dtypes = polars_schema({"fields": reader})
    return frame.select(
        _column(field, dtypes[field["name"]], field["name"] in frame.columns) for field in reader
    )


@cache
def _header_schema(schema_id: int) -> Any:
    known = without_logical_types(version(schema_id).schema)
    return fastavro.parse_schema({**known, "fields": known["fields"][:-1]})


def _row_schema(known: Version) -> dict[str, Any]:
    rows = known.schema["fields"][-1]
    if rows["name"] != "rows":
        raise TypeError(f"{known.record.__name__} is not a packed record")
    return dict(without_logical_types(rows["type"]["items"]))


_SCALARS = {
    "string": pl.String(), "long": pl.Int64(), "int": pl.Int64(), "double": pl.Float64(), "boolean": pl.Boolean(),
    "bytes": pl.Binary(), "null": pl.Null(),
}  # fmt: skip


def _dtype(kind: Any) -> pl.DataType:
    if isinstance(kind, list):
        (kind,) = (branch for branch in kind if branch != "null")
    if isinstance(kind, dict):
        if kind["type"] == "array":
            return pl.List(_dtype(kind["items"]))
        if kind["type"] == "record":
            return pl.Struct({field["name"]: _dtype(field["type"]) for field in kind["fields"]})
        kind = kind["type"]
    return _SCALARS[kind]
