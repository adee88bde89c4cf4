"""Compressed bodies and answers, and the checksum of ClickHouse's blocks against ClickHouse's own."""

import gzip
import zlib
from pathlib import Path
from struct import unpack_from

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse_http.cityhash import cityhash128
from sinks.clickhouse_http.compression import (
    ENCODINGS,
    accepted,
    as_blocks,
    compressed,
    decompressed,
    from_blocks,
)
from sinks.clickhouse_http.errors import ClickHouseError
from sinks.clickhouse_http.server import HttpServer
from sinks.engine import Engine

UNDO = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "lz4": lz4.frame.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


@given(st.lists(st.binary(max_size=300), max_size=8), st.sampled_from(ENCODINGS))
def test_there_and_back(chunks: list[bytes], encoding: str) -> None:
    packed = list(compressed(chunks, encoding))
    assert UNDO[encoding](b"".join(packed)) == b"".join(chunks)
    assert b"".join(decompressed(packed, encoding)) == b"".join(chunks)


@given(st.lists(st.binary(min_size=1, max_size=3000), max_size=5), st.integers(1, 700))
def test_blocks_there_and_back_however_they_are_cut(chunks: list[bytes], size: int) -> None:
    packed = b"".join(as_blocks(chunks))
    cut = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(from_blocks(cut)) == b"".join(chunks)


def test_checksums_are_clickhouse_s(engine: Engine) -> None:
    """All blocks of all lengths that the engine wrote into a table's files."""
    connection = engine.connect()
    connection.query("CREATE DATABASE hashed ENGINE = Atomic")
    connection.query("CREATE TABLE hashed.t (a UInt64, b String) ENGINE = Log")
    for rows in (*range(1, 40), 100, 1000, 50_000):
        connection.query(
            f"INSERT INTO hashed.t SELECT number * 7, randomString(number % 40) FROM numbers({rows})"
        )
    connection.close()
    sizes = set()
    for file in Path(engine.folder).rglob("[ab].bin"):
        data, at = file.read_bytes(), 0
        while at < len(data):
            (size,) = unpack_from("<I", data, at + 17)
            assert cityhash128(data[at + 16 : at + 16 + size]) == data[at : at + 16]
            sizes.add(size)
            at += 16 + size
    assert min(sizes) < 32
    assert max(sizes) > 100_000
    assert len(sizes) > 40


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda data: data[:-1], id="cut off"),
        pytest.param(lambda data: data[:-1] + bytes([data[-1] ^ 1]), id="another byte"),
        pytest.param(lambda data: data + b"x", id="something behind it"),
        pytest.param(lambda data: b"\0" * len(data), id="zeros"),
    ],
)
def test_broken_blocks(broken) -> None:
    packed = b"".join(as_blocks([b"some text" * 10]))
    with pytest.raises(ClickHouseError, match="271"):
        list(from_blocks([broken(packed)]))


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("br", None),
        ("gzip;q=0", None),
        ("gzip;q=0.5, lz4;q=0.8", "lz4"),
        ("GZIP", "gzip"),
        ("gzip;q=x", None),
    ],
)
def test_what_a_client_accepts(header: str, encoding: str | None) -> None:
    assert accepted(header) == encoding


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_over_http(ask, encoding: str) -> None:
    answer = ask("SELECT number FROM numbers(200000)", headers={"Accept-Encoding": encoding})
    assert answer.headers["Content-Encoding"] == encoding
    assert UNDO[encoding](answer.body) == b"".join(b"%d\n" % number for number in range(200000))
    packed = b"".join(compressed([b"SELECT 'packed'"], encoding))
    assert ask(packed, headers={"Content-Encoding": encoding}).body == b"packed\n"
    wrong = ask(b"SELECT 1", headers={"Content-Encoding": encoding})
    assert wrong.code == 271
    plain = ask("SELECT 1", headers={"Accept-Encoding": encoding}, enable_http_compression=0)
    assert plain.body == b"1\n"


def test_an_unknown_encoding_is_named(ask) -> None:
    answer = ask(b"x", headers={"Content-Encoding": "br"})
    assert answer.code == 271
    assert b"'br'" in answer.body


def test_blocks_over_http(ask, server: HttpServer) -> None:
    """What ClickHouse's JDBC driver does, and so DBeaver."""
    answer = ask("SELECT number FROM numbers(300000)", compress=1)
    assert b"".join(from_blocks([answer.body])) == b"".join(b"%d\n" % number for number in range(300000))
    late = ask("SELECT throwIf(number = 3000000) FROM numbers(5000000)", compress=1)
    assert b"Code: 395" in b"".join(from_blocks([late.body]))[-800:]
    token = {"X-Mailwake-Token": server.token}
    assert ask("CREATE TABLE blocks (a UInt64) ENGINE = Memory", headers=token).status == 200
    packed = b"".join(as_blocks([b"INSERT INTO blocks FORMAT TSV\n", b"1\n2\n3\n"]))
    assert ask(packed, headers=token, decompress=1).status == 200
    assert ask("SELECT sum(a) FROM blocks").body == b"6\n"
