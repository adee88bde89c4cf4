"""What commands print: help that can be read, and with --json nothing but JSON."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import typer
from typer.main import get_command
from worlds import Undisturbed, World

from mailwake.cli.app import app

INGESTED = ["path", "member", "sha256", "kind", "outcome", "records", "warnings", "reason"]


def test_every_command_explains_itself() -> None:
    """Each has a help text of its own, and so has each of its options and arguments."""

    def under(command: object, path: str) -> Iterator[str]:
        if not getattr(command, "help", None):
            yield path
        for parameter in getattr(command, "params", []):
            if parameter.name != "help" and not getattr(parameter, "help", None):
                yield f"{path} {parameter.name}"
        for name, inner in getattr(command, "commands", {}).items():
            yield from under(inner, f"{path} {name}")

    assert isinstance(app, typer.Typer)
    assert not list(under(get_command(app), "mailwake"))


def test_what_the_documentation_says_prints_json_has_the_option_or_needs_none() -> None:
    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    table = text.partition("## What `--json` prints")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`(?:, `.+?`)*) \| (.*) \|$", table, re.MULTILINE)
    assert len(rows) > 40
    for commands, prints in rows:
        for usage in re.findall(r"`(.+?)`", commands):
            command: object = get_command(app)
            for word in usage.split():
                command = getattr(command, "commands", {}).get(word, command)
            options = {name for one in getattr(command, "params", []) for name in one.opts}
            assert ("--json" in options) is not prints.startswith("always JSON"), usage


@pytest.mark.parametrize("command", [(), ("ingest",), ("replay", "rebuild")], ids=" ".join)
def test_help_names_no_secrets_of_the_code(empty: World, command: Sequence[str]) -> None:
    """Fits in 80 columns; nothing of Python in it, such as a default's representation."""
    said = empty.run(*command, "--help", COLUMNS="80")
    assert said.out.startswith("\n Usage: mailwake") or said.out.lstrip().startswith("Usage: mailwake")
    assert max(map(len, said.out.splitlines())) <= 80
    assert not [word for word in ("PosixPath", "<class", "Optional[", "None |") if word in said.out]
    assert not list(empty.folder.iterdir())


def test_ingest_prints_one_object_with_its_keys_for_each_document(empty: World, tmp_path: Path) -> None:
    (tmp_path / "one.xml").write_bytes(b"no report")
    (tmp_path / "two.xml").write_bytes(b"<feedback/>")
    said = empty.run("ingest", "--json", tmp_path / "one.xml", tmp_path / "two.xml", expect=1)
    found = [json.loads(line) for line in said.out.splitlines()]
    assert [list(line) for line in found] == [INGESTED, INGESTED]
    assert [line["path"] for line in found] == [str(tmp_path / "one.xml"), str(tmp_path / "two.xml")]
    assert {line["outcome"] for line in found} == {"rejected"}
    assert not said.err
    inspected = empty.run("inspect", "--json", tmp_path / "one.xml", expect=1).out
    assert list(json.loads(inspected)) == [*INGESTED, "events"]
    assert len(empty.records("documents")) == 2


@pytest.mark.parametrize(
    "command",
    [
        ("status", "--json"),
        ("run", "--until-idle", "--json"),
        ("dead-letters", "list", "--json"),
        ("dead-letters", "show", "0", "--json"),
        ("schemas", "list", "--json"),
        ("schemas", "check", "--json"),
        ("simulate", "--json", "--days", "0.1", "--domains", "2", "--messages-per-day", "100"),
        ("backup", "backup", "--json"),
        ("replay", "generations", "list", "--json"),
        ("replay", "rebuild", "--dry-run", "--json"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_with_json_there_is_nothing_but_json(done: World, command: Sequence[str]) -> None:
    said = done.run(*command)
    lines = said.out.splitlines()
    assert lines and all(isinstance(json.loads(line), dict) for line in lines)
    assert not said.err


def test_what_is_done_is_told_as_json(done: World) -> None:
    def told(*command: str) -> object:
        return json.loads(done.run(*command, "--json").out)

    assert told("pause", "reputation") == {"stage": "reputation", "paused": True, "was_paused": False}
    assert told("pause", "reputation") == {"stage": "reputation", "paused": True, "was_paused": True}
    assert told("resume", "reputation") == {"stage": "reputation", "paused": False, "was_paused": True}
    assert told("resume", "reputation") == {"stage": "reputation", "paused": False, "was_paused": False}
    letter = done.run("dead-letters", "show", "0", "--json").out
    origin = {name: json.loads(letter)[name] for name in ("origin_topic", "origin_partition")}
    end = len(done.records(str(origin["origin_topic"])))
    assert told("dead-letters", "retry", "0") == {"offset": 0, **origin, "appended_offset": end}
    assert told("query", "SELECT 1 AS one") == {"one": 1}
    done.run("backup", "backup")
    restored = told("restore", "backup")
    assert isinstance(restored, dict) and restored["restored"] == "backup"
    assert {Path(place).name for place in restored["moved"]} >= {"mailwake.db", "warehouse"}
    assert all((done.folder / now).exists() for now in restored["moved"].values())


def test_a_pipe_gets_results_and_no_progress(undisturbed: Undisturbed) -> None:
    said = undisturbed.world.run("run", "--until-idle")
    assert said.out == "nothing was left to do\n"
    assert not said.err
    said = undisturbed.world.run("query", "SELECT 1 AS one")
    assert said.out == "one\n1\n"
