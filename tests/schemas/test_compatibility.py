"""What is called compatible is what both codecs resolve, both ways; what is not, fastavro refuses."""

import io
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.compatibility import incompatibilities
from schemas.encoding.container import as_read, file_head, read_bodies

Schema = dict[str, Any]
SCALARS = {"string": "x", "long": -7, "double": 0.5, "boolean": True, "bytes": b"\xff\x00"}
NAMES = ["a", "b", "c", "d"]


def default_of(kind: Any) -> Any:
    if isinstance(kind, list):
        return None
    if isinstance(kind, dict):
        return []
    return "\u00ff" if kind == "bytes" else SCALARS[kind]


@st.composite
def fields(draw: st.DrawFn, kinds: st.SearchStrategy[Any]) -> list[Schema]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    made = []
    for name in names:
        kind = draw(kinds)
        has_default = draw(st.booleans()) and kind != "bytes"
        made.append({"name": name, "type": kind, **({"default": default_of(kind)} if has_default else {})})
    return made


scalars = st.sampled_from(list(SCALARS))
nullable = scalars.map(lambda kind: ["null", kind])
rows = fields(scalars | nullable).map(lambda made: {"type": "record", "name": "Row", "fields": made})
arrays = (scalars | rows).map(lambda items: {"type": "array", "items": items})


def named(field: Schema) -> Schema:
    """The field with a name of its own for the rows in it: Avro has no name twice."""
    kind = field["type"]
    if isinstance(kind, dict) and isinstance(kind["items"], dict):
        return {**field, "type": {**kind, "items": {**kind["items"], "name": f"Row_{field['name']}"}}}
    return field


def record_of(made: list[Schema]) -> Schema:
    return {"type": "record", "name": "R", "fields": [named(field) for field in made]}


records = fields(scalars | nullable | arrays).map(record_of)


@st.composite
def changed(draw: st.DrawFn) -> tuple[Schema, Schema]:
    """Two schemas, the second like the first but for a few fields."""
    one, other = draw(records), draw(records)
    kept = [field if draw(st.integers(0, 3)) else None for field in one["fields"]]
    names = {field["name"] for field in kept if field}
    more = [field for field in other["fields"] if field["name"] not in names]
    second = [field for field in kept if field] + more[: draw(st.integers(0, 2))]
    return one, {**one, "fields": second or one["fields"]}


def values_of(schema: Any) -> list[Any]:
    """Some values that show every branch."""
    if isinstance(schema, list):
        return [None, *values_of(schema[1])]
    if not isinstance(schema, dict):
        return [SCALARS[schema]]
    if schema["type"] == "array":
        return [values_of(schema["items"]), []]
    by_field = {field["name"]: values_of(field["type"]) for field in schema["fields"]}
    longest = max(len(values) for values in by_field.values())
    return [{name: values[i % len(values)] for name, values in by_field.items()} for i in range(longest)]


def body(schema: Schema, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def resolved(writer: Schema, reader: Schema) -> list[Any]:
    parsed = fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    return [
        fastavro.schemaless_reader(io.BytesIO(body(writer, value)), *parsed) for value in values_of(writer)
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(changed())
def test_compatible_is_what_can_be_read_both_ways(pair: tuple[Schema, Schema]) -> None:
    for writer, reader in (pair, pair[::-1]):
        try:
            seen = resolved(writer, reader)
        except (fastavro.read.SchemaResolutionError, ValueError, TypeError, AttributeError, KeyError):
            assert incompatibilities(writer, reader) != []
            continue
        if incompatibilities(writer, reader):
            assert stricter_than_avro(writer, reader)
            continue
        bodies = [body(writer, value) for value in values_of(writer)]
        frame = read_bodies(file_head(writer), len(bodies), b"".join(bodies))
        assert frame is not None
        assert as_read(frame, writer, reader).to_dicts() == seen


def stricter_than_avro(writer: Schema, reader: Schema) -> bool:
    """Whether all there is against it is a promotion that Avro has and we don't, or an array that was empty."""
    said = incompatibilities(writer, reader)
    promotions = [("long", "double"), ("string", "bytes"), ("bytes", "string")]
    return all(
        any(f"{w} was written" in line and r in line.split(", ")[-1] for w, r in promotions) for line in said
    )


BASE: Schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}


def having(*made: Schema) -> Schema:
    return {**BASE, "fields": [*BASE["fields"], *made]}


@pytest.mark.parametrize(
    ("older", "newer", "said"),
    [
        (BASE, having({"name": "b", "type": "long", "default": 0}), []),
        (BASE, having({"name": "b", "type": ["null", "long"], "default": None}), []),
        (BASE, having({"name": "b", "type": "long"}), ["R.b: was not written and has no default"]),
        (having({"name": "b", "type": "long"}), having({"name": "b", "type": "string"}), ["R.b: long was written, string is read", "R.b: string was written, long is read"]),
        (having({"name": "b", "type": "long"}), having({"name": "b", "type": ["null", "long"]}), ["R.b: null was written, long is read"]),
        (having({"name": "b", "type": "bytes"}), having({"name": "b", "type": "string"}), ["R.b: bytes was written, string is read", "R.b: string was written, bytes is read"]),
        (
            having({"name": "b", "type": {"type": "array", "items": {"type": "record", "name": "Row", "fields": []}}}),
            having({"name": "b", "type": {"type": "array", "items": {"type": "record", "name": "Row", "fields": [{"name": "x", "type": "long"}]}}}),
            ["R.b[].x: was not written and has no default"],
        ),
        (
            having({"name": "b", "type": {"type": "array", "items": {"type": "record", "name": "Row", "fields": []}}}),
            having({"name": "b", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": []}}}),
            ["R.b[]: record Row was written, Line is read", "R.b[]: record Line was written, Row is read"],
        ),
    ],
)  # fmt: skip
def test_what_is_said_about_a_change(older: Schema, newer: Schema, said: list[str]) -> None:
    assert incompatibilities(older, newer) + incompatibilities(newer, older) == said
