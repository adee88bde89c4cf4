"""Processes that stay up while a test does something beside them."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from worlds import World, finished

LONGEST_S = 90


@contextmanager
def running(world: World, *arguments: object, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`mailwake ARGUMENTS` for the length of the block."""
    with _ended(world.start(*arguments, **settings)) as process:
        yield process


@contextmanager
def running_program(world: World, *arguments: object, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
    """One of pipeline_programs.py for the length of the block."""
    with _ended(world.program(*arguments, **settings)) as process:
        yield process


@contextmanager
def _ended(process: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Wait until something is so, as long as the process lives, and not for ever."""
    deadline = time.monotonic() + LONGEST_S
    while not condition():
        assert process.poll() is None, finished(process)
        assert time.monotonic() < deadline, f"not within {LONGEST_S} s"
        time.sleep(0.05)


def until_it_says(words: bytes, process: "subprocess.Popen[bytes]") -> str:
    """Read what a process says on stderr until it says this; gives that line."""
    assert process.stderr
    while line := process.stderr.readline():
        if words in line:
            return line.decode()
    raise AssertionError(f"it ended without saying {words!r}: {finished(process)}")
