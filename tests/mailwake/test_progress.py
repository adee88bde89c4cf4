"""What moves on a terminal while something takes time: never on stdout, and not at all with --json."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import pytest
from worlds import World

from mailwake.cli.progress import Increments, progress, waiting


class Terminal(io.StringIO):
    """A stderr that says it is one."""

    def isatty(self) -> bool:
        return True


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    with redirect_stderr(Terminal()) as said:
        yield said


def test_something_moves_until_there_is_something_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as said, progress("read:", {"files": 4}, at_first="opening") as advance:
        assert "opening" in said.getvalue()
        advance("nothing", 0)
        advance("files", 3)
    assert "read: files" in said.getvalue() and "3/4" in said.getvalue() and "/s" in said.getvalue()
    assert "nothing" not in said.getvalue()


def test_what_is_left_makes_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as said, progress() as advance:
        advance("views", 0, 9)
        advance("views", 2, 7)
    assert "2/9" in said.getvalue()


def test_many_threads_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as said, progress(totals={"records": 4_000}) as advance:
        threads = [
            threading.Thread(target=lambda: [advance("records", 1) for _ in range(1_000)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert "4,000/4,000" in said.getvalue()


def test_so_many_so_far_becomes_how_many_more() -> None:
    told: list[int] = []
    increments = Increments(lambda name, records, left=None: told.append(records))
    for so_far in (5, 5, 12):
        increments(so_far)
    assert told == [5, 0, 7]


def test_nothing_moves_with_json_or_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as said:
        with progress("a", as_json=True) as advance, waiting("b", as_json=True):
            advance("c", 1)
        with redirect_stderr(io.StringIO()) as no_terminal, progress("a") as advance, waiting("b"):
            advance("c", 1)
    assert not said.getvalue() and not no_terminal.getvalue()


def on_a_terminal(world: World, arguments: Sequence[object], stdin: bytes = b"") -> tuple[str, str]:
    """What a command says on stdout, which is a pipe, and on stderr, which is a terminal."""
    ours, theirs = os.openpty()
    said: list[bytes] = []

    def listen() -> None:
        try:
            while chunk := os.read(ours, 65_536):
                said.append(chunk)
        except OSError:
            return

    listening = threading.Thread(target=listen)
    listening.start()
    done = subprocess.run(
        [sys.executable, "-m", "mailwake", *map(str, arguments)],
        cwd=world.folder,
        env=world.environ(TERM="xterm", COLUMNS="150"),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=120,
        check=False,
    )
    os.close(theirs)
    listening.join()
    os.close(ours)
    assert done.returncode in (0, 1), b"".join(said)
    return done.stdout.decode(), b"".join(said).decode()


EVENT = b'{"type": "MessageSent", "from_domain": "example.com"}\n'

COMMANDS: tuple[tuple[tuple[str, ...], Sequence[str]], ...] = (
    (("emit",), ["emitted events"]),
    (("ingest", "one.xml"), ["ingesting: files", "ingesting: documents", "ingesting: outcomes"]),
    (("inspect", "one.xml"), ["inspecting one.xml"]),
    (("simulate", "--days", "0.1", "--domains", "2", "--messages-per-day", "100"), ["simulated events"]),
    (("run", "--until-idle"), ["opening", "reputation", "warehouse"]),
    (("query", "SELECT 1 AS one"), ["asking the warehouse", "received bytes"]),
    (("dead-letters", "list"), ["reading"]),
    (("backup", "copy"), ["copied bytes of the log"]),
    (("replay", "rebuild"), ["opening", "rebuilding: reputation"]),
    (("replay", "verify"), ["opening", "verifying: views"]),
    (("replay", "generations", "list"), ["opening"]),
    (("schemas", "check"), ["comparing"]),
)
"""In this order, in one folder; each with what moves meanwhile."""


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("progress"))
    (world.folder / "one.xml").write_bytes(b"<feedback/>")
    return world


@pytest.mark.parametrize(("arguments", "moves"), COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_every_command_that_takes_time_shows_progress(
    used: World, arguments: Sequence[str], moves: Sequence[str]
) -> None:
    out, err = on_a_terminal(used, arguments, EVENT)
    assert [what for what in moves if what not in err] == []
    assert out and "\x1b" not in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("emit",),
        ("ingest", "one.xml"),
        ("run", "--until-idle"),
        ("query", "SELECT 1 AS one"),
        ("backup", "another"),
        ("replay", "verify"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_with_json_nothing_moves_on_a_terminal(used: World, arguments: Sequence[str]) -> None:
    out, err = on_a_terminal(used, (*arguments, "--json"), EVENT)
    assert not err
    assert out and all(isinstance(json.loads(line), dict) for line in out.splitlines())


def test_a_backup_is_copied_and_put_back_by_the_byte(done: World, tmp_path: Path) -> None:
    (done.folder / "large").write_bytes(b"large" * 200_000)
    done.run("ingest", "large", expect=1)
    _, err = on_a_terminal(done, ["backup", tmp_path / "copy"])
    assert "copied bytes of the log" in err and "copied blobs" in err
    out, err = on_a_terminal(done, ["restore", tmp_path / "copy"])
    assert "copied bytes of the log" in err and "copied blobs" in err
    assert f"{tmp_path / 'copy'} is in place" in out
