"""Migrations: once, in order, never changed; and every column says what it is."""

from dataclasses import replace
from pathlib import Path

import pytest

from sinks.warehouse import migrations
from sinks.warehouse.migrations import Migration, MigrationRefused
from sinks.warehouse.tables import BUCKETS, FACTS, columns, fact_columns, row_columns
from sinks.warehouse.warehouse import Warehouse, everything

TABLE = "CREATE TABLE IF NOT EXISTS {0} (a Int64 COMMENT 'a') ENGINE = MergeTree ORDER BY a"


@pytest.fixture
def empty(folder: Path):  # type: ignore[no-untyped-def]
    with Warehouse.open(f"chdb://{folder}", database="empty") as opened:
        yield opened
        opened._client.command("DROP DATABASE empty")


def test_applies_what_is_missing_once(empty: Warehouse) -> None:
    known = migrations.known()
    assert empty.migrate() == [migration.name for migration in known]
    assert empty.migrate() == []
    recorded = empty.rows("SELECT name, checksum FROM migrations ORDER BY name")
    assert [tuple(row) for row in recorded] == [(m.name, m.checksum) for m in known]


def test_what_is_pending_is_told_before_and_is_all_of_it(empty: Warehouse) -> None:
    told = empty.pending()
    assert list(told) == list(everything())
    assert empty.rows("SELECT count() FROM system.tables WHERE database = 'empty'") == [(0,)]
    for statement in told:
        empty._client.command(statement)
    made = {name for (name,) in empty.rows("SELECT name FROM system.tables WHERE database = 'empty'")}
    empty.migrate()
    after = {name for (name,) in empty.rows("SELECT name FROM system.tables WHERE database = 'empty'")}
    assert after - made == {"migrations", "views_made"}
    assert empty.pending() == []


def test_goes_on_after_being_cut_short(empty: Warehouse) -> None:
    first, *_ = migrations.known()
    empty._client.command(next(iter(first.statements())))
    assert first.name in empty.migrate()


def test_refuses_a_file_changed_since(empty: Warehouse) -> None:
    client = empty._client
    one = Migration("0001_one.sql", TABLE.format("one"))
    migrations.apply(client, [one])
    changed = replace(one, sql=one.sql + " -- harmless?")
    two = Migration("0002_two.sql", TABLE.format("two"))
    with pytest.raises(MigrationRefused, match=r"0001_one\.sql was changed"):
        migrations.apply(client, [changed, two])
    assert client.rows("EXISTS TABLE two") == [(0,)]


def test_refuses_what_a_newer_version_made_and_what_comes_too_late(empty: Warehouse) -> None:
    client = empty._client
    one, two, three = (Migration(f"000{n}.sql", TABLE.format(f"t{n}")) for n in (1, 2, 3))
    migrations.apply(client, [one, three])
    with pytest.raises(MigrationRefused, match=r"0003\.sql, which this mailwake does not know"):
        migrations.apply(client, [one])
    with pytest.raises(MigrationRefused, match=r"0002\.sql comes before 0003\.sql"):
        migrations.apply(client, [one, two, three])


def test_every_table_view_and_column_says_what_it_is(warehouse: Warehouse) -> None:
    tables = warehouse.rows("SELECT name, comment FROM system.tables WHERE database = 'mailwake'")
    assert len(tables) > 40
    assert [name for name, comment in tables if not comment] == []
    silent = warehouse.rows(
        "SELECT table, name FROM system.columns WHERE database = 'mailwake' AND comment = ''"
    )
    assert list(silent) == []


def test_views_are_made_anew_when_a_comment_or_they_change(warehouse: Warehouse) -> None:
    warehouse._client.command("ALTER TABLE mail_events MODIFY COMMENT 'something else'")
    warehouse._client.command("TRUNCATE TABLE views_made")
    assert warehouse.migrate() == []
    ((comment,),) = warehouse.rows("SELECT comment FROM system.tables WHERE name = 'mail_events'")
    assert comment.startswith("The whole life of every message")


def test_what_a_replacement_that_was_cut_short_left_is_removed_and_what_others_made_stays(
    empty: Warehouse,
) -> None:
    empty.migrate()
    client = empty._client
    for name in ("_tmp_replace_83ba9db8b3c4db06_taotupkia24d6606", "of_an_analyst"):
        client.command(f"CREATE VIEW {name} AS SELECT * FROM mail_events_told")
    client.command("TRUNCATE TABLE views_made")
    assert empty.migrate() == []
    there = {name for (name,) in empty.rows("SELECT name FROM system.tables WHERE database = 'empty'")}
    assert "of_an_analyst" in there and not [name for name in there if name.startswith("_tmp")]


def test_tables_have_the_columns_of_the_schemas(warehouse: Warehouse) -> None:
    """A field that is added to a record needs a migration: this says which."""
    for table in FACTS:
        there = types_of(warehouse, f"{table.name}_told")
        fields = fact_columns(table)
        assert set(there) - {"generation", "kind", table.stays} == set(fields) - {"kind", table.stays}
        for name, column in fields.items():
            everywhere = all(name in columns(record) for record in table.kinds)
            optional = not everywhere or (isinstance(column.avro, list) and "null" in column.avro)
            nullable = optional and not there[name].startswith("Array(")
            assert ("Nullable(" in there[name].split("Tuple")[0]) == nullable, f"{table.name}.{name}"
            assert ("DateTime64(3, 'UTC')" in there[name]) == column.is_time
    for buckets in BUCKETS:
        assert set(types_of(warehouse, f"{buckets.name}_told")) == (
            set(row_columns(buckets)) - {"grain"} | {"generation"}
        )


def types_of(warehouse: Warehouse, table: str) -> dict[str, str]:
    rows = warehouse.rows(
        "SELECT name, type FROM system.columns WHERE database = 'mailwake' AND table = {table:String}",
        {"table": table},
    )
    return {str(name): str(kind) for name, kind in rows}
