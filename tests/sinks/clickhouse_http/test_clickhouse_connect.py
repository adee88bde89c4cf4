"""With the real client."""

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO

import clickhouse_connect
import polars
import pytest
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from sinks.clickhouse_http.server import HttpServer

LATE_ERROR = "SELECT number, throwIf(number = 3000000) FROM numbers(5000000)"


@pytest.fixture(params=["lz4", "zstd", "gzip", False], ids=str)
def reader(server: HttpServer, request: pytest.FixtureRequest) -> Iterator[Client]:
    client = clickhouse_connect.get_client(host="127.0.0.1", port=server.port, compress=request.param)
    yield client
    client.close()


@pytest.fixture
def writer(server: HttpServer) -> Iterator[Client]:
    client = clickhouse_connect.get_client(
        host="127.0.0.1", port=server.port, username="mailwake", password=server.token
    )
    yield client
    client.close()


def test_queries(reader: Client) -> None:
    assert reader.query("SELECT number, toString(number) FROM numbers(3)").result_rows == [
        (0, "0"),
        (1, "1"),
        (2, "2"),
    ]
    assert reader.query("SELECT 1 WHERE 0").result_rows == []
    assert reader.query("SELECT 1 AS a LIMIT 0").column_names == ("a",)
    assert reader.command("SELECT 7") == 7
    assert reader.ping()
    assert len(reader.query("SELECT arrayJoin(range(100000)) AS a, repeat('x', 100)").result_rows) == 100000


def test_parameters(reader: Client) -> None:
    rows = reader.query(
        "SELECT {a:UInt8}, {b:String}, {c:Array(String)}, {d:DateTime}",
        parameters={"a": 1, "b": "it's\n\t\\", "c": ["x", "y'"], "d": datetime(2026, 1, 2, 3, 4, 5)},
    ).result_rows
    assert rows == [(1, "it's\n\t\\", ["x", "y'"], datetime(2026, 1, 2, 3, 4, 5))]
    assert reader.query("SELECT %(a)s", parameters={"a": "it's"}).result_rows == [("it's",)]


def test_settings(reader: Client) -> None:
    rows = reader.query("SELECT getSetting('max_threads')", settings={"max_threads": 1}).result_rows
    assert rows == [(1,)]
    with pytest.raises(DatabaseError, match="max_memory_usage shouldn't be greater"):
        reader.query("SELECT 1", settings={"max_memory_usage": 10**12})
    with pytest.raises(DatabaseError, match="allow_ddl is not on the list"):
        reader.query("SELECT 1", settings={"allow_ddl": 1})


def test_streams(reader: Client) -> None:
    with reader.query_row_block_stream("SELECT number FROM numbers(1000000)") as stream:
        assert sum(len(block) for block in stream) == 1_000_000


def test_errors_early_and_late(reader: Client) -> None:
    with pytest.raises(DatabaseError, match="code: 60"):
        reader.query("SELECT * FROM nowhere")
    with pytest.raises(DatabaseError, match="code: 164"):
        reader.command("CREATE TABLE t (a UInt8) ENGINE = Memory")
    with pytest.raises(StreamFailureError, match="Code: 395"), reader.query_rows_stream(LATE_ERROR) as stream:
        for _ in stream:
            pass
    with pytest.raises(StreamFailureError, match="Code: 395"):
        _ = reader.query(LATE_ERROR).result_rows


def test_inserts_with_the_token(writer: Client, reader: Client) -> None:
    writer.command("CREATE DATABASE IF NOT EXISTS mail ENGINE = Atomic")
    writer.command("DROP TABLE IF EXISTS mail.t")
    writer.command(
        "CREATE TABLE mail.t (a UInt64, s LowCardinality(Nullable(String)), ts DateTime64(3, 'UTC'), "
        "m Map(String, UInt8)) ENGINE = MergeTree ORDER BY a"
    )
    when = datetime(2026, 1, 2, tzinfo=UTC)
    summary = writer.insert("t", [[1, "x", when, {"k": 1}], [2, None, when, {}]], database="mail")
    assert summary.written_rows == 2
    frame = BytesIO()
    polars.DataFrame({"a": [3, 4], "s": ["y", None]}).write_ipc_stream(frame)
    writer.raw_insert("mail.t", ["a", "s"], frame.getvalue(), fmt="ArrowStream")
    writer.raw_insert("mail.t", ["a"], gzip.compress(b"5\n6\n"), fmt="TSV", compression="gzip")
    rows = reader.query("SELECT a, s, m FROM mail.t ORDER BY a").result_rows
    assert rows == [
        (1, "x", {"k": 1}),
        (2, None, {}),
        (3, "y", {}),
        (4, None, {}),
        (5, None, {}),
        (6, None, {}),
    ]
    arrow = reader.raw_query("SELECT a FROM mail.t ORDER BY a", fmt="ArrowStream")
    assert polars.read_ipc_stream(BytesIO(arrow))["a"].to_list() == [1, 2, 3, 4, 5, 6]


def test_a_large_insert_streams(writer: Client) -> None:
    writer.command("CREATE TABLE IF NOT EXISTS large (a UInt64) ENGINE = MergeTree ORDER BY a")
    block = b"".join(b"%d\n" % number for number in range(100_000))
    writer.raw_insert("large", ["a"], (block for _ in range(20)), fmt="TSV")
    assert writer.command("SELECT count() FROM large") == 2_000_000


def test_an_insert_that_breaks_off_says_so(writer: Client) -> None:
    writer.command("CREATE TABLE IF NOT EXISTS broken (a UInt64) ENGINE = MergeTree ORDER BY a")
    with pytest.raises(DatabaseError, match="code: 27"):
        writer.raw_insert("broken", ["a"], b"1\nnothing\n", fmt="TSV")
