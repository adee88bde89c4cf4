"""The commands as an operator types them, each a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from house import DAY_MS, START_MS, House

from replay.rebuild import Wanted, rebuild
from streams.keyring.file_keyring import FileKeyring


def command(house: House, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MAILWAKE_")},
        "MAILWAKE_LOG": f"sqlite:///{house.folder / 'mailwake.db'}",
        "MAILWAKE_WAREHOUSE": f"chdb:///{house.folder / 'warehouse'}",
        "MAILWAKE_BLOBS": str(house.folder / "blobs"),
        **settings,
    }
    return subprocess.run(
        [sys.executable, "-m", "mailwake", "replay", *arguments],
        env=environment,
        cwd=house.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def house(house: House) -> House:
    """One whose commands name no recipients when they read documents, as who read them first did not."""
    FileKeyring.open(house.folder / "mailwake.keys", create=True).forget("default")
    return house


def result(house: House, *arguments: str) -> Mapping[str, Any]:
    done = command(house, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    found: Mapping[str, Any] = json.loads(line)
    return found


def test_from_rebuild_to_drop(house: House) -> None:
    before = house.views()
    assert result(house, "rebuild", "--dry-run")["generation"] == 2
    rebuilt = result(house, "rebuild", "--reparse")
    assert (rebuilt["generation"], rebuilt["made_from"]) == (2, "documents")
    assert result(house, "verify")["equal"] is True
    assert result(house, "swap") == {"live": 2, "before": 1}
    assert result(house, "generations", "drop", "1") == {"dropped": 1}
    (left,) = result(house, "generations", "list")["generations"]
    assert (left["number"], left["standing"]) == (2, "live")
    assert house.views() == before


def test_difference_is_exit_code_1_and_shown(house: House) -> None:
    with house.replay() as replay:
        rebuild(replay, Wanted())
        replay.warehouse._client.command(
            "INSERT INTO reputation_days_told SELECT * REPLACE (sent + 7 AS sent, revision + 100 AS revision) "
            "FROM reputation_days_told FINAL WHERE generation = 2 ORDER BY identity, provider, bucket LIMIT 1"
        )
    done = command(house, "verify")
    assert done.returncode == 1, done.stderr
    assert "They differ." in done.stdout
    assert "reputation_days: tenant=default" in done.stdout
    assert "  live:    sent=" in done.stdout


def test_user_mistakes_are_one_line(house: House) -> None:
    half = command(house, "rebuild", "--from", "2026-06-01")
    assert (half.returncode, half.stderr) == (2, "mailwake: a span needs both --from and --to\n")
    early = command(house, "swap")
    assert early.returncode == 3
    assert "mailwake replay rebuild makes one" in early.stderr
    assert early.stderr.count("\n") == 1


def test_says_who_holds_the_log(house: House) -> None:
    log = house.log()
    with log.hold():
        done = command(house, "rebuild")
    log.close()
    assert done.returncode == 3
    assert f"process {os.getpid()}" in done.stderr
    assert "mailwake up" in done.stderr
    assert done.stderr.count("\n") == 1


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from house import House
from replay.rebuild import Wanted, rebuild
from replay.swap import swap

def die(boundary):
    if boundary == {boundary!r}:
        os.kill(os.getpid(), 9)

with House(Path({folder!r}), 200).replay(die) as replay:
    rebuild(replay, Wanted(reparse=True))
    swap(replay)
"""


@pytest.mark.parametrize("boundary", ["reputation written", "warehouse loaded", "handed over", "flipped"])
def test_killed_ends_in_the_old_or_the_new(house: House, boundary: str) -> None:
    before = house.views()
    program = KILLED.format(tests=str(Path(__file__).parent), folder=str(house.folder), boundary=boundary)
    died = subprocess.run([sys.executable, "-c", program], timeout=120, check=False, capture_output=True)
    assert died.returncode == -9, died.stderr
    assert house.views() == before
    house.simulate(seed=4, start_ms=START_MS + 2 * DAY_MS, days=1)
    house.run()
    if boundary != "flipped":
        result(house, "rebuild", "--reparse")
        result(house, "swap")
    live = house.views()
    with house.replay() as replay:
        assert replay.warehouse.current_generation() == 2
        rebuild(replay, Wanted())
    assert house.views(3) == live
