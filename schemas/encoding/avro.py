"""From a record's Python type to its Avro schema, and from there to what each codec reads.

Every field with a default in Python has one in Avro, so that a reader of any version can fill it in.
"""

import ast
import inspect
import textwrap
import types
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic_core import PydanticUndefined

from schemas.record import Event, EventId, FlatRecord, MailMillis, Millis

Schema = dict[str, Any]

NAMESPACE = "mailwake"
_SCALARS = {str: "string", int: "long", float: "double", bool: "boolean", bytes: "bytes"}


def schema_of(record: type[FlatRecord]) -> Schema:
    """The Avro schema of a record, as committed in its `.avsc` file. Raises TypeError on a type it can't say."""
    return {
        "type": "record",
        "name": record.__name__,
        "namespace": NAMESPACE,
        "doc": _first_paragraph(record),
        "fields": [_field(record, name) for name in record.model_fields],
    }


def field_docs(record: type[FlatRecord]) -> dict[str, str]:
    """What each field is, from the docstring below it."""
    docs: dict[str, str] = {}
    for cls in reversed(record.__mro__):
        if issubclass(cls, FlatRecord) and cls is not FlatRecord:
            docs |= _attribute_docs(cls)
    return docs


def without_logical_types(schema: Any) -> Any:
    """The same schema with times as plain longs and ids as plain strings: what both codecs read and write."""
    if isinstance(schema, dict):
        return {k: without_logical_types(v) for k, v in schema.items() if k not in ("logicalType", "doc")}
    if isinstance(schema, list):
        return [without_logical_types(part) for part in schema]
    return schema


def _field(record: type[FlatRecord], name: str) -> Schema:
    info = record.model_fields[name]
    annotation = inspect.get_annotations(_owner(record, name), eval_str=True)[name]
    field: Schema = {"name": name, "type": _type(annotation)}
    doc = field_docs(record).get(name)
    if doc:
        field["doc"] = doc
    if (issubclass(record, Event) and name in _ALWAYS_GIVEN) or info.default is PydanticUndefined:
        return field
    field["default"] = list(info.default) if isinstance(info.default, tuple) else info.default
    return field


_ALWAYS_GIVEN = {"event_id", "tenant", "occurred_at", "recorded_at", "source"}
"""What no producer may leave to a reader's default."""


def _owner(record: type[FlatRecord], name: str) -> type:
    return next(cls for cls in record.__mro__ if name in inspect.get_annotations(cls))


def _type(annotation: Any) -> Any:
    if annotation in (Millis, MailMillis):
        return {"type": "long", "logicalType": "timestamp-millis"}
    if annotation is EventId:
        return {"type": "string", "logicalType": "uuid"}
    origin = get_origin(annotation)
    if origin is Annotated:
        return _type(get_args(annotation)[0])
    if origin is Literal:
        return "string"
    if origin in (Union, types.UnionType):
        (inner,) = (arg for arg in get_args(annotation) if arg is not type(None))
        return ["null", _type(inner)]
    if origin is tuple:
        return {"type": "array", "items": _type(get_args(annotation)[0])}
    if isinstance(annotation, type) and issubclass(annotation, FlatRecord):
        return schema_of(annotation)
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    raise TypeError(
        f"{annotation!r} has no Avro form here: scalars, nullable scalars and arrays of flat records"
    )


def _first_paragraph(record: type[FlatRecord]) -> str:
    return " ".join(inspect.cleandoc(record.__doc__ or "").split("\n\n")[0].split())


@cache
def _attribute_docs(cls: type) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    docs: dict[str, str] = {}
    for field, after in pairwise(body):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                docs[name] = " ".join(said.split())
    return docs
