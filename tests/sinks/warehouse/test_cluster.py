"""What is rendered for a cluster, and that nothing else differs: no cluster is at hand, so the SQL itself is read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from sinks.warehouse import generations, migrations, positions, view_maker
from sinks.warehouse.client import Client, ServerRefuses, check_cluster
from sinks.warehouse.cluster import Cluster
from sinks.warehouse.migrations import Migration, MigrationRefused
from sinks.warehouse.server import Server
from sinks.warehouse.tables import BUCKETS, FACTS
from sinks.warehouse.warehouse import Warehouse, everything
from streams.log import Mark, TopicPartition

CLUSTER = Cluster("mail")
SERVER = Server("db.example.com", 8123, cluster="mail")


@dataclass
class Recorded:
    """A driver that notes what it is asked, with which settings, and answers as it was told."""

    answers: Mapping[str, Sequence[Sequence[Any]]] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def command(self, sql: str, parameters: object = None, settings: Any = None) -> SimpleNamespace:
        self.asked.append((sql, settings or {}))
        return SimpleNamespace(summary={"read_rows": "0"})

    def query(self, sql: str, parameters: object = None, settings: Any = None) -> SimpleNamespace:
        self.asked.append((sql, settings or {}))
        rows = next((rows for words, rows in self.answers.items() if words in sql), [])
        return SimpleNamespace(result_rows=rows, summary={"read_rows": "0"})

    def raw_insert(self, table: str, columns: object, settings: Any = None, **_: object) -> SimpleNamespace:
        self.asked.append((f"INSERT INTO {table}", settings or {}))
        return SimpleNamespace(summary={"read_rows": "0"})

    def said(self, words: str) -> list[tuple[str, Mapping[str, Any]]]:
        return [(sql, settings) for sql, settings in self.asked if words in sql]


def on_cluster(answers: Mapping[str, Sequence[Sequence[Any]]] | None = None) -> tuple[Client, Recorded]:
    driver = Recorded({"EXISTS TABLE": [(0,)], **(answers or {})})
    return Client("there", driver, lambda: None, CLUSTER, is_remote=True), driver  # type: ignore[arg-type]


def parsed(statement: str) -> exp.Expression:
    (one,) = sqlglot.parse(statement, dialect="clickhouse")
    assert isinstance(one, exp.Create), statement
    return one


def test_every_statement_goes_to_every_node_and_every_table_is_replicated() -> None:
    tables, views = {}, set()
    database, *rest = everything(SERVER)
    assert database == "CREATE DATABASE IF NOT EXISTS mailwake ON CLUSTER 'mail'"
    for statement in rest:
        if statement.startswith("ALTER TABLE"):
            assert re.match(r"ALTER TABLE \w+ ON CLUSTER 'mail'\s", statement)
            continue
        made = parsed(statement)
        (on,) = made.find_all(exp.OnCluster)
        assert on.this.name == "mail"
        name = made.find(exp.Table).name  # type: ignore[union-attr]
        if made.args["kind"] == "VIEW":
            views.add(name)
            continue
        (engine,) = made.find_all(exp.EngineProperty)
        tables[name] = engine.this.sql("clickhouse")
    path = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
    facts = {f"{t.name}_told": f"ReplicatedReplacingMergeTree({path}, {t.stays})" for t in FACTS}
    buckets = {f"{t.name}_told": f"ReplicatedReplacingMergeTree({path}, revision)" for t in BUCKETS}
    assert tables == {
        **facts,
        **buckets,
        "positions_told": f"ReplicatedReplacingMergeTree({path}, offset)",
        "generation_swaps": f"ReplicatedMergeTree({path})",
    }
    assert {"mail_events", "mail_events_by_generation", "current_generation", "freshness"} <= views


def test_nothing_else_is_rendered_otherwise() -> None:
    """Without the words that a cluster adds, it is the single node's SQL."""
    path = r"'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
    for single, rendered in zip(everything(), everything(SERVER)[1:], strict=True):
        plain = rendered.replace(" ON CLUSTER 'mail'", "", 1).replace("ENGINE = Replicated", "ENGINE = ", 1)
        plain = plain.replace(f"({path}, ", "(", 1).replace(f"({path})", "", 1)
        assert plain == single.strip()


@pytest.mark.parametrize(
    "statement",
    ["DROP TABLE a", "CREATE TABLE IF NOT EXISTS a (b Int8) ENGINE = Log", "INSERT INTO a SELECT 1"],
)
def test_what_it_does_not_know_is_no_statement_for_a_cluster(statement: str) -> None:
    with pytest.raises(ValueError, match=r"cluster|replicated"):
        CLUSTER.rendered(statement)


def test_migrations_views_and_comments_are_made_on_the_cluster_and_recorded_as_they_are() -> None:
    client, driver = on_cluster(
        {
            "engine LIKE": [],
            "SELECT name, comment FROM system.tables": [("mail_events_told", "")],
            "FROM system.columns": [("mail_events_told", "event_id", "")],
        }
    )
    applied = Warehouse(client).migrate()
    assert applied == [migration.name for migration in migrations.known()]
    for words in ("CREATE", "ALTER TABLE"):
        made = driver.said(words)
        assert made and all("ON CLUSTER 'mail'" in sql for sql, _ in made)
    assert any("COMMENT COLUMN event_id" in sql for sql, _ in driver.said("ALTER TABLE mail_events_told"))
    for record in (migrations.RECORD, view_maker.MADE):
        assert "ENGINE = ReplicatedMergeTree('/clickhouse" in CLUSTER.rendered(record)
    inserted = driver.said("INSERT INTO migrations")
    assert len(inserted) == len(applied)


def test_inserts_wait_for_a_quorum_and_reads_see_them() -> None:
    client, driver = on_cluster({"max(swap)": [(0,)], "FROM current_generation": [(1,)]})
    source = TopicPartition("mail.events", 0)
    positions.write(client, 1, positions.Position(Mark("log", source, 5, "d"), 5, 0, None, None))
    positions.held(client, 1, source)
    generations.make_current(client, 1)
    client.command("INSERT INTO migrations SELECT 1")
    inserts, reads = driver.said("INSERT"), driver.said("SELECT")
    assert len(inserts) == 3 and len(reads) > 3
    for _, settings in inserts:
        assert (settings["insert_quorum"], settings["insert_quorum_parallel"]) == ("auto", 0)
    for sql, settings in reads:
        if sql.startswith("INSERT"):
            continue
        assert settings["select_sequential_consistency"] == 1, sql
    assert driver.said("INSERT INTO positions_told")[0][1]["insert_deduplicate"] == 0


def test_a_single_node_is_asked_for_no_quorum() -> None:
    driver = Recorded()
    client = Client("there", driver, lambda: None)  # type: ignore[arg-type]
    client.insert("positions_told", ["a"], b"")
    client.rows("SELECT 1")
    client.define("DROP TABLE whatever")
    assert not any("quorum" in name or "consistency" in name for _, given in driver.asked for name in given)
    assert driver.asked[-1][0] == "DROP TABLE whatever"


def test_tables_of_one_node_are_not_taken_for_a_clusters() -> None:
    client, driver = on_cluster({"NOT LIKE 'Replicated%'": [("mail_events_told", "ReplacingMergeTree")]})
    with pytest.raises(MigrationRefused, match=r"mail_events_told.*a cluster was set.*database of its own"):
        migrations.apply(client, migrations.known())
    assert not driver.said("CREATE")
    alone = Recorded({"AND engine LIKE 'Replicated%'": [("a", "ReplicatedMergeTree")]})
    with pytest.raises(MigrationRefused, match=r"no cluster was set.*MAILWAKE_WAREHOUSE_CLUSTER"):
        migrations.apply(Client("there", alone, lambda: None), [])  # type: ignore[arg-type]


def test_a_migration_that_was_changed_is_refused_on_a_cluster_too() -> None:
    one = Migration("0001.sql", "CREATE TABLE IF NOT EXISTS t (a Int8) ENGINE = MergeTree ORDER BY a")
    client, _ = on_cluster({"any(checksum)": [("0001.sql", one.checksum)]})
    assert migrations.apply(client, [one]) == []
    with pytest.raises(MigrationRefused, match="was changed"):
        migrations.apply(client, [Migration("0001.sql", one.sql + " ")])


def test_a_cluster_has_one_shard_and_is_known_to_the_server() -> None:
    check_cluster(on_cluster({"system.clusters": [(1, ["default", "mail"])]})[0], "mail")
    with pytest.raises(ServerRefuses, match="it has 2 shards"):
        check_cluster(on_cluster({"system.clusters": [(2, ["mail"])]})[0], "mail")
    with pytest.raises(ServerRefuses, match="cluster mail: the server knows default, other"):
        check_cluster(on_cluster({"system.clusters": [(0, ["default", "other"])]})[0], "mail")
