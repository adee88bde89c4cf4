"""Native blocks as clickhouse-go wants them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinks.clickhouse_http.errors import ClickHouseError
from sinks.clickhouse_http.native import with_revision
from sinks.engine import Engine

INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
END = b"\x03end\x05UInt8"
VALUES = [
    "toUInt8(number)",
    "toInt256(number)",
    "toFloat64(number)",
    "toString(number)",
    "repeat('x', number * 60)",
    "toFixedString(toString(number), 5)",
    "toNullable(toString(number))",
    "if(number % 2, NULL, number)",
    "toDate('2026-01-01') + number",
    "toDateTime64(number, 3, 'UTC')",
    "toDecimal32(number, 2)",
    "toDecimal128(number, 2)",
    "CAST(number, 'Decimal(50, 2)')",
    "toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')",
    "toIPv4('1.2.3.4')",
    "toIPv6('::1')",
    "number > 1",
    "CAST(number % 2, 'Enum8(\\'a, (b\\' = 0, \\'c\\' = 1)')",
    "CAST(number % 2 * 1000, 'Enum16(\\'a\\' = 0, \\'c\\' = 1000)')",
    "toLowCardinality(toString(number % 2))",
    "CAST(if(number % 2, NULL, 'x'), 'LowCardinality(Nullable(String))')",
    "range(number)",
    "arrayMap(x -> toString(x), range(number))",
    "arrayMap(x -> range(x), range(number))",
    "CAST(arrayMap(x -> toString(x), range(number)), 'Array(LowCardinality(String))')",
    "CAST([], 'Array(LowCardinality(String))')",
    "CAST(arrayMap(x -> NULL, range(number)), 'Array(Nullable(String))')",
    "map('k', number, toString(number), 1)",
    "CAST(map('k', ['v', 'w']), 'Map(LowCardinality(String), Array(String))')",
    "tuple(number, toString(number))",
    "CAST((number, 'x'), 'Tuple(a UInt64, `b c` String)')",
    "CAST([(number, 'x')], 'Nested(a UInt64, b String)')",
    "NULL",
    "[]",
    "toIntervalDay(number)",
    "CAST((1., 2.), 'Point')",
    "CAST([(1., 2.)], 'Ring')",
    "CAST(number, 'SimpleAggregateFunction(sum, UInt64)')",
    "toDate32(number)",
    "toBFloat16(number)",
]


def native(engine: Engine, query: str) -> bytes:
    connection = engine.connect()
    try:
        return bytes(connection.query(query, "Native").bytes())
    finally:
        connection.close()


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("rows", [1, 5, 300])
def test_every_type_is_walked_to_its_end(engine: Engine, value: str, rows: int) -> None:
    """The flag comes behind each type's name, and the second column is found behind the first."""
    plain = native(engine, f"SELECT {value} AS v, toUInt8(7) AS end FROM numbers({rows})")
    column = plain.index(END)
    names = plain.index(b"\x01v") + 2
    behind_type = names + 1 + plain[names] if plain[names] < 0x80 else None
    assert behind_type is not None
    expected = INFO + plain[:behind_type] + b"\0" + plain[behind_type:column] + END + b"\0" + b"\7" * rows
    assert b"".join(with_revision([plain])) == expected


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 5000))
def test_however_the_stream_is_cut(many_blocks: bytes, size: int) -> None:
    whole = b"".join(with_revision([many_blocks]))
    cut = (many_blocks[at : at + size] for at in range(0, len(many_blocks), size))
    assert b"".join(with_revision(cut)) == whole
    assert whole.count(INFO) == 3


@pytest.fixture(scope="module")
def many_blocks(engine: Engine) -> bytes:
    return native(
        engine,
        "SELECT number, repeat('y', number % 300) AS s, [toLowCardinality(s)] AS l FROM numbers(120) "
        "SETTINGS max_block_size = 50",
    )


def test_a_type_whose_end_is_not_known_is_refused(engine: Engine) -> None:
    plain = native(engine, "SELECT sumState(number) FROM numbers(3)")
    with pytest.raises(ClickHouseError, match="AggregateFunction"):
        list(with_revision([plain]))


def test_over_http(ask, engine: Engine) -> None:
    plain = ask("SELECT 1 AS a", default_format="Native")
    asked = ask("SELECT 1 AS a", default_format="Native", client_protocol_version=54460)
    older = ask("SELECT 1 AS a", default_format="Native", client_protocol_version=54405)
    assert older.body == plain.body
    assert asked.body == b"".join(with_revision([plain.body]))
    assert asked.body.startswith(INFO)
