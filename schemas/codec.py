"""Events to bytes and back, one at a time: Confluent framing (0x00, 4-byte schema id, Avro body) by fastavro."""

import io
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

import fastavro

from schemas.avro import without_logical_types
from schemas.catalog import UnknownSchema, Version, latest, version
from schemas.record import Event, FlatRecord, InvalidEvent

HEADER = 5
"""Bytes before the Avro body: the magic byte and the schema id."""


DECODING_ERRORS = (ValueError, TypeError, EOFError, IndexError, OverflowError, MemoryError, StopIteration)
"""What fastavro raises on garbage."""


class Undecodable(ValueError):
    """Bytes that are no record of ours; the message says why."""


def frame_of(schema_id: int) -> bytes:
    """The five bytes that a record of this schema begins with."""
    return b"\x00" + schema_id.to_bytes(4, "big")


def schema_id_of(framed: bytes) -> int:
    """The schema id a record claims. Raises Undecodable when it is not framed."""
    if len(framed) < HEADER or framed[0] != 0:
        raise Undecodable(f"not framed: {len(framed)} bytes starting {framed[:HEADER].hex() or '(empty)'}")
    return int.from_bytes(framed[1:HEADER], "big")


def encode(event: Event) -> bytes:
    """The framed record of one event. Raises InvalidEvent when a field can't be what it holds."""
    (framed,) = encode_rows(type(event), [fields_of(event)])
    return framed


def encode_rows(record: type[Event], rows: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """Framed records from rows of field values (times in ms, ids as text) that were checked before.

    Raises InvalidEvent naming the first field whose value has no Avro form.
    """
    current = latest(record)
    schema = parsed(current.id)
    head = frame_of(current.id)
    buffer = io.BytesIO()
    ends = [0]
    for row in rows:
        buffer.write(head)
        try:
            fastavro.schemaless_writer(buffer, schema, row)
        except (ValueError, TypeError, OverflowError, AttributeError, KeyError) as error:
            raise _invalid(record, row, error) from None
        ends.append(buffer.tell())
    whole = buffer.getvalue()
    return [whole[start:end] for start, end in pairwise(ends)]


def decode(framed: bytes) -> Event:
    """The event in a framed record, as today's reader sees it. Raises Undecodable."""
    known, fields = decode_fields(framed)
    try:
        return known.record(**fields)
    except InvalidEvent as error:
        raise Undecodable(str(error)) from None


def decode_fields(framed: bytes) -> tuple[Version, dict[str, Any]]:
    """The writer's version and the field values as today's reader sees them, unchecked. Raises Undecodable."""
    try:
        known = version(schema_id_of(framed))
    except UnknownSchema as error:
        raise Undecodable(str(error)) from None
    body = io.BytesIO(framed)
    body.seek(HEADER)
    try:
        fields = fastavro.schemaless_reader(body, parsed(known.id), parsed(latest(known.record).id))
    except DECODING_ERRORS as error:
        raise Undecodable(f"{known.record.__name__}: {type(error).__name__}: {error}") from None
    left = len(framed) - body.tell()
    if left:
        raise Undecodable(f"{known.record.__name__}: {left} bytes too many after the body")
    if not isinstance(fields, dict):
        raise Undecodable(f"{known.record.__name__}: the body is no record")
    return known, fields


@cache
def parsed(schema_id: int) -> Any:
    """The committed schema of a version as fastavro wants it, times as plain longs."""
    return fastavro.parse_schema(without_logical_types(version(schema_id).schema))


def fields_of(record: FlatRecord) -> dict[str, Any]:
    """The values of an event or row as `encode_rows` takes them."""
    fields = record.__dict__
    nested = [
        name
        for name, value in fields.items()
        if type(value) is tuple and value and isinstance(value[0], FlatRecord)
    ]
    if not nested:
        return fields
    return {**fields, **{name: [fields_of(row) for row in fields[name]] for name in nested}}


def _invalid(record: type[Event], row: Mapping[str, Any], error: Exception) -> InvalidEvent:
    for field in without_logical_types(latest(record).schema)["fields"]:
        name = field["name"]
        if name not in row and "default" not in field:
            return InvalidEvent(record.__name__, name, None, "a value: it is required")
        if name in row:
            try:
                fastavro.schemaless_writer(io.BytesIO(), fastavro.parse_schema(field["type"]), row[name])
            except (ValueError, TypeError, OverflowError, AttributeError, KeyError):
                return InvalidEvent(record.__name__, name, row[name], f"Avro {field['type']}")
    return InvalidEvent(record.__name__, "(whole record)", dict(row), f"fields of its schema ({error})")
