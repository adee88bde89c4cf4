"""The tables, by numbered SQL files that are applied once, in order, and never edited after their release.

`migrations/NNNN_name.sql` holds statements separated by a semicolon at a line's end. What was applied is recorded,
with a checksum, in the table `migrations`. A migration that was cut short is run again: so each statement says
IF NOT EXISTS. On a cluster the same files are rendered for it (`cluster.py`), and recorded as they are.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

from sinks.sink import SinkError
from sinks.warehouse.client import Client

RECORD = """
CREATE TABLE IF NOT EXISTS migrations (name String, checksum String, applied_at DateTime64(3, 'UTC'))
ENGINE = MergeTree ORDER BY name SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
"""


class MigrationRefused(SinkError):
    """What the warehouse records as applied is not what this version of mailwake holds."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file's text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def statements(self) -> Iterator[str]:
        """Its statements, without comments."""
        for statement in re.split(r";\s*\n", self.sql + "\n"):
            text = "\n".join(line for line in statement.splitlines() if not line.startswith("--")).strip()
            if text:
                yield text


def known() -> list[Migration]:
    """The migrations of this version of mailwake, in order."""
    folder = files("sinks.warehouse") / "migrations"
    found = [
        Migration(file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(".sql")
    ]
    return sorted(found, key=lambda migration: migration.name)


def apply(client: Client, migrations: Sequence[Migration]) -> list[str]:
    """Apply what is missing; returns the names applied. Raises MigrationRefused, and then has changed nothing."""
    _check_engines(client)
    client.define(RECORD)
    missing = _missing(client, migrations)
    for migration in missing:
        for statement in migration.statements():
            client.define(statement)
        client.command(
            "INSERT INTO migrations SELECT {name:String}, {checksum:String}, now64(3, 'UTC')",
            {"name": migration.name, "checksum": migration.checksum},
        )
    return [migration.name for migration in missing]


def pending(client: Client, migrations: Sequence[Migration]) -> list[Migration]:
    """What `apply` would apply. Changes nothing. Raises MigrationRefused."""
    _check_engines(client)
    ((there,),) = client.rows("EXISTS TABLE migrations")
    return _missing(client, migrations) if there else list(migrations)


def _missing(client: Client, migrations: Sequence[Migration]) -> list[Migration]:
    recorded = client.rows("SELECT name, any(checksum) FROM migrations GROUP BY name")
    applied = {str(name): str(checksum) for name, checksum in recorded}
    _check(client.where, applied, migrations)
    return [migration for migration in migrations if migration.name not in applied]


def _check_engines(client: Client) -> None:
    """Refuse to mix tables of one node with a cluster's: IF NOT EXISTS would leave them as they are, silently."""
    wrong = "NOT LIKE" if client.cluster else "LIKE"
    found = client.rows(
        "SELECT name, engine FROM system.tables WHERE database = currentDatabase() "
        f"AND engine LIKE '%MergeTree' AND engine {wrong} 'Replicated%' ORDER BY name LIMIT 1"
    )
    for name, engine in found:
        way_out = (
            "give it a database of its own, which is filled from the log"
            if client.cluster
            else "set MAILWAKE_WAREHOUSE_CLUSTER to the cluster's name"
        )
        raise MigrationRefused(
            f"table {name} of the warehouse {client.where} is a {engine}, "
            f"{'and a cluster was set' if client.cluster else 'and no cluster was set'}: {way_out}"
        )


def _check(where: str, applied: dict[str, str], migrations: Sequence[Migration]) -> None:
    checksums = {migration.name: migration.checksum for migration in migrations}
    for name, checksum in applied.items():
        if name not in checksums:
            raise MigrationRefused(
                f"the warehouse {where} has migration {name}, which this mailwake does not know: "
                "a newer version made it; run that version or a newer one"
            )
        if checksums[name] != checksum:
            raise MigrationRefused(
                f"migration {name} was changed after it was applied to the warehouse {where} "
                f"(applied {checksum[:12]}, here {checksums[name][:12]}): put the file back and add a new migration"
            )
    latest = max(applied, default="")
    for name in checksums:
        if name < latest and name not in applied:
            raise MigrationRefused(
                f"migration {name} comes before {latest}, which the warehouse {where} already has: number it after that"
            )
