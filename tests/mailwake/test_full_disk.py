"""A disk that is full: said, with exit code 4; nothing half-written; on it goes when there is room."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from running import running, until, until_it_says
from worlds import SCENARIO, Undisturbed, World, assert_same, finished, undisturbed_run

NO_ROOM = 4
DISK = 64 * 2**20
PATIENCE = {"MAILWAKE_WAIT_SECONDS": "0"}
LARGE = replace(SCENARIO, domains=8, messages_per_day=200)
"""Takes more room than a warehouse has to have to be opened at all (8 MiB)."""
ROOM_FOR_SOME = 10_000_000
"""Enough to open the warehouse and for some steps of LARGE."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed_run(tmp_path_factory.mktemp("large"), LARGE)


class Disk:
    """A small file system, filled up by one large file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def leave(self, size: int) -> None:
        """Leave so many bytes free."""
        self.make_room()
        with (self.folder / "ballast").open("wb") as ballast:
            left = shutil.disk_usage(self.folder).free - size
            while left > 0:
                left -= ballast.write(bytes(min(left, 2**20)))

    def make_room(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"mounting a small file system takes root: {mounted.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_run_says_so_and_goes_on_when_there_is_room(disk: Disk, undisturbed: Undisturbed) -> None:
    """With nothing left, with too little for the warehouse, and with enough for some steps."""
    world = undisturbed.input.copy(disk.folder / "world", **PATIENCE)
    for left in (0, 100_000, ROOM_FOR_SOME):
        disk.leave(left)
        said = world.run("run", "--until-idle", expect=NO_ROOM)
        assert "Traceback" not in said.err
        assert "room" in said.err.splitlines()[-1]
    disk.make_room()
    assert_same(world.finish(), undisturbed.outcome)


def test_up_waits_and_goes_on_by_itself(disk: Disk, undisturbed: Undisturbed) -> None:
    world = undisturbed.input.copy(disk.folder / "world")
    disk.leave(ROOM_FOR_SOME)
    with running(world, "up") as up:
        until_it_says(b"waits", up)
        disk.make_room()
        until(lambda: world.lag() == 0, up)
        up.send_signal(signal.SIGTERM)
        said = finished(up, expect=0)
    assert "Traceback" not in said.err
    assert_same(world.finish(), undisturbed.outcome)


def lines(count: int) -> bytes:
    events = (
        {"type": "MessageSent", "source": "test", "source_event_id": str(number), "from_domain": "a.example"}
        for number in range(count)
    )
    return "\n".join(map(json.dumps, events)).encode()


def test_emit_says_from_which_line_on_nothing_was_emitted(disk: Disk) -> None:
    (disk.folder / "world").mkdir()
    world = World(disk.folder / "world", {"MAILWAKE_STEP_RECORDS": "50000"})
    world.run("emit", stdin=lines(1))
    disk.leave(3_000_000)
    said = world.run("emit", "--json", stdin=lines(30_000), expect=NO_ROOM)
    kept = len(world.records("mail.events")) - 1
    assert kept in (10_000, 20_000)
    assert f"nothing from line {kept + 1} on was emitted" in said.err
    assert not said.out
    disk.make_room()
    world.run("emit", stdin=lines(30_000))
    world.run("run", "--until-idle")
    assert world.rows("SELECT count() AS events FROM mail_events") == [{"events": 30_000}]


def test_ingest_keeps_all_of_a_document_or_nothing(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "small.xml").write_bytes(b"no report" * 10_000)
    (tmp_path / "large.xml").write_bytes(b"no report" * 1_000_000)
    (disk.folder / "world").mkdir()
    world = World(disk.folder / "world", PATIENCE)
    world.run("ingest", tmp_path / "small.xml", expect=1)
    documents = len(world.records("documents"))
    disk.leave(40_000)
    for name in ("small.xml", "large.xml"):
        said = world.run("ingest", tmp_path / name, expect=NO_ROOM)
        assert "Traceback" not in said.err
    assert len(world.records("documents")) == documents
    assert not [file for file in (world.folder / "blobs").rglob("*") if file.is_file()]
    disk.make_room()
    said = world.run("ingest", "--json", tmp_path / "large.xml", expect=1)
    assert json.loads(said.out)["outcome"] == "rejected"
    assert len(world.records("documents")) == documents + 1


def test_a_backup_that_finds_no_room_leaves_nothing(disk: Disk, done: World) -> None:
    disk.leave(1_000_000)
    said = done.run("backup", disk.folder / "backup", expect=NO_ROOM)
    assert "Traceback" not in said.err
    assert [file.name for file in disk.folder.iterdir()] == ["ballast"]
    disk.make_room()
    done.run("backup", disk.folder / "backup")
