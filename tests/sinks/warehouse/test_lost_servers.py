"""Loading over HTTP while the server goes away, is busy, or stops answering: it waits, and nothing is lost or doubled."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
import warehouse_samples as samples
from misbehaving import Asked, Fault, Proxy
from sink_conformance import cut, mark

from sinks.clickhouse_http.server import HttpServer, HttpSettings
from sinks.engine import Engine
from sinks.sink import SinkBusy
from sinks.warehouse import loader
from sinks.warehouse.loader import WarehouseSink
from sinks.warehouse.server import Server, Timeouts
from sinks.warehouse.warehouse import Warehouse

FAULTS: tuple[Fault, ...] = get_args(Fault)
World = dict[str, list[bytes]]


@pytest.fixture(scope="module")
def behind(folder: Path) -> Iterator[HttpServer]:
    with Engine(folder) as engine, HttpServer(engine, HttpSettings(port=0)) as server:
        yield server


@pytest.fixture(scope="module")
def wanted(behind: HttpServer) -> dict[str, list[tuple[object, ...]]]:
    """What an undisturbed load comes to."""
    with Warehouse.on(reached(behind, behind.port)) as warehouse:
        warehouse.migrate()
        sink = warehouse.sink(1)
        samples.load_all(sink, samples.world())
        return samples.contents(warehouse, 1)


def reached(server: HttpServer, port: int, answer: int = 30) -> Server:
    return Server("127.0.0.1", port, "mailwake", server.token, timeouts=Timeouts(2, answer))


def persistently(sink: WarehouseSink, world: World, step: int) -> int:
    """Load everything, calling again with the same slice whenever the sink is busy; returns how often it was."""
    busy = 0
    for topic, values in world.items():
        for first in range(0, len(values), step):
            end = min(first + step, len(values))
            while True:
                try:
                    sink.load(cut(values, first, end, topic), mark(values, end, topic))
                    break
                except SinkBusy:
                    busy += 1
                    assert busy < 500
    return busy


def once(fault: Fault, when: Callable[[Asked], bool]) -> Callable[[Asked], Fault | None]:
    """The fault for the first request of a kind."""
    left = [fault]
    return lambda asked: left.pop() if left and when(asked) else None


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("table", ["mail_events_told", "positions_told"])
def test_an_insert_that_fails_is_busy_and_done_again(
    behind: HttpServer, wanted: object, generation: int, fault: Fault, table: str
) -> None:
    with Proxy(behind.port) as proxy, Warehouse.on(reached(behind, proxy.port, answer=1)) as warehouse:
        sink = warehouse.sink(generation)
        proxy.fault = once(fault, lambda asked: asked.is_insert and table in asked.statement)
        busy = persistently(sink, samples.world(), 1_000)
        assert samples.contents(warehouse, generation) == wanted
        sink.close()
    # A small insert is sent again by the driver itself when its connection was closed in good order.
    assert busy == 1 or (busy == 0 and table == "positions_told" and fault.startswith("lost"))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_position_that_can_not_be_read_is_busy_and_never_none(
    behind: HttpServer, wanted: object, generation: int, fault: Fault
) -> None:
    values = samples.world()["mail.events"]
    with Proxy(behind.port) as proxy, Warehouse.on(reached(behind, proxy.port, answer=1)) as warehouse:
        sink = warehouse.sink(generation)
        end = mark(values, 20, "mail.events")
        sink.load(cut(values, 0, 20, "mail.events"), end)
        proxy.fault = lambda asked: fault if "FROM positions_told" in asked.statement else None
        with pytest.raises(SinkBusy, match="is busy or away"):
            sink.position(end.source)
        proxy.fault = lambda asked: None
        assert sink.position(end.source) == end
        sink.close()


@pytest.mark.parametrize("seed", range(2))
def test_whatever_fails_at_random_the_end_is_the_same(
    behind: HttpServer, wanted: object, generation: int, seed: int
) -> None:
    rng = random.Random(seed)
    quick = [fault for fault in FAULTS if fault != "stalled"]
    with Proxy(behind.port) as proxy, Warehouse.on(reached(behind, proxy.port)) as warehouse:
        sink = warehouse.sink(generation)
        proxy.fault = lambda asked: rng.choice(quick) if rng.random() < 0.5 else None
        assert persistently(sink, samples.world(), rng.randrange(6, 20)) > 5
        proxy.fault = lambda asked: None
        assert samples.contents(warehouse, generation) == wanted
        for topic, values in samples.world().items():
            end = mark(values, len(values), topic)
            assert sink.position(end.source) == end
        counted = warehouse.rows(
            "SELECT sum(records) FROM freshness_by_generation WHERE generation = {g:UInt32}",
            {"g": generation},
        )
        assert counted == [(sum(map(len, samples.world().values())),)]
        sink.close()


def test_a_server_that_was_restarted_is_loaded_on(
    behind: HttpServer, wanted: object, generation: int
) -> None:
    world = samples.world()
    values = world["mail.events"]
    with Engine(behind._engine.folder) as engine:
        server = HttpServer(engine, HttpSettings(port=0)).start()
        token, port = server.token, server.port
        with Warehouse.on(reached(server, port)) as warehouse:
            sink = warehouse.sink(generation)
            sink.load(cut(values, 0, 30, "mail.events"), mark(values, 30, "mail.events"))
            server.stop()
            rest = cut(values, 30, len(values), "mail.events"), mark(values, len(values), "mail.events")
            with pytest.raises(SinkBusy, match="busy or away"):
                sink.load(*rest)
            server = HttpServer(engine, HttpSettings(port=port))
            server.token = token
            with server:
                sink.load(*rest)
                samples.load_all(sink, world)
                assert samples.contents(warehouse, generation) == wanted
                sink.close()


@pytest.mark.parametrize(
    ("refused", "decodings", "insertions"),
    [
        # The first piece is refused three times, and then all is taken: nothing is decoded or inserted twice.
        (range(1, 4), 1, 3 + 4 + 1),
        # Two pieces are taken and the third is not: the slice is begun anew, since a server may have lost the two.
        (range(3, 6), 2, 3 + 1 + 1 + 4 + 1),
    ],
)
def test_what_was_decoded_is_kept_for_the_next_attempt(
    behind: HttpServer,
    generation: int,
    monkeypatch: pytest.MonkeyPatch,
    refused: range,
    decodings: int,
    insertions: int,
) -> None:
    """Four pieces and the position; some inserts are refused, and the slice behind is prepared between attempts."""
    decoded: list[int] = []
    decode = loader._decode

    def noted(records, start, end, generation):  # type: ignore[no-untyped-def]
        decoded.append(start)
        return decode(records, start, end, generation)

    monkeypatch.setattr(loader, "_decode", noted)
    monkeypatch.setattr(loader, "PIECE", 20)
    values = samples.world()["mail.events"]
    whole = cut(values, 0, 80, "mail.events"), mark(values, 80, "mail.events")
    following = cut(values, 0, 10, "mail.events")
    with Proxy(behind.port) as proxy, Warehouse.on(reached(behind, proxy.port)) as warehouse:
        sink = warehouse.sink(generation)
        sink.prepare(whole[0])
        inserts = 0

        def refuse_some(asked: Asked) -> Fault | None:
            nonlocal inserts
            inserts += asked.is_insert
            return "too many parts" if asked.is_insert and inserts in refused else None

        proxy.fault = refuse_some
        for _ in range(3):
            with pytest.raises(SinkBusy, match="Code: 252"):
                sink.load(*whole)
            sink.prepare(following)
        loaded = sink.load(*whole)
        sink.close()
    assert loaded.rows == 80
    assert sorted(decoded) == sorted([0, 0, 0] + [0, 20, 40, 60] * decodings)
    assert inserts == insertions
