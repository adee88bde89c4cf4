"""One input and one undisturbed run for all tests here, which they copy and compare with."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("worlds")

from worlds import Outcome, World, make_input  # noqa: E402


@dataclass(frozen=True)
class Undisturbed:
    """The input before anything ran, the same after a run in peace, and what that came to."""

    input: World
    world: World
    outcome: Outcome


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    fresh = make_input(folder / "input")
    world = fresh.copy(folder / "run")
    return Undisturbed(fresh, world, world.finish())


@pytest.fixture
def fresh(undisturbed: Undisturbed, tmp_path: Path) -> Callable[..., World]:
    """Makes copies of the input."""
    made: list[World] = []

    def make(**environment: str) -> World:
        made.append(undisturbed.input.copy(tmp_path / f"world-{len(made)}", **environment))
        return made[-1]

    return make


@pytest.fixture
def world(fresh: Callable[..., World]) -> World:
    """A copy of the input."""
    return fresh()


@pytest.fixture
def done(undisturbed: Undisturbed, tmp_path: Path) -> World:
    """A copy of the world after its undisturbed run."""
    return undisturbed.world.copy(tmp_path / "done")


@pytest.fixture
def empty(tmp_path: Path) -> World:
    """An empty folder."""
    (tmp_path / "empty").mkdir()
    return World(tmp_path / "empty")
