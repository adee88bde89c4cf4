"""Comments on every table, view and column: the schemas' own words, and these for what no schema describes."""

from collections.abc import Iterator, Mapping

from sinks.literals import quoted
from sinks.warehouse.client import Client
from sinks.warehouse.tables import BUCKETS, FACTS, fact_columns, row_columns
from sinks.warehouse.views import all_views

_COLUMNS: Mapping[str, str] = {
    "generation": "Which rebuild the row belongs to; the views without `_by_generation` show the current one.",
    "event_id": "The fact's id: UUIDv5 of the kind of fact, the tenant and the fact's own key; the same whoever told it.",
    "kind": "What kind of thing it is.",
    "first_told": "Falls with the place in the log (2^64 - 1 - offset * 65536 - partition): the copy told first stays.",
    "last_told": "Rises with the place in the log (offset * 65536 + partition): the copy told last stays, so that a "
    "redacted copy replaces what it redacts.",
    "channel": "How it came: sns, eventbridge, imap, upload, file.",
}

_TABLES: Mapping[str, Mapping[str, str]] = {
    "positions_told": {
        "": "How far each topic partition is loaded; the row with the highest offset counts. Written after the data.",
        "topic": "The topic of the log, with its generation (topic@2) where a rebuild made it.",
        "partition": "The partition of the topic.",
        "log_id": "The log it was loaded from.",
        "offset": "Everything before this offset is loaded.",
        "digest": "Of the record before the offset, so that a log that was cut or replaced is noticed.",
        "records": "Records loaded before the offset.",
        "bad": "Records before the offset that could not be understood.",
        "occurred_until": "The latest event time among them, a wrong clock's corrected.",
        "recorded_until": "The latest time of record among them.",
        "loaded_at": "When this was written.",
    },
    "generation_swaps": {
        "": "Which generation the views show: the one that the latest swap names, 1 before the first.",
        "swap": "Counts up.",
        "generation": "The generation that became current.",
        "swapped_at": "When.",
    },
    "migrations": {
        "": "Which numbered migrations were applied.",
        "name": "The file's name.",
        "checksum": "SHA-256 of the file as it was applied.",
        "applied_at": "When.",
    },
    "views_made": {
        "": "Which definition of the views was made, the latest last.",
        "definition": "SHA-256 of the views, their comments and the migrations under them.",
        "made_at": "When.",
    },
    "current_generation": {"": "The generation that the views show.", "generation": "Its number."},
}


def apply(client: Client) -> None:
    """Set every comment that is missing or says something else. Raises LookupError for a column nobody described.

    Tables and views that others made in the database are left alone.
    """
    all_docs = dict(wanted())
    for table, there in _present(client).items():
        if table not in all_docs:
            continue
        docs = {**_COLUMNS, **all_docs[table]}
        changes = [
            f"COMMENT COLUMN {column} {quoted(docs[column])}"
            for column, comment in there.items()
            if column and comment != docs[column]
        ]
        if there[""] != docs[""]:
            changes.append(f"MODIFY COMMENT {quoted(docs[''])}")
        if changes:
            client.define(f"ALTER TABLE {table} {', '.join(changes)}")


def _present(client: Client) -> dict[str, dict[str, str]]:
    tables = client.rows("SELECT name, comment FROM system.tables WHERE database = currentDatabase()")
    there = {name: {"": comment} for name, comment in tables}
    columns = client.rows(
        "SELECT table, name, comment FROM system.columns WHERE database = currentDatabase()"
    )
    for table, name, comment in columns:
        if table in there:
            there[table][name] = comment
    return there


def wanted() -> Iterator[tuple[str, Mapping[str, str]]]:
    """Table or view, and column → comment; under "" its own."""
    yield from _TABLES.items()
    said = dict(_said_by_schemas())
    for name, docs in said.items():
        yield (
            f"{name}_told",
            {**docs, "": "The rows as told, repeats included until they are merged: read the views."},
        )
    for view in all_views():
        docs = {name: doc for table in reversed(view.of) for name, doc in said[table].items()}
        yield view.by_generation, {**docs, **view.docs, "": f"{view.comment} All generations."}
        yield view.name, {**docs, **view.docs, "": view.comment}


def _said_by_schemas() -> Iterator[tuple[str, Mapping[str, str]]]:
    for facts in FACTS:
        yield facts.name, {name: column.doc for name, column in fact_columns(facts).items() if column.doc}
    for buckets in BUCKETS:
        yield buckets.name, {name: column.doc for name, column in row_columns(buckets).items() if column.doc}
