"""The Native format as clients of a protocol revision want it.

clickhouse-go, and so Grafana, sends `client_protocol_version` with every request and then expects what the native
TCP protocol has around the columns of each block: a block info, and a flag behind each column's type. The engine
writes Native for files, without either. Both go in here, between the columns, whose ends are found by their types.

Sources: ClickHouse's src/Formats/NativeWriter.cpp, and the serializations of src/DataTypes/Serializations.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sinks.clickhouse_http.errors import NOT_IMPLEMENTED, ClickHouseError

CUSTOM_SERIALIZATION = 54454
"""From this revision on, columns carry a flag for custom serialization.

Clients that say less (clickhouse-connect says 54405, and looks whether it is heeded) get the plain format.
"""

_PIECE = 1024 * 1024
_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"

_WIDTHS = {
    **dict.fromkeys(("UInt8", "Int8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("UInt16", "Int16", "Enum16", "Date", "BFloat16"), 2),
    **dict.fromkeys(("UInt32", "Int32", "Float32", "Date32", "DateTime", "IPv4", "Decimal32", "Time"), 4),
    **dict.fromkeys(("UInt64", "Int64", "Float64", "DateTime64", "Decimal64", "Time64"), 8),
    **dict.fromkeys(("UInt128", "Int128", "UUID", "IPv6", "Decimal128"), 16),
    **dict.fromkeys(("UInt256", "Int256", "Decimal256"), 32),
}
_ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Tuple(Float64, Float64))",
    "LineString": "Array(Tuple(Float64, Float64))",
    "Polygon": "Array(Array(Tuple(Float64, Float64)))",
    "MultiLineString": "Array(Array(Tuple(Float64, Float64)))",
    "MultiPolygon": "Array(Array(Array(Tuple(Float64, Float64))))",
}
_NAMED = re.compile(r"(?:`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*) (?=[A-Z])")


class _End(Exception):
    """The stream ended."""


@dataclass(slots=True)
class _Source:
    """Bytes pulled from chunks, and handed on once they were passed over: `data[:at]` was, and waits."""

    chunks: Iterator[bytes]
    data: bytearray
    at: int = 0

    def need(self, count: int) -> None:
        """Make sure that `count` more bytes are there."""
        while len(self.data) - self.at < count:
            try:
                self.data += next(self.chunks)
            except StopIteration:
                raise _End from None

    def skip(self, count: int) -> Iterator[bytes]:
        """Pass over so many bytes, of whatever number."""
        while count:
            step = min(count, _PIECE)
            self.need(step)
            self.at += step
            count -= step
            if self.at >= _PIECE:
                yield self.taken()

    def varint(self) -> int:
        value = shift = 0
        while True:
            self.need(1)
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def number(self) -> int:
        self.need(8)
        self.at += 8
        return int.from_bytes(self.data[self.at - 8 : self.at], "little")

    def text(self) -> str:
        size = self.varint()
        self.need(size)
        self.at += size
        return self.data[self.at - size : self.at].decode(errors="replace")

    def strings(self, rows: int) -> Iterator[bytes]:
        """Pass over so many strings, each with its length before it."""
        for _ in range(rows):
            if self.at + 0x80 < len(self.data) and (size := self.data[self.at]) < 0x80:
                self.at += 1 + size
            else:
                yield from self.skip(self.varint())
            if self.at >= _PIECE:
                yield self.taken()

    def taken(self) -> bytes:
        """All that was passed over since the last call."""
        out = bytes(self.data[: self.at])
        del self.data[: self.at]
        self.at = 0
        return out


def with_revision(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Plain Native blocks as revision `CUSTOM_SERIALIZATION` and later have them, in pieces of about a MiB.

    Raises:
        ClickHouseError: NOT_IMPLEMENTED, for a column of a type whose end can't be found.
    """
    source = _Source(iter(chunks), bytearray())
    while True:
        try:
            source.need(1)
        except _End:
            return
        columns = source.varint()
        rows = source.varint()
        yield _BLOCK_INFO + source.taken()
        for _ in range(columns):
            source.text()
            kind = source.text()
            yield source.taken() + b"\0"
            if rows:
                column = _column(kind)
                yield from column.prefix(source)
                yield from column.body(source, rows)
            yield source.taken()


@dataclass(frozen=True, slots=True)
class _Column:
    """How to get over a column: its prefix, once, and its values. What was passed over comes out in pieces."""

    prefix: Callable[[_Source], Iterator[bytes]]
    body: Callable[[_Source, int], Iterator[bytes]]


def _nothing(_: _Source) -> Iterator[bytes]:
    return iter(())


def _column(kind: str) -> _Column:
    """The layout of a type, given as ClickHouse names it."""
    name, arguments = _split(_ALIASES.get(kind, kind))
    if name == "String":
        return _Column(_nothing, _Source.strings)
    if name in _WIDTHS or name.startswith("Interval"):
        return _fixed(_WIDTHS.get(name, 8))
    if name == "FixedString":
        return _fixed(int(arguments[0]))
    if name == "Decimal":
        digits = int(arguments[0])
        return _fixed(4 if digits <= 9 else 8 if digits <= 18 else 16 if digits <= 38 else 32)
    if name == "Nullable":
        return _nullable(_column(arguments[0]))
    if name == "SimpleAggregateFunction":
        return _column(arguments[1])
    if name == "LowCardinality":
        return _low_cardinality(arguments[0])
    if name == "Array":
        return _array(_column(arguments[0]))
    if name == "Map":
        return _array(_tuple([_column(argument) for argument in arguments]))
    if name == "Tuple":
        return _tuple([_column(_unnamed(argument)) for argument in arguments])
    if name == "Nested":
        return _array(_tuple([_column(_unnamed(argument)) for argument in arguments]))
    raise ClickHouseError.of(
        NOT_IMPLEMENTED, f"a column of type {kind} can't be sent in this protocol revision: use toString()"
    )


def _fixed(width: int) -> _Column:
    return _Column(_nothing, lambda source, rows: source.skip(width * rows))


def _nullable(inner: _Column) -> _Column:
    def body(source: _Source, rows: int) -> Iterator[bytes]:
        yield from source.skip(rows)
        yield from inner.body(source, rows)

    return _Column(inner.prefix, body)


def _array(inner: _Column) -> _Column:
    def body(source: _Source, rows: int) -> Iterator[bytes]:
        yield from source.skip(8 * (rows - 1))
        if items := source.number():
            yield from inner.body(source, items)

    return _Column(inner.prefix, body)


def _tuple(parts: list[_Column]) -> _Column:
    def prefix(source: _Source) -> Iterator[bytes]:
        for part in parts:
            yield from part.prefix(source)

    def body(source: _Source, rows: int) -> Iterator[bytes]:
        if not parts:
            yield from source.skip(rows)
        for part in parts:
            yield from part.body(source, rows)

    return _Column(prefix, body)


def _low_cardinality(kind: str) -> _Column:
    """A dictionary of the block's distinct values, and an index into it for each row."""
    keys = _column(kind.removeprefix("Nullable(").removesuffix(")") if kind.startswith("Nullable(") else kind)

    def body(source: _Source, rows: int) -> Iterator[bytes]:
        done = 0
        while done < rows:
            index_width = 1 << (source.number() & 0xFF)
            yield from keys.body(source, source.number())
            count = source.number()
            yield from source.skip(index_width * count)
            done += count

    return _Column(lambda source: source.skip(8), body)


def _split(kind: str) -> tuple[str, list[str]]:
    """A type's name and its arguments: `Map(String, Array(UInt8))` is Map, [String, Array(UInt8)]."""
    name, bracket, rest = kind.partition("(")
    if not bracket:
        return name, []
    arguments: list[str] = []
    depth = begin = 0
    quote = ""
    text = rest.removesuffix(")")
    at = 0
    while at < len(text):
        letter = text[at]
        if quote:
            if letter == "\\":
                at += 1
            elif letter == quote:
                quote = ""
        elif letter in "'`":
            quote = letter
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == "," and depth == 0:
            arguments.append(text[begin:at].strip())
            begin = at + 1
        at += 1
    return name, [*arguments, text[begin:].strip()]


def _unnamed(argument: str) -> str:
    """An element of a tuple without its name."""
    return _NAMED.sub("", argument, count=1) if _NAMED.match(argument) else argument
