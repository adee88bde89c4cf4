"""Bodies of events to their fields: a JSON object, an array of them, JSON lines, an Avro file, framed Avro records."""

from collections.abc import Sequence
from typing import Any

import orjson

from schemas.catalog import RECORDS
from schemas.codec import Undecodable, decode_fields
from sources.intake.avro_files import records_in
from sources.intake.event_items import BadItem, Item
from sources.intake.limits import IntakeLimits
from sources.intake.refusal import Refused

JSON = ("application/json",)
LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines")
FILE = ("application/avro", "avro/binary", "application/vnd.apache.avro+binary")
FRAMED = ("application/vnd.mailwake.framed",)

_EVENT_SCHEMA = {"type": "object", "properties": {"type": {"enum": sorted(RECORDS)}}, "required": ["type"]}
_BYTES_SCHEMA = {"type": "string", "format": "binary"}
CONTENT: dict[str, Any] = {
    JSON[0]: {"schema": {"oneOf": [_EVENT_SCHEMA, {"type": "array", "items": _EVENT_SCHEMA}]}},
    LINES[0]: {"schema": {"type": "string"}},
    FILE[0]: {"schema": _BYTES_SCHEMA},
    FRAMED[0]: {"schema": _BYTES_SCHEMA},
}
"""The media types, for /openapi.json."""


def items_in(body: bytes, content_type: str, limits: IntakeLimits) -> Sequence[Item | BadItem]:
    """The events of a body in their order. Raises Refused: 400 for what can't be read, 413 for too many, 415."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in JSON:
        items = _json(body, limits.events)
    elif media_type in LINES:
        items = _lines(body, limits.events)
    elif media_type in FILE:
        items = records_in(body, limits)
    elif media_type in FRAMED:
        items = _framed(body, limits.events)
    else:
        raise Refused(
            415,
            "unsupported_type",
            f"Content-Type: wants one of {', '.join((*JSON, *LINES, *FILE, *FRAMED))}",
        )
    _bounded(len(items), limits.events)
    if not items:
        raise Refused(400, "empty", "there is no event in the body")
    return items


def _bounded(count: int, most: int) -> None:
    if count > most:
        raise Refused(
            413, "too_many", f"more than {most:,} events: so many are taken at a time; nothing was kept"
        )


def _json(body: bytes, most: int) -> list[Item | BadItem]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        hint = "; JSON lines go as application/x-ndjson" if b"\n" in body.strip() else ""
        raise Refused(400, "unreadable", f"the body is no JSON ({error}){hint}") from None
    if not isinstance(said, list):
        return [_item(said)]
    _bounded(len(said), most)
    return [_item(one) for one in said]


def _lines(body: bytes, most: int) -> list[Item | BadItem]:
    _bounded(body.count(b"\n") // 2, most)  # half: there may be an empty line behind each
    lines = [line for line in body.splitlines() if line.strip()]
    _bounded(len(lines), most)
    return [_line(line) for line in lines]


def _line(line: bytes) -> Item | BadItem:
    try:
        return _item(orjson.loads(line))
    except orjson.JSONDecodeError as error:
        return BadItem("what is no JSON", f"an object ({error})")


def _item(said: Any) -> Item | BadItem:
    return said if isinstance(said, dict) else BadItem(type(said).__name__, "an object")


def _framed(body: bytes, most: int) -> list[Item | BadItem]:
    """Records as a topic holds them (0x00, four bytes of schema id, Avro), the length of each, four bytes, before it."""
    items: list[Item | BadItem] = []
    at = 0
    while at < len(body):
        size = int.from_bytes(body[at : at + 4], "big")
        record = body[at + 4 : at + 4 + size]
        if len(record) < size or len(body) < at + 4:
            raise Refused(
                400, "unreadable", f"the body ends in the middle of record {len(items)}; nothing was kept"
            )
        _bounded(len(items) + 1, most)
        items.append(_record(record))
        at += 4 + size
    return items


def _record(record: bytes) -> Item | BadItem:
    try:
        version, fields = decode_fields(record)
    except Undecodable as error:
        return BadItem("what is no record", f"a framed record ({error})")
    return {"type": version.record.__name__, **fields}
