"""Clients that hang, flood, or send what is made to do harm: others are answered, and the process is unharmed."""

import logging
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import lz4.frame
import pytest
import zstandard

from sinks.clickhouse_http import execution
from sinks.clickhouse_http.compression import as_blocks, cityhash128, decompressed, from_blocks
from sinks.clickhouse_http.errors import ClickHouseError
from sinks.clickhouse_http.listening import ConnectionLimits
from sinks.clickhouse_http.native import with_revision
from sinks.clickhouse_http.server import HttpServer, HttpSettings
from sinks.clickhouse_http.settings import QueryLimits
from sinks.engine import Engine

MIB = 1024 * 1024


@pytest.fixture
def impatient(engine: Engine) -> Iterator[HttpServer]:
    """A server that gives nobody much time, nor many connections."""
    limits = QueryLimits(concurrent=2, body_seconds=0.5, stalled_seconds=0.5, queue_seconds=20.0)
    connections = ConnectionLimits(most=12, idle_seconds=0.5, stalled_seconds=0.5)
    with HttpServer(engine, HttpSettings(port=0, limits=limits, connections=connections)) as started:
        yield started


def connected(server: HttpServer, sent: bytes) -> socket.socket:
    """A connection that takes next to nothing unless it is read from."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(30)
    client.connect(("127.0.0.1", server.port))
    client.sendall(sent)
    return client


def answers(server: HttpServer) -> bool:
    try:
        return bool(urllib.request.urlopen(server.url, data=b"SELECT 1", timeout=20).read() == b"1\n")
    except (urllib.error.HTTPError, ConnectionError):
        return False
    except urllib.error.URLError as error:  # turned away while it was still sending
        if isinstance(error.reason, ConnectionError):
            return False
        raise


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within a generous time."""
    for _ in range(300):
        if condition():
            return True
        time.sleep(0.1)
    return False


def running(engine: Engine, containing: str) -> bool:
    connection = engine.connect()
    found = connection.query(
        f"SELECT count() FROM system.processes WHERE query LIKE '%{containing}%' "
        "AND query NOT LIKE '%system.processes%'",
        "TSV",
    )
    connection.close()
    return int(bytes(found.bytes())) > 0


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HTTP/1.1\r\nHost: local", b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\nGET /pi"],
    ids=["nothing", "half a head", "half a second head"],
)
def test_a_connection_without_a_request_is_closed(impatient: HttpServer, sent: bytes) -> None:
    with connected(impatient, sent) as client:
        while client.recv(10_000):
            pass


def test_statements_that_never_arrive_hold_nobody_up(impatient: HttpServer) -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nSELECT"
    with ExitStack() as hanging:
        clients = [hanging.enter_context(connected(impatient, head)) for _ in range(10)]
        assert answers(impatient)
        assert b"X-ClickHouse-Exception-Code: 209" in clients[0].recv(10_000)


def test_a_form_that_never_arrives(impatient: HttpServer) -> None:
    head = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 100\r\n\r\n--x\r\n"
    )
    with connected(impatient, head) as client:
        assert b"X-ClickHouse-Exception-Code: 209" in client.recv(10_000)


def test_connections_beyond_the_limit_are_turned_away_until_there_is_room(engine: Engine) -> None:
    options = HttpSettings(port=0, connections=ConnectionLimits(most=5))
    with HttpServer(engine, options) as narrow:
        with ExitStack() as crowd:
            crowd_of = [crowd.enter_context(connected(narrow, b"")) for _ in range(100)]
            assert b"503 Service Unavailable" in crowd_of[-1].recv(10_000)
            assert not answers(narrow)
        assert eventually(lambda: answers(narrow))


def test_who_does_not_take_a_result_loses_it_and_their_turn(engine: Engine, impatient: HttpServer) -> None:
    query = urllib.parse.quote("SELECT number, 'not taken' FROM numbers(1000000000)")
    with ExitStack() as idle:
        for _ in range(2):
            sent = f"GET /?query={query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            idle.enter_context(connected(impatient, sent))
        assert eventually(lambda: answers(impatient))
        assert eventually(lambda: not running(engine, "not taken"))


def test_a_function_that_ignores_kill_does_not_hold_up_the_end_of_the_server(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_PATIENCE", 0.3)
    server = HttpServer(engine, HttpSettings(port=0)).start()
    long_function = (
        "SELECT sum(editDistance(materialize(repeat('a', 25000)), materialize(repeat('b', 25000)))) "
        "FROM numbers(4)"
    )
    sent = f"GET /?query={urllib.parse.quote(long_function)} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connected(server, sent.encode()):
        assert eventually(lambda: running(engine, "editDistance"))
        server.stop()
    assert eventually(lambda: not running(engine, "editDistance"))


def test_bytes_that_are_no_http_are_not_logged(
    impatient: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), connected(impatient, b"\x16\x03\x01 garbage\r\n\r\n") as client:
        assert b" 400 " in client.recv(10_000)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


class TestBombs:
    """What is small on the wire, and large behind a decompressor."""

    @pytest.mark.parametrize(
        ("encoding", "bomb"),
        [
            ("zstd", zstandard.ZstdCompressor(level=19).compress(bytes(200 * MIB))),
            ("lz4", lz4.frame.compress(bytes(200 * MIB))),
        ],
    )
    def test_content_encodings_expand_in_pieces(self, encoding: str, bomb: bytes) -> None:
        sizes = list(map(len, decompressed([bomb], encoding)))
        assert sum(sizes) == 200 * MIB
        assert max(sizes) <= 8 * MIB

    def test_over_http(self, ask) -> None:
        bomb = zstandard.ZstdCompressor(level=19).compress(b" " * (200 * MIB))
        assert len(bomb) < 100_000
        answer = ask(bomb, headers={"Content-Encoding": "zstd"})
        assert (answer.status, answer.code) == (413, 223)

    def test_a_block_that_lies_about_its_size(self) -> None:
        frame = zstandard.ZstdCompressor().compress(bytes(50 * MIB))
        body = b"\x90" + (len(frame) + 9).to_bytes(4, "little") + (10).to_bytes(4, "little") + frame
        with pytest.raises(ClickHouseError, match="size"):
            list(from_blocks([cityhash128(body) + body]))

    def test_a_reader_s_blocks_are_no_larger_than_a_statement(self, ask) -> None:
        packed = b"".join(as_blocks([b" " * MIB] * 3))
        assert ask(packed, decompress=1).code == 223
        with pytest.raises(ClickHouseError, match="larger than"):
            list(from_blocks([packed], largest=MIB // 2))

    def test_native_passes_on_a_large_column_in_pieces(self, engine: Engine) -> None:
        connection = engine.connect()
        block = bytes(connection.query("SELECT repeat('x', 1000000) FROM numbers(20)", "Native").bytes())
        connection.close()
        cut = [block[at : at + 65536] for at in range(0, len(block), 65536)]
        pieces = list(with_revision(cut))
        assert sum(map(len, pieces)) == len(block) + 9
        assert max(map(len, pieces)) < 2 * MIB + 65536


@pytest.mark.parametrize(
    ("body", "headers", "arguments", "code"),
    [
        ("SELECT 1", {}, {"max_threads": "9" * 5000}, 36),
        ("SELECT 1", {}, {"client_protocol_version": "9" * 5000}, 36),
        ("SELECT 1", {}, {"max_block_size": "1000000000"}, 452),
        ("SELECT 1", {}, {"default_format": "DataFrame"}, 73),
        ("SELECT 1 FORMAT dataframe", {}, {}, 73),
        ("SELECT 1 FORMAT AvroConfluent", {}, {}, 73),
        ("SELECT 1", {"X-Mailwake-Token": "\u00ff"}, {}, 516),
        ("SELECT 1", {"Authorization": "Basic \u00e9"}, {}, 0),
        ("SELECT 1", {"Content-Type": "multipart/form-data"}, {}, 36),
        ("SELECT 1", {"Content-Type": "multipart/form-data; boundary=x"}, {}, 36),
        (
            '--x\r\nContent-Disposition: form-data; name="query"\r\n'
            "Content-Transfer-Encoding: base64\r\n\r\na\r\n--x--\r\n",
            {"Content-Type": "multipart/form-data; boundary=x"},
            {},
            36,
        ),
    ],
)
def test_requests_that_make_no_sense_are_told_so(ask, body, headers, arguments, code) -> None:
    answer = ask(body, headers=headers, **arguments)
    assert answer.code == code
    assert b"got itself in trouble" not in answer.body


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200),
        ("http://127.0.0.1", 200),
        ("http://attacker.example", 403),
        ("http://127.0.0.1.attacker.example", 403),
        ("null", 403),
        ("http://[", 403),
    ],
)
def test_a_page_of_another_site_can_t_have_a_query_run(ask, origin: str, status: int) -> None:
    assert ask("SELECT 1", headers={"Origin": origin}).status == status


def test_settings_without_a_value_don_t_lift_limits(ask) -> None:
    """Where settings may be read, the engine would let them be changed."""
    names = "('max_execution_time', 'max_memory_usage')"
    reading = f"SELECT value FROM system.settings WHERE name IN {names}"
    assert ask(reading).status == 200
    assert ask(f"{reading} SETTINGS extremes, max_execution_time = 0, max_memory_usage = 0").code == 164
    assert ask("SELECT count() FROM system.settings SETTINGS allow_introspection_functions").code == 164


def test_nothing_is_spilled_to_disk(ask) -> None:
    spilling = ask("SELECT name FROM system.settings WHERE name LIKE 'max_bytes%external%' AND value != '0'")
    assert spilling.body == b""
    most = ask("SELECT value FROM system.settings WHERE name = 'max_temporary_data_on_disk_size_for_query'")
    assert most.body == b"1\n"
