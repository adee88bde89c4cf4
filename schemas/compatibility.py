"""FULL_TRANSITIVE compatibility: any version of a record can be read by the reader of any other.

Avro 1.11, 'Schema Resolution', for the flat schemas that are allowed here.
"""

from typing import Any

_WIDENS = {("int", "long"), ("int", "double"), ("long", "double"), ("string", "bytes"), ("bytes", "string")}


def incompatibilities(writer: dict[str, Any], reader: dict[str, Any]) -> list[str]:
    """What keeps `reader` from reading what `writer` wrote; empty when nothing does."""
    found: list[str] = []
    _compare(writer, reader, reader.get("name", "record"), found)
    return found


def _compare(writer: Any, reader: Any, where: str, found: list[str]) -> None:
    writer_kind, reader_kind = _kind(writer), _kind(reader)
    if writer_kind == "union" or reader_kind == "union":
        _compare_unions(writer, reader, where, found)
    elif writer_kind == reader_kind == "record":
        _compare_records(writer, reader, where, found)
    elif writer_kind == reader_kind == "array":
        _compare(writer["items"], reader["items"], where + "[]", found)
    elif writer_kind != reader_kind and (writer_kind, reader_kind) not in _WIDENS:
        found.append(f"{where}: {writer_kind} was written, {reader_kind} is read")


def _compare_records(writer: Any, reader: Any, where: str, found: list[str]) -> None:
    if writer["name"] != reader["name"]:
        found.append(f"{where}: record {writer['name']} was written, {reader['name']} is read")
        return
    written = {field["name"]: field for field in writer["fields"]}
    for field in reader["fields"]:
        name = f"{where}.{field['name']}"
        if field["name"] in written:
            _compare(written[field["name"]]["type"], field["type"], name, found)
        elif "default" not in field:
            found.append(f"{name}: was not written and has no default")


def _compare_unions(writer: Any, reader: Any, where: str, found: list[str]) -> None:
    branches = reader if isinstance(reader, list) else [reader]
    for written in writer if isinstance(writer, list) else [writer]:
        if not any(not incompatibilities_of(written, branch, where) for branch in branches):
            found.append(f"{where}: {_kind(written)} was written, {'|'.join(map(_kind, branches))} is read")


def incompatibilities_of(writer: Any, reader: Any, where: str) -> list[str]:
    """As `incompatibilities`, for any part of a schema; `where` names it."""
    found: list[str] = []
    _compare(writer, reader, where, found)
    return found


def _kind(schema: Any) -> str:
    if isinstance(schema, list):
        return "union"
    return str(schema["type"]) if isinstance(schema, dict) else str(schema)
