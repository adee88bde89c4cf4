"""Two runtimes at one log: the second is told who is there; one that was paused and overtaken writes nothing."""

import os
import signal

import pytest
from running import running, until_it_says
from worlds import Undisturbed, World, assert_same, finished

from streams.running.pauses import Pauses

REFUSED = 3


def test_a_second_runtime_says_who_holds_the_log_and_leaves(world: World) -> None:
    with running(world, "up") as up:
        until_it_says(b"INFO mailwake up: ", up)
        for command in (("run", "--until-idle"), ("up",), ("restore", "backup")):
            if command[0] == "restore":
                world.run("backup", "backup")
            said = world.run(*command, expect=REFUSED)
            assert f"held by another runtime, process {up.pid}; stop that one first" in said.err
        up.send_signal(signal.SIGTERM)
        assert finished(up).code == 0


def test_a_warehouse_that_is_open_elsewhere_is_refused(world: World) -> None:
    """Another log over the same warehouse: the folder has a lock of its own."""
    with running(world, "up") as up:
        until_it_says(b"INFO mailwake up: ", up)
        said = world.run("run", "--until-idle", expect=REFUSED, MAILWAKE_LOG="sqlite:///other.db")
        assert "is open in another process" in said.err


@pytest.mark.parametrize(
    ("place", "paused"),
    [
        ("reputation flushed", ("documents", "classify", "suppress", "warehouse")),
        ("warehouse read", ("documents", "reputation", "classify", "suppress")),
    ],
)
def test_one_that_was_overtaken_while_it_was_stopped_writes_nothing_when_it_wakes(
    world: World, undisturbed: Undisturbed, place: str, paused: tuple[str, ...]
) -> None:
    """The other workers are paused, so that it isn't stopped in the middle of one's write, which all others wait for.

    Its lock on the warehouse's folder holds as long as it lives, so its successor gets an empty folder in that place.
    """
    pauses = Pauses.beside(world.log_path)
    for worker in paused:
        pauses.pause(worker)
    stopped = world.program("stop", place, 1)
    try:
        _, status = os.waitpid(stopped.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"{place} was not reached"
        for worker in paused:
            pauses.resume(worker)
        (world.folder / "mailwake.db.runtime.lock").unlink()
        assert "is open in another process" in world.run("run", "--until-idle", expect=REFUSED).err
        world.warehouse.rename(world.folder / "aside")
        world.run("run", "--until-idle")
        stopped.send_signal(signal.SIGCONT)
        said = finished(stopped, expect=REFUSED)
    finally:
        stopped.kill()
    assert "another runtime has taken" in said.err
    assert "nothing was written, this process must stop" in said.err
    assert_same(world.finish(), undisturbed.outcome)
