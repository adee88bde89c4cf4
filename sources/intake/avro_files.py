"""Avro object container files to the fields of events.

Source: Avro 1.11, 'Object Container Files'. Read here and not by fastavro's reader, which unpacks a block whatever it
becomes.
"""

import io
from typing import Any

import fastavro
import orjson

from schemas.adoption import adopt
from schemas.catalog import UnknownSchema, Version, latest
from schemas.codec import DECODING_ERRORS, parsed
from schemas.encoding.avro import without_logical_types
from schemas.encoding.wire import Undecodable, read_long
from sources.intake.event_items import BadItem, Item
from sources.intake.limits import IntakeLimits
from sources.intake.refusal import Refused
from sources.intake.unpacking import TooMuch, Unreadable, unpacked

_MAGIC, _SYNC = b"Obj\x01", 16
_CODECS = {"null": "identity", "deflate": "raw-deflate", "zstandard": "zstd"}
_MOST_METADATA = 64


def records_in(body: bytes, limits: IntakeLimits) -> list[Item | BadItem]:
    """The events of a file, `type` from its schema's name. Raises Refused: 400, 413."""
    try:
        metadata, at = _header(body)
        version, reader = _schema(metadata)
        codec = _CODECS.get(metadata.get("avro.codec", b"null").decode("utf-8", "replace"))
        if codec is None:
            raise Undecodable(f"a codec that is not read here; there are {', '.join(_CODECS)}")
        sync, at = body[at : at + _SYNC], at + _SYNC
        items: list[Item | BadItem] = []
        unpacked_bytes = 0
        while at < len(body):
            count, at = read_long(body, at)
            size, at = read_long(body, at)
            block = body[at : at + size]
            if count < 0 or size < 0 or body[at + size : at + size + _SYNC] != sync:
                raise Undecodable(f"a block that does not end where it should, at byte {at}")
            if len(items) + count > limits.events:
                raise Refused(413, "too_many", f"more than {limits.events:,} events; nothing was kept")
            data = unpacked(block, codec, limits.events_bytes - unpacked_bytes, limits)
            unpacked_bytes += len(data)
            items += _block(data, count, version, reader)
            at += size + _SYNC
    except TooMuch as error:
        raise Refused(413, "too_large", str(error)) from None
    except (Undecodable, Unreadable, UnknownSchema) as error:
        raise Refused(
            400, "unreadable", f"the body is no Avro file of events: {error}; nothing was kept"
        ) from None
    return items


def _header(body: bytes) -> tuple[dict[str, bytes], int]:
    if not body.startswith(_MAGIC):
        raise Undecodable("it does not begin with Obj and 1")
    metadata: dict[str, bytes] = {}
    at = len(_MAGIC)
    while True:
        count, at = read_long(body, at)
        if count == 0:
            return metadata, at
        if count < 0:
            _, at = read_long(body, at)
        if abs(count) > _MOST_METADATA:
            raise Undecodable(f"{abs(count)} entries of metadata")
        for _ in range(abs(count)):
            key, at = _bytes(body, at)
            value, at = _bytes(body, at)
            metadata[key.decode("utf-8", "replace")] = value


def _bytes(body: bytes, at: int) -> tuple[bytes, int]:
    size, at = read_long(body, at)
    if not 0 <= size <= len(body) - at:
        raise Undecodable(f"{size} bytes of {len(body) - at} left, at byte {at}")
    return body[at : at + size], at + size


def _schema(metadata: dict[str, bytes]) -> tuple[Version, Any]:
    try:
        schema = orjson.loads(metadata.get("avro.schema", b""))
    except orjson.JSONDecodeError as error:
        raise Undecodable(f"its schema is no JSON ({error})") from None
    version = adopt(0, schema)
    try:
        return version, fastavro.parse_schema(without_logical_types(version.schema))
    except (fastavro.schema.SchemaParseException, *DECODING_ERRORS) as error:
        raise Undecodable(f"its schema can't be read ({error})") from None


def _block(data: bytes, count: int, version: Version, written: Any) -> list[Item | BadItem]:
    today = parsed(latest(version.record).id)
    stream = io.BytesIO(data)
    items: list[Item | BadItem] = []
    for _ in range(count):
        try:
            fields = fastavro.schemaless_reader(stream, written, today)
        except DECODING_ERRORS as error:
            raise Undecodable(f"record {len(items)} of a block can't be read ({error})") from None
        items.append({"type": version.record.__name__, **fields})  # type: ignore[dict-item]
    if stream.tell() != len(data):
        raise Undecodable("bytes are left in a block")
    return items
