"""The same loader over HTTP, against ClickHouse's interface as mailwake serves it over the embedded engine."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import warehouse_samples as samples

from sinks.clickhouse_http.server import HttpServer, HttpSettings
from sinks.engine import Engine
from sinks.sink import SinkBusy, SinkError
from sinks.warehouse import client
from sinks.warehouse.client import ServerRefuses
from sinks.warehouse.server import Server
from sinks.warehouse.warehouse import Warehouse


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with Engine(folder) as engine, HttpServer(engine, HttpSettings(port=0)) as server:
        yield f"clickhouse://mailwake:{server.token}@127.0.0.1:{server.port}"


def test_loads_the_same(url: str) -> None:
    with Warehouse.open(url) as remote:
        remote.migrate()
        assert remote.migrate() == []
        world = samples.world()
        remote_sink = remote.sink(1)
        for step in (17, 1_000):
            samples.load_all(remote_sink, world, step)
        rows = samples.contents(remote, 1)
    assert all(rows.values())
    assert len(rows["mail_events"]) == 60


def test_swaps_and_drops(url: str) -> None:
    with Warehouse.open(url, database="http") as remote:
        remote.migrate()
        samples.load_all(remote.sink(1), samples.world(12))
        samples.load_all(remote.sink(2), samples.world(24))
        remote.set_current_generation(2)
        remote.drop_generation(1)
        assert remote.rows("SELECT count() FROM mail_events") == [(24,)]
        assert [generation.number for generation in remote.generations()] == [2]


def test_a_server_that_is_not_there_is_busy() -> None:
    with pytest.raises(SinkBusy, match=r"127\.0\.0\.1:9/mailwake is busy or away.*refused") as raised:
        Warehouse.open("clickhouse://someone:secret@127.0.0.1:9")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "chdb://relative",
        "chdb:///",
        "postgres://host",
        "clickhouse:///nowhere",
        "x",
        "clickhouse://host:port/db",
        "clickhouse://host/no-such",
        "clickhouse://host/db?a=b",
    ],
)
def test_says_what_a_warehouse_is_called(url: str) -> None:
    with pytest.raises(SinkError, match="names no warehouse"):
        Warehouse.open(url)


def test_a_wrong_password_is_refused_and_not_told(url: str) -> None:
    wrong = Server.at(url, "wr/o@ng")
    with pytest.raises(
        ServerRefuses, match=r"refuses the password: MAILWAKE_WAREHOUSE_PASSWORD.*516"
    ) as raised:
        Warehouse.on(wrong)
    chain: list[BaseException | None] = [raised.value, raised.value.__cause__, raised.value.__context__]
    assert not any("wr/o@ng" in repr(error) + str(error) for error in chain)
    assert "wr/o@ng" not in repr(wrong) and "wr/o@ng" not in wrong.where


def test_a_wrong_url_is_said_without_its_password() -> None:
    with pytest.raises(SinkError) as raised:
        Warehouse.open("clickhouse://me:se/cr@et@host:port/db")
    assert "cr" not in str(raised.value).partition(" names no warehouse")[0]


def test_every_code_is_the_error_that_it_is_taken_for(warehouse: Warehouse) -> None:
    """The numbers are ClickHouse's own; the names beside them in client.py are what was meant."""
    source = Path(client.__file__).read_text()
    meant = {int(code): name for code, name in re.findall(r"^    (\d+),  # ([A-Z_]+)", source, re.MULTILINE)}
    assert set(meant) == client.BUSY_CODES | client.REFUSED_CODES
    named = warehouse.rows(
        "SELECT code, errorCodeToName(code) FROM (SELECT arrayJoin({codes:Array(Int32)}) AS code)",
        {"codes": list(meant)},
    )
    assert {code: str(name) for code, name in named} == meant
