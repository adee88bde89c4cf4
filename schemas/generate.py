"""Writes the committed schema files: `python -m schemas.generate`, or `mailwake schemas generate`.

The newest version of a record is rewritten while it is unreleased. `released.json` says up to which number the
versions of each record are released: these never change again, and a changed model gets the next number and a new
id, unless only its words changed. A change that breaks FULL_TRANSITIVE is refused. `--release` marks the newest versions as released.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.catalog import FIRST_ID, RECORDS
from schemas.compatibility import incompatibilities
from schemas.encoding.avro import schema_of

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Written:
    """What generating would leave: file contents by path relative to `schemas/`."""

    files: dict[str, str]
    broken: list[str]
    """Compatibility rules that a changed model breaks."""


def generate(here: Path = HERE) -> Written:
    """Work out every schema file from the models, writing nothing."""
    ids = _load(here / "ids.json")
    released = _load(here / "released.json")
    contents: dict[str, str] = {}
    broken: list[str] = []
    for name, record in RECORDS.items():
        schema = schema_of(record)
        numbers = ids.setdefault(name, {})
        number = max(map(int, numbers), default=0)
        if number <= released.get(name, 0):
            if number and _without_docs(_load(here / f"avsc/{name}/{number}.avsc")) == _without_docs(schema):
                continue
            number += 1
            numbers[str(number)] = _next_id(ids)
        contents[f"avsc/{name}/{number}.avsc"] = _json(schema)
        for older in range(1, number):
            earlier = _load(here / f"avsc/{name}/{older}.avsc")
            broken += _refusals(name, number, older, incompatibilities(earlier, schema))
            broken += _refusals(name, older, number, incompatibilities(schema, earlier))
    contents["ids.json"] = _json(ids)
    return Written(contents, broken)


def _next_id(ids: dict[str, dict[str, int]]) -> int:
    return max([FIRST_ID - 1, *(known for numbers in ids.values() for known in numbers.values())]) + 1


def _without_docs(schema: Any) -> Any:
    """What of a schema matters on the wire: other words about a field make no new version."""
    if isinstance(schema, dict):
        return {key: _without_docs(value) for key, value in schema.items() if key != "doc"}
    return [_without_docs(part) for part in schema] if isinstance(schema, list) else schema


def _refusals(name: str, reader: int, writer: int, found: list[str]) -> list[str]:
    return [f"{name}: version {reader} can't read version {writer}: {what}" for what in found]


def differences(here: Path = HERE) -> list[str]:
    """What is committed and not what the models say: paths; and what breaks compatibility."""
    written = generate(here)
    stale = [
        path
        for path, text in written.files.items()
        if not (here / path).exists() or (here / path).read_text() != text
    ]
    return [f"schemas/{path} is not what the models say" for path in stale] + written.broken


def _load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def write(here: Path = HERE) -> list[str]:
    """Write the files; or nothing, when a change would break compatibility: then what it breaks."""
    written = generate(here)
    if not written.broken:
        for path, text in written.files.items():
            (here / path).parent.mkdir(parents=True, exist_ok=True)
            (here / path).write_text(text)
    return written.broken


def release(here: Path = HERE) -> None:
    """Mark the newest version of every record as released."""
    newest = {name: max(map(int, numbers)) for name, numbers in _load(here / "ids.json").items()}
    (here / "released.json").write_text(_json(newest))


def main() -> int:
    """Write the files; exit 1, writing nothing, when a change would break compatibility."""
    broken = write()
    if broken:
        sys.stderr.write("\n".join(broken) + "\n")
        return 1
    if "--release" in sys.argv[1:]:
        release()
    return 0


if __name__ == "__main__":
    sys.exit(main())
