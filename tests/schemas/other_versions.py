"""Versions of a schema that were never released."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import schemas.catalog
import schemas.codec
import schemas.columns
import schemas.encoding.avro
import schemas.encoding.container
import schemas.packed
from schemas.catalog import RECORDS, Version, latest, versions
from schemas.record import Event

Change = Callable[[dict[str, Any]], None]
AddVersion = Callable[..., Version]


def _forget() -> None:
    for module in (
        schemas.catalog,
        schemas.codec,
        schemas.columns,
        schemas.encoding.container,
        schemas.packed,
    ):
        for value in vars(module).values():
            if hasattr(value, "cache_clear") and value is not versions:
                value.cache_clear()


@pytest.fixture
def add_version(monkeypatch: pytest.MonkeyPatch) -> Iterator[AddVersion]:
    """Adds a version of a record's schema: a changed copy of today's; older than it, or newer."""
    known = dict(versions())
    monkeypatch.setattr(schemas.catalog, "versions", lambda: known)

    def add(record: type[Event], change: Change, *, older: bool = True) -> Version:
        today = latest(record)
        schema = copy.deepcopy(today.schema)
        change(schema)
        number = today.number - 1 if older else today.number + 1
        new = Version(max(known) + 1, RECORDS[record.__name__], number, schema)
        known[new.id] = new
        _forget()
        return new

    _forget()
    yield add
    monkeypatch.undo()
    _forget()
