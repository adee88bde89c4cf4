"""Avro bodies to data frames, many at a time: joined into one Avro container file, which polars reads natively."""

import io
import json
from collections.abc import Collection
from typing import Any

import polars as pl

from schemas.encoding.wire import write_long

SYNC = b"mailwake-columns"
"""Ends each block of the files made here; its value doesn't matter."""

_BEYOND = bytes(16_384)
"""Follows the bodies, so that a text which claims to go on behind them seldom makes polars panic: it prints then."""


def polars_schema(schema: dict[str, Any]) -> dict[str, pl.DataType]:
    """The columns of a record's frame."""
    return {field["name"]: _dtype(field["type"]) for field in schema["fields"]}


def file_head(schema: dict[str, Any]) -> bytes:
    """How an Avro file begins whose records have this schema. Defaults are for readers; polars balks at them."""
    text = json.dumps(_without_defaults(schema)).encode()
    pairs = [(b"avro.schema", text), (b"avro.codec", b"null")]
    strings = b"".join(write_long(len(part)) + part for pair in pairs for part in pair)
    return b"Obj\x01" + write_long(len(pairs)) + strings + write_long(0) + SYNC


def read_bodies(
    head: bytes, count: int, joined: bytes, columns: list[str] | None = None
) -> pl.DataFrame | None:
    """`count` joined bodies as a frame; None for what polars can't read, be it that it says so or panics."""
    size = len(joined) + len(_BEYOND)
    file = b"".join((head, write_long(count), write_long(size), joined, _BEYOND, SYNC))
    try:
        frame = pl.read_avro(io.BytesIO(file), columns=columns)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None
    return frame if frame.height == count else None


def as_read(
    frame: pl.DataFrame,
    written: dict[str, Any],
    reader: dict[str, Any],
    wanted: Collection[str] | None = None,
) -> pl.DataFrame:
    """A frame of what one version wrote, as the reader of another sees it (Avro 1.11, 'Schema Resolution').

    Fields that were not written get the reader's default, fields that the reader doesn't have go, at any depth.
    `wanted` limits the columns.
    """
    fields = [field for field in reader["fields"] if wanted is None or field["name"] in wanted]
    by_name = {field["name"]: field["type"] for field in written["fields"]}
    if all(_not_null(by_name.get(field["name"])) == _not_null(field["type"]) for field in fields):
        return pl.DataFrame([frame.get_column(field["name"]) for field in fields])
    frame = frame.with_columns(_field(field, by_name, pl.col(field["name"])) for field in fields)
    return frame.select(field["name"] for field in fields)


def _field(field: dict[str, Any], written: dict[str, Any], value: pl.Expr) -> pl.Expr:
    name = field["name"]
    if name in written:
        return _value(written[name], field["type"], value).alias(name)
    return pl.lit(pl.Series([field["default"]], dtype=_dtype(field["type"]))).first().alias(name)


def _value(written: Any, reader: Any, value: pl.Expr) -> pl.Expr:
    written, reader = _not_null(written), _not_null(reader)
    if written == reader:
        return value
    if isinstance(reader, dict) and reader["type"] == "array":
        return value.list.eval(_value(written["items"], reader["items"], pl.element()))
    if isinstance(reader, dict) and reader["type"] == "record":
        fields = {field["name"]: field["type"] for field in written["fields"]}
        rows = pl.struct(
            _field(field, fields, value.struct.field(field["name"])) for field in reader["fields"]
        )
        return pl.when(value.is_null()).then(None).otherwise(rows)
    return value.cast(_dtype(reader))


def _not_null(schema: Any) -> Any:
    return schema[1] if isinstance(schema, list) else schema


def _without_defaults(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_defaults(value) for key, value in schema.items() if key != "default"}
    return [_without_defaults(part) for part in schema] if isinstance(schema, list) else schema


_SCALARS: dict[str, pl.DataType] = {
    "string": pl.String(),
    "long": pl.Int64(),
    "int": pl.Int64(),
    "double": pl.Float64(),
    "boolean": pl.Boolean(),
    "bytes": pl.Binary(),
}


def _dtype(kind: Any) -> pl.DataType:
    kind = _not_null(kind)
    if not isinstance(kind, dict):
        return _SCALARS[kind]
    if kind["type"] == "array":
        return pl.List(_dtype(kind["items"]))
    if kind["type"] == "record":
        return pl.Struct({field["name"]: _dtype(field["type"]) for field in kind["fields"]})
    return _SCALARS[kind["type"]]
