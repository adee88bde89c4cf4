"""The command line with its warehouse on a ClickHouse server: here the interface over an engine of the test's own."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import running, until, until_it_says
from worlds import World

from mailwake.settings import Settings, SettingsError, load_settings
from sinks.clickhouse_http.server import HttpServer, HttpSettings
from sinks.engine import Engine

EVENTS = b'{"type": "MessageSent", "from_domain": "example.com", "provider": "gmail"}\n' * 5


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(tmp_path_factory.mktemp("server") / "data") as opened:
        yield opened


@pytest.fixture
def server(engine: Engine) -> Iterator[HttpServer]:
    with HttpServer(engine, HttpSettings(port=0)) as started:
        yield started


def world_on(folder: Path, server: HttpServer, database: str, **more: str) -> World:
    (folder / database).mkdir()
    environment = {
        "MAILWAKE_WAREHOUSE": f"clickhouse://mailwake@127.0.0.1:{server.port}/{database}",
        "MAILWAKE_WAREHOUSE_PASSWORD": server.token,
        "MAILWAKE_WAIT_SECONDS": "1",
        **more,
    }
    return World(folder / database, environment)


def test_everything_works_on_a_server(tmp_path: Path, server: HttpServer) -> None:
    world = world_on(tmp_path, server, "everything")
    world.run("emit", stdin=EVENTS)
    said = [world.run("warehouse", "migrate", "--dry-run", "--json")]
    planned = json.loads(said[0].out)["statements"]
    assert planned[0] == "CREATE DATABASE IF NOT EXISTS everything" and len(planned) > 30
    said.append(world.run("warehouse", "migrate", "--json"))
    assert json.loads(said[-1].out)["applied"][0] == "0001_facts.sql"
    assert "nothing to do" in world.run("warehouse", "migrate", "--dry-run").out
    said.append(world.run("run", "--until-idle"))
    assert world.rows("SELECT count() AS n, any(from_domain) AS d FROM mail_events") == [
        {"n": 5, "d": "example.com"}
    ]
    for command in (["replay", "rebuild"], ["replay", "verify"], ["replay", "swap"], ["status"]):
        said.append(world.run(*command))
    assert world.rows("SELECT generation FROM current_generation") == [{"generation": 2}]
    assert world.rows("SELECT count() AS n FROM mail_events") == [{"n": 5}]
    assert not any(server.token in one.out + one.err for one in said)
    assert not world.warehouse.exists()


def test_a_query_is_told_to_read_only(tmp_path: Path, server: HttpServer) -> None:
    world = world_on(tmp_path, server, "readers")
    world.run("warehouse", "migrate")
    said = world.run("query", "INSERT INTO generation_swaps VALUES (1, 2, now64())", expect=1)
    assert "Code: 164" in said.err
    assert world.rows("SELECT count() AS n FROM generation_swaps") == [{"n": 0}]


def readiness(port: int) -> dict[str, str]:
    """What `/readyz` says of each part."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/readyz")
        return dict(json.loads(connection.getresponse().read())["parts"])
    finally:
        connection.close()


def test_up_serves_no_engine_of_its_own_and_waits_for_a_server_that_left(
    tmp_path: Path, engine: Engine
) -> None:
    first = HttpServer(engine, HttpSettings(port=0)).start()
    world = world_on(tmp_path, first, "up")
    world.run("emit", stdin=EVENTS)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running(world, "up", MAILWAKE_METRICS_PORT=str(port)) as process:
        assert f"queries at clickhouse://127.0.0.1:{first.port}/up" in until_it_says(b"queries at", process)
        assert not (world.folder / "mailwake.db.serving").exists()
        until(lambda: world.lag() == 0, process)
        assert readiness(port) == {"log": "ok", "warehouse": "ok"}
        first.stop()
        until(lambda: "is busy or away" in readiness(port)["warehouse"], process)
        world.run("emit", stdin=EVENTS)
        until_it_says(b"is busy or away", process)
        again = HttpServer(engine, HttpSettings(port=first.port))
        again.token = first.token
        with again:
            until(lambda: world.lag() == 0, process)
            assert world.rows("SELECT count() AS n FROM mail_events") == [{"n": 10}]


def test_a_server_that_is_away_or_refuses_is_named(tmp_path: Path, server: HttpServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    world = world_on(tmp_path, server, "away")
    away = f"clickhouse://me@127.0.0.1:{port}/away"
    for command in (["run", "--until-idle"], ["query", "SELECT 1"], ["warehouse", "migrate", "--dry-run"]):
        said = world.run(*command, expect=4, MAILWAKE_WAREHOUSE=away)
        assert f"clickhouse://127.0.0.1:{port}/away is busy or away" in said.err.splitlines()[-1]
        assert "Traceback" not in said.err
    said = world.run("run", "--until-idle", expect=3, MAILWAKE_WAREHOUSE_PASSWORD="not it")
    assert "refuses" in said.err and "not it" not in said.err and "Traceback" not in said.err
    said = world.run("query", "SELECT 1", expect=3, MAILWAKE_WAREHOUSE_PASSWORD="not it")
    assert "refuses the password: MAILWAKE_WAREHOUSE_PASSWORD" in said.err and "not it" not in said.err


def test_a_warehouse_that_is_served_says_where_though_nobody_sits_there(tmp_path: Path) -> None:
    world = World(tmp_path, {"MAILWAKE_WAREHOUSE_PASSWORD": "try", "MAILWAKE_HTTP_PORT": "0"})
    with running(world, "warehouse", "serve") as process:
        line = until_it_says(b"MAILWAKE_WAREHOUSE=", process)
    assert line.startswith("workers find it by MAILWAKE_WAREHOUSE=clickhouse://mailwake@127.0.0.1:")


def test_a_cluster_is_rendered(tmp_path: Path, server: HttpServer) -> None:
    """The embedded engine has no cluster, so the plan for one is as far as it goes: it says that there is none."""
    world = world_on(tmp_path, server, "clustered", MAILWAKE_WAREHOUSE_CLUSTER="mail")
    said = world.run("warehouse", "migrate", expect=3)
    assert "can't be on cluster mail" in said.err


@contextmanager
def environment(monkeypatch: pytest.MonkeyPatch, **settings: str) -> Iterator[None]:
    with monkeypatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(f"MAILWAKE_{name}", value)
        yield


def test_settings_name_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with environment(
        monkeypatch,
        WAREHOUSE="clickhouses://loader@db.example.com/mail",
        WAREHOUSE_PASSWORD="p@ss",
        WAREHOUSE_CLUSTER="prod",
        WAREHOUSE_ANSWER_SECONDS="7",
    ):
        settings = load_settings()
    server = settings.warehouse_server
    assert server is not None
    assert (server.host, server.port, server.user, server.password) == (
        "db.example.com", 8443, "loader", "p@ss",
    )  # fmt: skip
    assert (server.database, server.secure, server.cluster) == ("mail", True, "prod")
    assert (server.timeouts.connect, server.timeouts.answer) == (10, 7)
    assert "p@ss" not in repr(settings) + str(settings) + repr(server) + str(server)
    with pytest.raises(SettingsError, match="on a server, and this is for an embedded one"):
        _ = settings.warehouse_path
    assert Settings(warehouse="chdb:///w").warehouse_server is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"WAREHOUSE": "clickhouse://me:sec/r@et@host/db"},
            "MAILWAKE_WAREHOUSE_PASSWORD|clickhouse://USER@HOST",
        ),
        ({"WAREHOUSE": "clickhouse://me:secret@host/db"}, "MAILWAKE_WAREHOUSE_PASSWORD, not in the URL"),
        ({"WAREHOUSE": "clickhouse://me:secret@host/a-b"}, "letters, digits"),
        ({"WAREHOUSE": "mysql://me:secret@host/db"}, "chdb:///.*clickhouse://"),
        ({"WAREHOUSE_CLUSTER": "a' b"}, "WAREHOUSE_CLUSTER"),
        ({"WAREHOUSE_ANSWER_SECONDS": "0"}, "greater than"),
    ],
)
def test_a_wrong_server_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with environment(monkeypatch, **settings), pytest.raises(SettingsError, match=says) as raised:
        load_settings()
    assert "secret" not in str(raised.value) and "sec/" not in str(raised.value)


def test_a_misspelt_password_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mailwake.toml").write_text("warehouse_pasword = 'secret'\nwarehouse_passwd = 'secret'\n")
    with pytest.raises(SettingsError, match="no such setting") as raised:
        load_settings()
    assert "'secret'" not in str(raised.value)
