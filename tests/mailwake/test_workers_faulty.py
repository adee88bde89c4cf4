"""Workers, broker and warehouse are killed, stopped and slowed down; what comes of it is what an undisturbed run made.

The short form of each is run always; `make soak` runs every fault by itself, for longer, and writes the table in
docs/reliability.md when asked to (WRITE=1).
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import faults
import pytest
from faults import Fault
from platforms import Platform, assert_equal_to_embedded
from worlds import Undisturbed, finished

from deploy.kafka.broker import Broker, free_port
from sinks.clickhouse_http.server import HttpServer, HttpSettings
from sinks.engine import Engine
from tests.conftest import FOR_TESTS, started

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: made by make soak -->", "<!-- end of faults -->"


@pytest.fixture(scope="module")
def lone_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that may be killed."""
    broker = started(Broker(0, tmp_path_factory.mktemp("lone-kafka"), properties=FOR_TESTS))
    with broker:
        yield broker


@pytest.fixture(scope="module")
def lone_server(engine: Engine) -> Iterator[HttpServer]:
    """A warehouse that may go away, and comes back at the same address."""
    with HttpServer(engine, HttpSettings(port=free_port())) as server:
        yield server


@pytest.fixture
def platform(lone_broker: Broker, lone_server: HttpServer, tmp_path: Path) -> Iterator[Platform]:
    there = Platform(lone_broker, lone_server, tmp_path, f"f{time.time_ns()}")
    there.migrate()
    yield there
    there.close()


def test_workers_that_are_killed_leave_no_trace(undisturbed: Undisturbed, platform: Platform) -> None:
    some = ["count written", "fold begun", "count sent", "fold sent", "fold positioned", "warehouse position"]
    faults.killed_at(platform, 0, [*some, "fold ended", "count ended", "fold recovered"])
    assert_equal_to_embedded(platform.views(), undisturbed.outcome.views)


def test_neighbours_that_go_and_workers_that_come_and_go(
    undisturbed: Undisturbed, platform: Platform
) -> None:
    faults.all_at_once(platform, 5)
    assert_equal_to_embedded(platform.views(), undisturbed.outcome.views)


def test_a_worker_that_wakes_up_too_late_writes_nothing(undisturbed: Undisturbed, platform: Platform) -> None:
    faults.zombie(platform, 5)
    assert_equal_to_embedded(platform.views(), undisturbed.outcome.views)


def test_a_worker_is_told_to_end_while_the_broker_is_away(
    undisturbed: Undisturbed, platform: Platform
) -> None:
    worker = platform.program("leaving", 3)
    platform.fill(0, 0, 2)
    platform.settle([worker])
    platform.fill(0, 1, 2)
    platform.broker.stop(kill=True)
    worker.send_signal(signal.SIGTERM)
    said = finished(worker, expect=0)
    platform.broker.run()
    assert said.err.splitlines()[-1].endswith("its partitions go to others when its session is over")
    with platform.working(1) as workers:
        platform.settle(workers)
    assert_equal_to_embedded(platform.views(), undisturbed.outcome.views)


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Callable[[Fault, str], None]]:
    """Collects what came of each fault; written into the documentation at the end, if that is asked for."""
    told: list[tuple[str, str]] = []
    yield lambda fault, outcome: told.append((fault.name, outcome))
    if told and os.environ.get("WRITE"):
        rows = "\n".join(f"| {name} | {outcome} |" for name, outcome in told)
        page = PAGE.read_text()
        head, rest = page.split(BEGIN)
        table = f"{BEGIN}\n| fault | outcome |\n| --- | --- |\n{rows}\n{END}"
        PAGE.write_text(head + table + rest.split(END)[1])


@pytest.mark.soak
@pytest.mark.parametrize("fault", faults.faults(), ids=lambda fault: fault.name)
def test_every_fault(
    undisturbed: Undisturbed, platform: Platform, fault: Fault, outcomes: Callable[[Fault, str], None]
) -> None:
    try:
        fault.damage(platform, 60)
        assert_equal_to_embedded(platform.views(), undisturbed.outcome.views)
    except BaseException as error:
        outcomes(fault, f"FAILED: {str(error).splitlines()[0]}")
        raise
    restarts = f"; started again: {', '.join(platform.restarts)}" if platform.restarts else ""
    outcomes(fault, f"nothing lost, nothing twice, all views equal{restarts}")
