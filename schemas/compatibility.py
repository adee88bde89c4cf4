"""FULL_TRANSITIVE compatibility: any version of a record can be read by the reader of any other.

Avro 1.11, 'Schema Resolution', for the flat schemas that are allowed here. Avro's promotions (int to long, ...) are
left out: none of them can be read both ways, save between string and bytes, where not all bytes are text.
"""

from typing import Any


def incompatibilities(writer: dict[str, Any], reader: dict[str, Any]) -> list[str]:
    """What keeps `reader` from reading what `writer` wrote, by field; empty when nothing does."""
    return _between(writer, reader, reader["name"])


def _between(writer: Any, reader: Any, where: str) -> list[str]:
    if isinstance(writer, list) or isinstance(reader, list):
        return _between_unions(_branches(writer), _branches(reader), where)
    writer_kind, reader_kind = _kind(writer), _kind(reader)
    if writer_kind != reader_kind:
        return [f"{where}: {writer_kind} was written, {reader_kind} is read"]
    if writer_kind == "array":
        return _between(writer["items"], reader["items"], where + "[]")
    return _between_records(writer, reader, where) if writer_kind == "record" else []


def _between_records(writer: Any, reader: Any, where: str) -> list[str]:
    if writer["name"] != reader["name"]:
        return [f"{where}: record {writer['name']} was written, {reader['name']} is read"]
    written = {field["name"]: field for field in writer["fields"]}
    found: list[str] = []
    for field in reader["fields"]:
        name = f"{where}.{field['name']}"
        if field["name"] in written:
            found += _between(written[field["name"]]["type"], field["type"], name)
        elif "default" not in field:
            found.append(f"{name}: was not written and has no default")
    return found


def _between_unions(written: list[Any], read: list[Any], where: str) -> list[str]:
    kinds = "|".join(map(_kind, read))
    return [
        f"{where}: {_kind(branch)} was written, {kinds} is read"
        for branch in written
        if all(_between(branch, candidate, where) for candidate in read)
    ]


def _branches(schema: Any) -> list[Any]:
    return schema if isinstance(schema, list) else [schema]


def _kind(schema: Any) -> str:
    return str(schema["type"]) if isinstance(schema, dict) else str(schema)
