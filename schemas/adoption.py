"""Schemas that others registered: which committed version one is, or whether today's reader can read it.

A producer in another language registers its own text of a schema: without our words about the fields, with its
library's attributes (`avro.java.string`), with fields that a later or an earlier version has. What counts is what it
writes, and that is the names and types of the fields in their order.
"""

from typing import Any

from schemas.catalog import RECORDS, UnknownSchema, Version, latest, versions
from schemas.compatibility import incompatibilities
from schemas.encoding.avro import NAMESPACE

_SCALARS = frozenset({"string", "long", "int", "double", "boolean", "bytes"})
_PACKED = "rows"


def adopt(schema_id: int, schema: Any) -> Version:
    """The committed version that writes as this schema does; else one of this id that today's reader reads.

    `schema` is as a registry gives it, parsed. Raises UnknownSchema, saying why it is not to be read.
    """
    name = full_name(schema)
    record = RECORDS.get(name.removeprefix(f"{NAMESPACE}."))
    if record is None or not name.startswith(f"{NAMESPACE}."):
        raise UnknownSchema(f"schema id {schema_id} is {name or 'no record'}, and no record of mailwake's")
    try:
        form = written_form(schema)
    except ValueError as error:
        raise UnknownSchema(f"schema id {schema_id}, {name}: {error}") from None
    for known in versions().values():
        if known.record is record and written_form(known.schema) == form:
            return known
    today = latest(record)
    found = incompatibilities(form, today.schema)
    if today.schema["fields"][-1]["name"] == _PACKED and form["fields"][-1]["name"] != _PACKED:
        found.append(f"{record.__name__}.{_PACKED}: is not the last field")
    if found:
        raise UnknownSchema(f"schema id {schema_id}, {name}, can't be read here: {'; '.join(found)}")
    return Version(schema_id, record, 0, form)


def full_name(schema: Any) -> str:
    """A record's name with its namespace; "" for what is no record."""
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return ""
    name = str(schema.get("name", ""))
    return name if "." in name else f"{schema.get('namespace', '')}.{name}".lstrip(".")


def written_form(schema: Any, where: str = "") -> Any:
    """What of a schema decides the bytes that are written. Raises ValueError for what is no type of ours."""
    if isinstance(schema, str):
        if schema not in _SCALARS:
            raise ValueError(f"{where} is {schema}, which is not read here")
        return schema
    if isinstance(schema, list):
        if len(schema) != 2 or schema[0] != "null":
            raise ValueError(f"{where} is a union that is not of null and one other, in this order")
        return ["null", written_form(schema[1], where)]
    if not isinstance(schema, dict):
        raise ValueError(f"{where or 'the schema'} is no Avro type")
    kind = schema.get("type")
    if kind == "array":
        return {"type": "array", "items": written_form(schema.get("items"), where + "[]")}
    if kind != "record":
        return written_form(kind, where)
    fields = [
        {
            "name": str(field["name"]),
            "type": written_form(field["type"], f"{where}.{field['name']}".lstrip(".")),
        }
        for field in schema.get("fields") or ()
        if isinstance(field, dict) and {"name", "type"} <= field.keys()
    ]
    if not fields:
        raise ValueError(f"{where or 'the record'} has no fields")
    name = str(schema.get("name")).rpartition(".")[2]
    return {"type": "record", "name": name, "namespace": NAMESPACE, "fields": fields}
