"""Loads that were cut short: half an insert, a kill at any moment, no room left."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import warehouse_samples as samples
from sink_conformance import cut, mark

from sinks.warehouse import loader
from sinks.warehouse.loader import WarehouseSink
from sinks.warehouse.warehouse import Warehouse

HERE = Path(__file__).parent


def undisturbed(warehouse: Warehouse, world: dict[str, list[bytes]]) -> dict[str, list[tuple[object, ...]]]:
    sink = warehouse.sink(1)
    samples.load_all(sink, world)
    sink.close()
    return samples.contents(warehouse, 1)


@pytest.mark.parametrize("seed", range(2))
def test_half_an_insert_then_the_whole_slice(
    warehouse: Warehouse, sink: WarehouseSink, generation: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of a slice, a random part of them, in random order, without a position; then the slice."""
    world = samples.world()
    wanted = undisturbed(warehouse, world)
    rng = random.Random(seed)
    whole = loader.arrow_file

    def some(frame):  # type: ignore[no-untyped-def]
        return whole(frame.sample(fraction=rng.random(), shuffle=True, seed=seed))

    for topic, values in world.items():
        position = sink.position(mark(values, 0, topic).source)
        with monkeypatch.context() as patch:
            patch.setattr(loader, "arrow_file", some)
            patch.setattr(loader.positions, "write", lambda *_: None)
            sink.load(cut(values, 0, len(values), topic), mark(values, len(values), topic))
        assert sink.position(mark(values, 0, topic).source) == position
    samples.load_all(sink, world, step=rng.randrange(10, 40))
    assert samples.contents(warehouse, generation) == wanted


@pytest.mark.parametrize("piece", [9, 30])
def test_pieces_of_a_slice_join_up(
    warehouse: Warehouse, sink: WarehouseSink, generation: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "PIECE", piece)
    values: list[bytes] = samples.world()["mail.events"]
    dirty = [*values[:30], b"garbage", *values[30:]]
    loaded = sink.load(cut(dirty, 0, len(dirty), "mail.events"), mark(dirty, len(dirty), "mail.events"))
    assert [index for index, _ in loaded.bad] == [30]
    assert loaded.rows == len(values)
    wanted = undisturbed(warehouse, samples.world())["mail_events"]
    assert samples.contents(warehouse, generation)["mail_events"] == wanted


PROGRAM = """
import sys
sys.path[:0] = sys.argv[2:4]
import warehouse_samples as samples
from sinks.warehouse.warehouse import Warehouse
with Warehouse.open("chdb://" + sys.argv[1]) as warehouse:
    warehouse.migrate()
    print("loading", flush=True)
    samples.load_all(warehouse.sink(1), samples.world(1200), step=100)
    print("done", flush=True)
"""


def test_killed_anywhere_and_gone_on(warehouse: Warehouse, tmp_path: Path) -> None:
    """SIGKILL at random moments of loading; the last run finishes, and every view is an undisturbed load's."""
    rng = random.Random(1)
    kills = 0
    for attempt in range(30):
        run = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "warehouse"), str(HERE), str(HERE.parent)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert run.stdout is not None
        assert run.stdout.readline() == "loading\n"
        if attempt < 4:
            time.sleep(rng.uniform(0.02, 0.3))
            run.send_signal(signal.SIGKILL)
        code = run.wait(60)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    assert kills >= 2
    compared = subprocess.run(
        [sys.executable, "-c", COMPARED, str(tmp_path / "warehouse"), str(HERE), str(HERE.parent)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert compared.returncode == 0, compared.stderr


COMPARED = """
import sys
sys.path[:0] = sys.argv[2:4]
import warehouse_samples as samples
from sinks.warehouse.warehouse import Warehouse
with Warehouse.open("chdb://" + sys.argv[1]) as warehouse:
    world = samples.world(1200)
    samples.load_all(warehouse.sink(2), world)
    one, two = samples.contents(warehouse, 1), samples.contents(warehouse, 2)
    for name in one:
        assert one[name] and one[name] == two[name], name
    for topic, values in world.items():
        end = samples.mark(values, len(values), topic)
        assert warehouse.sink(1).position(end.source) == warehouse.sink(2).position(end.source) == end, topic
"""

NO_ROOM = """
import resource, signal, sys
sys.path[:0] = sys.argv[2:4]
import warehouse_samples as samples
from sinks.sink import SinkBusy
from sinks.warehouse.warehouse import Warehouse
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Warehouse.open("chdb://" + sys.argv[1]) as warehouse:
    warehouse.migrate()
    sink, world = warehouse.sink(1), samples.world(1200)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        samples.load_all(sink, world)
    except SinkBusy as error:
        assert "no room left" in str(error), error
    else:
        raise AssertionError("there was room")
    source = samples.mark([], 0, "mail.events").source
    assert sink.position(source) is None
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    samples.load_all(sink, world)
    samples.load_all(warehouse.sink(2), world)
    assert samples.contents(warehouse, 1) == samples.contents(warehouse, 2)
"""


def test_no_room_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", NO_ROOM, str(tmp_path / "warehouse"), str(HERE), str(HERE.parent)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
