"""Streams that are closed or can't say everything, and names that are no text, or not meant as text."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence

import pytest
from worlds import World

from mailwake.cli.output import print_table

REPORT = b"<feedback><report_metadata><org_name>[/i]</org_name></report_metadata></feedback>"


def shell(world: World, command: str, **settings: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a line of shell, where `mailwake` is the command."""
    function = f'mailwake() {{ "{sys.executable}" -m mailwake "$@"; }}; {command}'
    environment = world.environ(**settings)
    return subprocess.run(["sh", "-c", function], cwd=world.folder, env=environment, capture_output=True)


@pytest.mark.parametrize(
    "command",
    [
        "mailwake schemas list >&-",
        "mailwake schemas list --json >&-",
        "mailwake schemas list 2>&-",
        "mailwake emit <&-",
        "mailwake emit <&- >&- 2>&-",
    ],
)
def test_a_closed_stream_is_as_good_as_none(empty: World, command: str) -> None:
    said = shell(empty, command)
    assert (said.returncode, said.stderr) == (0, b"")


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["table", "json"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("command", ["inspect", "ingest"])
def test_a_name_that_is_no_text_is_shown_escaped(
    empty: World, command: str, encoding: str, options: Sequence[str]
) -> None:
    (empty.folder / os.fsdecode(b"d\xff\xc3\xbc.xml")).write_bytes(b"no report")
    folder = empty.folder
    said = empty.run(command, folder, *options, expect=1, PYTHONIOENCODING=f"{encoding}:strict")
    shown = "ü" if encoding == "utf-8" else "\\u00fc" if options else "\\xfc"
    assert f"d\\udcff{shown}.xml" in said.out
    assert not said.err


def test_brackets_and_control_characters_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of files and reports are other people's words: no markup of ours, no commands to the terminal."""
    print_table(None, ("name",), [["[/b]"], ["[red]x"], ["a\x1b[31m\nb\x9b"]])
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[1:]] == [
        "[/b]",
        "[red]x",
        r"a\x1b[31m\x0ab\x9b",
    ]


def test_a_member_whose_name_looks_like_markup_is_told(empty: World) -> None:
    with zipfile.ZipFile(empty.folder / "r.zip", "w") as archive:
        archive.writestr("a[/b].xml", REPORT)
    for command in ("inspect", "ingest"):
        said = empty.run(command, "r.zip", expect=1)
        assert "a[/b].xml" in said.out
        assert not said.err
