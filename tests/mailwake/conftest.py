"""One input and one undisturbed run for all tests here, which they copy and compare with."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from sinks.clickhouse_http.server import HttpServer, HttpSettings
from sinks.engine import Engine

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("worlds", "platforms", "faults")

from platforms import Platform  # noqa: E402
from worlds import Undisturbed, World, undisturbed_run  # noqa: E402


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed_run(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine of every server of a module: a process can have one."""
    with Engine(tmp_path_factory.mktemp("server") / "data") as opened:
        yield opened


@pytest.fixture(scope="module")
def server(engine: Engine) -> Iterator[HttpServer]:
    """ClickHouse's HTTP interface."""
    with HttpServer(engine, HttpSettings(port=0)) as started:
        yield started


@pytest.fixture
def platform(kafka: Broker, server: HttpServer, tmp_path: Path) -> Iterator[Callable[[], Platform]]:
    """Makes platforms, each of a name of its own."""
    made: list[Platform] = []

    def make() -> Platform:
        made.append(Platform(kafka, server, tmp_path, f"p{time.time_ns()}"))
        return made[-1]

    yield make
    for one in made:
        one.close()


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
