"""The demo, with little mail: what it prints, and that what it recommends works as printed."""

import subprocess
import sys
import tomllib
from pathlib import Path

from worlds import World

LITTLE = (
    "from mailwake.cli import demo; demo.MESSAGES_PER_DAY = 150; from mailwake.__main__ import main; main()"
)


def shell(world: World, command: str) -> "subprocess.CompletedProcess[str]":
    """A command as printed, but for where mailwake is installed."""
    command = command.replace(".venv/bin/mailwake", f"'{sys.executable}' -m mailwake")
    environment = world.environ(MAILWAKE_STEP_RECORDS="25000")
    return subprocess.run(
        ["sh", "-c", command], cwd=world.folder, env=environment, capture_output=True, text=True
    )


def test_a_demo_shows_what_came_of_it_and_recommends_commands_that_work(empty: World) -> None:
    """In a folder whose name needs quoting in a shell, in a URL and in TOML."""
    folder = 'it\'s a "demo" #1'
    (empty.folder / "little.py").write_text(LITTLE)
    quoted = folder.replace('"', '\\"')
    said = shell(empty, f'"{sys.executable}" little.py demo --folder "{quoted}"')
    assert said.returncode == 0, said.stderr
    for title in ("Domains, the worst first", "DMARC, as receivers reported it", "What the incidents did"):
        assert title in said.stdout
    assert {file.name for file in empty.folder.iterdir()} == {"little.py", folder}
    settings = tomllib.loads((empty.folder / folder / "mailwake.toml").read_text("utf-8"))
    assert Path(settings["blobs"]) == Path(folder) / "blobs"

    commands = [line.strip() for line in said.stdout.splitlines() if line.startswith("  MAILWAKE_CONFIG=")]
    query, status, up = commands
    assert "deferred" in query and "\tMicrosoft" not in (answer := shell(empty, query)).stdout
    assert answer.returncode == 0 and answer.stdout.startswith(
        "provider\tenhanced_code\ttimes\texample\ngmail\t"
    )
    assert "Dead letters: 0" in shell(empty, status).stdout
    assert up.endswith("/bin/mailwake up")
