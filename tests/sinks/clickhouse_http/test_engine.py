"""The one place that opens chDB."""

import subprocess
import sys
from pathlib import Path

import clickhouse_connect
import pytest

from sinks.engine import Engine, WarehouseInUse, WarehouseUnavailable, holder_of


def test_connections_share_the_engine_but_no_session(engine: Engine) -> None:
    one, other = engine.connect(), engine.connect()
    one.query("CREATE DATABASE shared ENGINE = Atomic")
    one.query("CREATE TABLE shared.t (a UInt8) ENGINE = MergeTree ORDER BY a")
    one.query("INSERT INTO shared.t VALUES (1)")
    one.query("SET max_threads = 1")
    assert other.query("SELECT a FROM shared.t", "TSV").bytes() == b"1\n"
    assert other.query("SELECT getSetting('max_threads') = 1", "TSV").bytes() == b"0\n"
    one.close()
    other.close()


def test_clickhouse_connect_shares_it(engine: Engine) -> None:
    client = clickhouse_connect.get_client(interface="chdb", path=str(engine.folder))
    limit = client.command("SELECT value FROM system.server_settings WHERE name = 'mark_cache_size'")
    client.close()
    assert int(str(limit)) == engine.limits.mark_cache


def test_another_folder_in_the_same_process(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(WarehouseInUse, match="this process has another warehouse open"):
        Engine(tmp_path / "other")


def test_the_same_folder_in_another_process(engine: Engine) -> None:
    program = (
        "import sys; from pathlib import Path; from sinks.engine import Engine, WarehouseInUse\n"
        "try: Engine(Path(sys.argv[1]))\n"
        "except WarehouseInUse as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(engine.folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "is open in another process" in done.stdout
    assert str(engine.folder) in done.stdout
    if holder_of(engine.folder / "status") is not None:
        assert not done.stderr, "chDB was asked, and said so in its own words"


def test_a_folder_that_can_not_be(tmp_path: Path) -> None:
    with pytest.raises(WarehouseUnavailable, match=r"no '\?'"):
        Engine(tmp_path / "what?")


def test_importing_it_does_not_load_chdb() -> None:
    program = "import sys, sinks.engine; print('chdb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_closing_lets_go_of_the_folder(tmp_path: Path) -> None:
    """In a process of its own: here, the module's engine is open."""
    program = (
        "import sys; from pathlib import Path; from sinks.engine import Engine, WarehouseUnavailable\n"
        "for name in ('a', 'b', 'a'):\n"
        "    engine = Engine(Path(sys.argv[1]) / name); engine.close(); engine.close()\n"
        "try: engine.connect()\n"
        "except WarehouseUnavailable as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "is closed" in done.stdout
