"""Options of the test runs, and the Kafka broker and the schema registry that some of them share."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy.kafka.broker import Broker
from deploy.kafka.jars import ToolMissing
from deploy.registry.server import RegistryServer
from schemas import codec, columns, packed
from schemas.catalog import install
from streams import metrics

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
"""Tests start hundreds of processes, which need not compile again what another one has."""

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
"""As `mailwake` has it (mailwake/allocators.py)."""

os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
"""Brokers of tests do little and not for long: what a better compiler gives them is less than what it takes."""

FOR_TESTS = {
    "log.retention.check.interval.ms": "86400000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
}
"""Tests write records of 1970: what is too old goes when a test says so. Transactions that time out go soon."""

LONGEST = (
    "mailwake/test_workers_faulty.py",
    "mailwake/test_killed.py",
    "replay/test_swap.py",
    "mailwake/test_worker_sharing.py",
    "mailwake/test_lost_and_replaced.py",
    "replay/test_rebuild.py",
    "mailwake/test_workers.py",
    "mailwake/test_running.py",
    "replay/test_replay_commands.py",
    "mailwake/test_worker_command.py",
    "mailwake/test_monitor.py",
    "mailwake/test_suppressed.py",
    "streams/spool/test_spooled_log.py",
    "mailwake/test_full_disk.py",
    "mailwake/test_overtaken.py",
    "sinks/warehouse/test_lost_servers.py",
    "mailwake/test_on_a_server.py",
)
"""Files that take longest. They come first: a process that begins one at the end works on when the others are done.

Those that wait for workers stand between those that compute.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    folder = Path(__file__).parent
    items.sort(key=lambda item: place.get(item.path.relative_to(folder).as_posix(), len(place)))


def pytest_collection_finish() -> None:
    """What was collected stays to the end: it is not looked through for garbage again and again."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=200, help="how often the soak tests kill what they run")


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a soak test kills what it runs."""
    return int(request.config.getoption("--rounds"))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real broker that every test of the session may use; each under a prefix of its own."""
    with started(Broker(0, tmp_path_factory.mktemp("kafka"), properties=FOR_TESTS)) as broker:
        yield broker


@pytest.fixture(scope="session")
def shared_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A real schema registry for the session; see `registry`."""
    with RegistryServer(0, tmp_path_factory.mktemp("registry"), tls_port=0) as server:
        run_or_skip(server.run, "schema registry")
        yield server


@pytest.fixture
def registry(shared_registry: RegistryServer) -> Iterator[RegistryServer]:
    """The real registry, empty; what is written and read afterwards has the committed ids again."""
    shared_registry.clear()
    yield shared_registry
    install(None)
    for cached in (
        codec.plain,
        codec.parsed,
        columns._head,
        columns._flags,
        packed._known_last,
        packed._header_schema,
    ):
        cached.cache_clear()


@pytest.fixture
def measured() -> Iterator["CollectorRegistry"]:
    """What is measured during a test, from zero."""
    from prometheus_client import CollectorRegistry

    fresh = CollectorRegistry()
    metrics.register(fresh)
    yield fresh
    metrics.register(None)


def started(broker: Broker) -> Broker:
    """Start it. Without Java or Maven the test fails in CI, and is skipped elsewhere."""
    run_or_skip(broker.run, "Kafka broker")
    return broker


def run_or_skip(run: Callable[[], None], what: str) -> None:
    """Start something; where what it takes is not installed the test fails in CI, and is skipped elsewhere."""
    try:
        run()
    except ToolMissing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"these tests need a {what}: {missing}")
        pytest.skip(f"NOT TESTED, there is no {what} here: {missing}")
