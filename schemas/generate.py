"""Writes the committed schema files: `python -m schemas.generate`, or `mailwake schemas generate`.

The newest version of a record is rewritten while it is unreleased; a version listed in `released.json` never
changes again, and a changed model gets the next number. Refuses a change that breaks FULL_TRANSITIVE.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.avro import schema_of
from schemas.catalog import FIRST_ID, RECORDS
from schemas.compatibility import incompatibilities

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
        frozen = number <= released.get(name, 0)
        if frozen and (number == 0 or _load(here / f"avsc/{name}/{number}.avsc") != schema):
            number += 1
            numbers[str(number)] = (
                max([FIRST_ID - 1, *(i for known in ids.values() for i in known.values())]) + 1
            )
        contents[f"avsc/{name}/{number}.avsc"] = _json(schema)
        for older in range(1, number):
            earlier = _load(here / f"avsc/{name}/{older}.avsc")
            broken += [f"{name} {older} -> {number}: {what}" for what in incompatibilities(earlier, schema)]
            broken += [f"{name} {number} -> {older}: {what}" for what in incompatibilities(schema, earlier)]
    contents["ids.json"] = _json(ids)
    return Written(contents, broken)


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


def main() -> int:
    """Write the files; exit 1, writing nothing, when a change would break compatibility."""
    written = generate()
    if written.broken:
        sys.stderr.write("\n".join(written.broken) + "\n")
        return 1
    for path, text in written.files.items():
        (HERE / path).parent.mkdir(parents=True, exist_ok=True)
        (HERE / path).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
