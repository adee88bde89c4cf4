"""Large results, many clients, and clients that leave."""

import contextlib
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sinks.clickhouse_http.server import HttpServer, HttpSettings
from sinks.clickhouse_http.settings import QueryLimits
from sinks.engine import Engine

ENDLESS = "SELECT count() FROM numbers(1000000000000)"
ENDLESS_ROWS = "SELECT number FROM numbers(1000000000000)"


def running(engine: Engine, containing: str) -> int:
    """How many queries run in the engine that have this in their text."""
    connection = engine.connect()
    escaped = containing.replace("'", "\\'")
    count = connection.query(
        f"SELECT count() FROM system.processes WHERE position(query, '{escaped}') > 0 "
        "AND query NOT LIKE '%system.processes%'",
        "TSV",
    )
    connection.close()
    return int(bytes(count.bytes()))


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within a generous time."""
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.05)
    return False


def resident() -> int:
    """The memory of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is read from /proc, which is not here"
)
@pytest.mark.parametrize("output_format", ["RowBinary", "JSONEachRow", "JSON", "Native"])
def test_a_result_larger_than_the_memory_limit_streams(server: HttpServer, output_format: str) -> None:
    """Five million rows with strings, some 300 MB, where a query may use 100 MB."""
    query = f"SELECT number, repeat('x', 40) AS text FROM numbers(5000000) FORMAT {output_format}"
    before, most, size = resident(), 0, 0
    with urllib.request.urlopen(server.url, data=query.encode(), timeout=120) as response:
        while chunk := response.read(1 << 20):
            size += len(chunk)
            most = max(most, resident())
    assert size > 240_000_000
    assert most - before < 150_000_000
    assert b"__exception__" not in chunk


@pytest.mark.parametrize("query", [ENDLESS, ENDLESS_ROWS], ids=["before any answer", "in the middle of it"])
def test_a_query_ends_when_its_client_leaves(engine: Engine, server: HttpServer, query: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
            % (len(query), query.encode())
        )
        assert eventually(lambda: running(engine, query) == 1)
        if query == ENDLESS_ROWS:
            assert client.recv(100_000)
    assert eventually(lambda: running(engine, query) == 0)


def test_a_client_that_does_not_read_holds_back_its_query_only(
    engine: Engine, server: HttpServer, ask
) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        query = ENDLESS_ROWS.encode()
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(query), query)
        )
        assert eventually(lambda: running(engine, ENDLESS_ROWS) == 1)
        assert ask("SELECT 1").body == b"1\n"
    assert eventually(lambda: running(engine, ENDLESS_ROWS) == 0)


def test_several_clients_at_once_beside_a_writer(engine: Engine, ask) -> None:
    writer = engine.connect()
    writer.query("CREATE TABLE IF NOT EXISTS busy (a UInt64) ENGINE = MergeTree ORDER BY a")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            writer.query("INSERT INTO busy SELECT number FROM numbers(1000)")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with ThreadPoolExecutor(8) as clients:
            bodies = list(clients.map(lambda n: ask(f"SELECT {n}, count() % 1000 FROM busy").body, range(60)))
    finally:
        stop.set()
        thread.join()
        writer.close()
    assert bodies == [b"%d\t0\n" % number for number in range(60)]


def test_one_query_too_many_waits_then_is_told(engine: Engine) -> None:
    limits = QueryLimits(concurrent=1, queue_seconds=0.2)
    with HttpServer(engine, HttpSettings(port=0, limits=limits)) as narrow:
        with socket.create_connection(("127.0.0.1", narrow.port)) as client:
            client.sendall(
                f"GET /?query={urllib.parse.quote(ENDLESS)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            )
            assert eventually(lambda: running(engine, ENDLESS) == 1)
            with pytest.raises(urllib.error.HTTPError) as refusal:
                urllib.request.urlopen(narrow.url, data=b"SELECT 1", timeout=30)
            assert refusal.value.status == 503
            assert refusal.value.headers["X-ClickHouse-Exception-Code"] == "202"
        assert eventually(lambda: running(engine, ENDLESS) == 0)

        def served() -> bool:
            with contextlib.suppress(urllib.error.HTTPError):
                return urllib.request.urlopen(narrow.url, data=b"SELECT 1", timeout=30).read() == b"1\n"
            return False

        assert eventually(served)


def test_stopping_the_server_ends_its_queries(engine: Engine) -> None:
    server = HttpServer(engine, HttpSettings(port=0)).start()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(
            f"GET /?query={urllib.parse.quote(ENDLESS)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        assert eventually(lambda: running(engine, ENDLESS) == 1)
        server.stop()
        assert running(engine, ENDLESS) == 0
    server.stop()


def test_no_pipe_is_left_open(engine: Engine, server: HttpServer, ask) -> None:
    ask("SELECT 1")
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(30):
        ask("SELECT 1")
        ask("SELECT throwIf(1)")
        ask("SELECT * FROM nowhere")
    assert eventually(lambda: len(list(Path("/dev/fd").iterdir())) <= before + 2)
