"""The same tables and views on a cluster: each statement on every node, each table replicated among them.

What is rendered are mailwake's own statements, which are written one way: so five patterns do, and what fits none of
them is an error. Migrations are recorded by what their file says, not by what it was rendered to, so that a file is
the same migration on one node and on a cluster.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

PATH = "/clickhouse/tables/{shard}/{database}/{table}"
"""Where a table's replicas meet in ClickHouse Keeper; the server fills in its macros and the names."""

QUORUM: Mapping[str, str | int] = {
    "insert_quorum": "auto",
    "insert_quorum_parallel": 0,
    "insert_quorum_timeout": 60_000,
}
"""An insert returns when most replicas have it, and waits a minute for that (in ms).

Not in parallel, since sequential consistency holds only then (ClickHouse's documentation of
`select_sequential_consistency`); one loader inserts one at a time anyway.
"""

CONSISTENT: Mapping[str, str | int] = {"select_sequential_consistency": 1}
"""A read sees every insert that returned, whichever replica answers; one that lacks some of them says so."""

_CREATE = re.compile(
    r"(CREATE (?:TABLE|DATABASE) IF NOT EXISTS|CREATE OR REPLACE VIEW|DROP VIEW IF EXISTS|ALTER TABLE) (\w+)"
)
_ENGINE = re.compile(r"\bENGINE = (Replacing)?MergeTree\b(?:\((\w*)\))?")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of replicas, by the name that its servers' configuration gives it."""

    name: str

    def rendered(self, statement: str) -> str:
        """A statement that defines something, for every node. Raises ValueError for one of another kind."""
        text, found = _CREATE.subn(rf"\1 \2 ON CLUSTER '{self.name}'", statement.strip(), count=1)
        if not found or not _CREATE.match(statement.strip()):
            raise ValueError(f"no statement that can be rendered for a cluster: {statement[:80]!r}")
        if text.startswith("CREATE TABLE"):
            text, engines = _ENGINE.subn(_replicated, text)
            if engines != 1:
                raise ValueError(f"a table whose engine can't be replicated: {statement[:80]!r}")
        return text


def _replicated(engine: re.Match[str]) -> str:
    arguments = ", ".join([f"'{PATH}'", "'{replica}'", *([engine[2]] if engine[2] else [])])
    return f"ENGINE = Replicated{engine[1] or ''}MergeTree({arguments})"
