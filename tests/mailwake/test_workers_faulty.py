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
def outcomes() -> Callable[[Fault, str], None]:
    """Takes what came of a fault, and writes it into the documentation if that is asked for.

    What was not run this time stays as it is there.
    """

    def told(fault: Fault, outcome: str) -> None:
        if os.environ.get("WRITE"):
            PAGE.write_text(with_outcomes(PAGE.read_text(), {fault.name: outcome}))

    return told


def with_outcomes(page: str, told: dict[str, str]) -> str:
    """The page with these outcomes in its table, in the order of the faults there are."""
    head, rest = page.split(BEGIN)
    table, tail = rest.split(END)
    known = dict(line.strip("| ").split(" | ", 1) for line in table.splitlines() if line.startswith("| "))
    known |= told
    rows = "\n".join(f"| {fault.name} | {known.get(fault.name, 'not run')} |" for fault in faults.faults())
    return f"{head}{BEGIN}\n| fault | outcome |\n| --- | --- |\n{rows}\n{END}{tail}"


def test_the_page_names_every_fault_and_keeps_what_was_not_run() -> None:
    page = PAGE.read_text()
    assert with_outcomes(page, {}) == page
    changed = with_outcomes(page, {"the warehouse away": "FAILED: lost"})
    assert "| the warehouse away | FAILED: lost |" in changed
    assert len(changed.splitlines()) == len(page.splitlines())


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
