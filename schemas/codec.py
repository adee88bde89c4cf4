"""Events to bytes and back, one at a time: Confluent framing (0x00, 4-byte schema id, Avro body) by fastavro."""

import io
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise
from types import MappingProxyType
from typing import Any, get_args

import fastavro

from schemas.catalog import UnknownSchema, Version, latest, version, wire_id
from schemas.encoding.avro import without_logical_types
from schemas.encoding.rows import encode_by_field
from schemas.encoding.wire import Undecodable as Undecodable
from schemas.encoding.wire import canonical
from schemas.record import EARLIEST_MS, LATEST_MS, NOTHING, Event, FlatRecord, InvalidEvent, is_canonical_uuid

HEADER = 5
"""Bytes before the Avro body: the magic byte and the schema id."""

DECODING_ERRORS = (ValueError, TypeError, EOFError, IndexError, OverflowError, MemoryError, StopIteration)
"""What fastavro raises on garbage."""

ENCODING_ERRORS = (ValueError, TypeError, OverflowError, AttributeError, KeyError)
"""What fastavro raises on values that have no Avro form."""

_NOTHING_SHARED: Mapping[str, Any] = MappingProxyType({})


def frame_of(schema_id: int) -> bytes:
    """The five bytes that a record of this schema begins with."""
    return b"\x00" + schema_id.to_bytes(4, "big")


def schema_id_of(framed: bytes) -> int:
    """The schema id a record claims. Raises Undecodable when it is not framed."""
    if len(framed) < HEADER or framed[0] != 0:
        raise Undecodable(
            f"not framed: it begins with {framed[:HEADER].hex() or 'nothing'}, and 00 and the four bytes of a schema's id are "
            "wanted"
        )
    return int.from_bytes(framed[1:HEADER], "big")


def encode(event: Event) -> bytes:
    """The framed record of one event. Raises InvalidEvent when a field can't be what it holds."""
    (framed,) = _row_by_row(type(event), [fields_of(event)])
    return framed


def encode_rows(
    record: type[Event], rows: Iterable[Mapping[str, Any]], shared: Mapping[str, Any] = _NOTHING_SHARED
) -> list[bytes]:
    """Framed records from rows of field values (times in ms, ids as text) that were checked before.

    All of them get the values in `shared`, whatever they say themselves. Raises InvalidEvent naming the first field
    whose value has no Avro form.
    """
    given = list(rows)
    if not given:
        return []
    try:
        return encode_by_field(record, given, shared)
    except ENCODING_ERRORS:
        return _row_by_row(record, [{**row, **shared} for row in given])


def _row_by_row(record: type[Event], rows: Iterable[Mapping[str, Any]]) -> list[bytes]:
    schema = parsed(latest(record).id)
    head = frame_of(wire_id(record))
    buffer = io.BytesIO()
    ends = [0]
    for row in rows:
        buffer.write(head)
        try:
            fastavro.schemaless_writer(buffer, schema, row)
        except ENCODING_ERRORS as error:
            raise _invalid(record, row, error) from None
        ends.append(buffer.tell())
    whole = buffer.getvalue()
    return [whole[start:end] for start, end in pairwise(ends)]


def decode(framed: bytes) -> Event:
    """The event in a framed record, as today's reader sees it. Raises Undecodable."""
    known, fields = decode_fields(framed)
    for name, row in _arrays(known.record).items():
        values = fields[name]
        fields[name] = tuple(
            values if row is None else (row.model_construct(None, **value) for value in values)
        )
    return known.record.trusted(fields)


def decode_fields(framed: bytes) -> tuple[Version, dict[str, Any]]:
    """The writer's version and the field values as today's reader sees them. Raises Undecodable.

    Checked are the encoding, the id and the times; what else a model demands was checked by who wrote it, maybe
    to a later version of the model.
    """
    try:
        known = version(schema_id_of(framed))
    except UnknownSchema as error:
        raise Undecodable(str(error)) from None
    name = known.record.__name__
    try:
        fields = _fields_in(known, framed[HEADER:])
    except Undecodable as error:
        raise Undecodable(f"{name}: {error}") from None
    for field, wants in checked_fields(known.record).items():
        value = fields[field]
        if not (is_canonical_uuid(value) if wants == "uuid" else EARLIEST_MS <= value <= LATEST_MS):
            raise Undecodable(f"{name}.{field}: {value!r} is no {wants}")
    return known, fields


@cache
def checked_fields(record: type[Event]) -> dict[str, str]:
    """The fields whose values decoding checks, and what each has to be: `uuid` or `time`."""
    kinds = {"uuid": "uuid", "timestamp-millis": "time"}
    return {
        field["name"]: kinds[field["type"]["logicalType"]]
        for field in latest(record).schema["fields"]
        if isinstance(field["type"], dict) and field["type"].get("logicalType") in kinds
    }


def _fields_in(known: Version, body: bytes) -> dict[str, Any]:
    """What fastavro reads, where it proves right by encoding to the same bytes; else what the strict walk lets by."""
    today = latest(known.record)
    try:
        fields = _read(body, known.id, None)
        if _written(fields, known.id) == body:
            return fields if known.id == today.id else _read(body, known.id, today.id)
    except (*DECODING_ERRORS, *ENCODING_ERRORS):
        pass
    try:
        return _read(canonical(plain(known.id), body), known.id, today.id)
    except DECODING_ERRORS as error:
        raise (
            error if isinstance(error, Undecodable) else Undecodable(f"{type(error).__name__}: {error}")
        ) from None


def _read(body: bytes, writer: int, reader: int | None) -> dict[str, Any]:
    as_read = None if reader is None else parsed(reader)
    fields = fastavro.schemaless_reader(io.BytesIO(body), parsed(writer), as_read)
    return dict(fields)  # type: ignore[arg-type]


def _written(fields: Mapping[str, Any], writer: int) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed(writer), fields)
    return out.getvalue()


@cache
def plain(schema_id: int) -> dict[str, Any]:
    """The committed schema of a version, times as plain longs and ids as plain strings."""
    return dict(without_logical_types(version(schema_id).schema))


@cache
def parsed(schema_id: int) -> Any:
    """The same as fastavro wants it."""
    return fastavro.parse_schema(plain(schema_id))


@cache
def _arrays(record: type[FlatRecord]) -> dict[str, type[FlatRecord] | None]:
    """The array fields of a record, and the type of their rows, None for scalars."""
    arrays: dict[str, type[FlatRecord] | None] = {}
    for name, info in record.model_fields.items():
        if getattr(info.annotation, "__origin__", None) is tuple:
            item = get_args(info.annotation)[0]
            arrays[name] = item if isinstance(item, type) and issubclass(item, FlatRecord) else None
    return arrays


def fields_of(record: FlatRecord) -> dict[str, Any]:
    """The values of an event or row as `encode_rows` takes them."""
    fields = record.__dict__
    nested = [name for name, row in _arrays(type(record)).items() if row is not None and fields.get(name)]
    return (
        {**fields, **{name: [fields_of(row) for row in fields[name]] for name in nested}}
        if nested
        else fields
    )


def _invalid(record: type[Event], row: Mapping[str, Any], error: Exception) -> InvalidEvent:
    for field in plain(latest(record).id)["fields"]:
        name = field["name"]
        if name not in row and "default" not in field:
            return InvalidEvent(record.__name__, name, NOTHING, "a value: it is required")
        if name in row:
            try:
                fastavro.schemaless_writer(io.BytesIO(), fastavro.parse_schema(field["type"]), row[name])
            except ENCODING_ERRORS:
                return InvalidEvent(record.__name__, name, row[name], f"Avro {field['type']}")
    return InvalidEvent(record.__name__, "(whole record)", dict(row), f"fields of its schema ({error})")
