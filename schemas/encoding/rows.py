"""Rows of field values to framed Avro records, a field at a time over all rows.

The bytes are those that fastavro makes of each row, several times as fast. What takes few values (domains, pools, providers)
stands side by side in the schemas: a run of such fields is encoded once for each combination, and looked up from then on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from itertools import repeat
from operator import index, itemgetter
from typing import Any, Protocol

import fastavro

from schemas.catalog import latest, wire_id
from schemas.encoding.avro import without_logical_types
from schemas.encoding.wire import write_long
from schemas.record import Event

Row = Mapping[str, Any]
_Encode = Callable[[Any], bytes]

REPEATING = frozenset((
    "tenant", "source", "channel", "recipient_domain", "mx_host", "provider", "from_domain", "mail_from_domain", "dkim_domain",
    "dkim_selector", "ip", "pool", "region", "stream", "campaign", "smtp_code", "enhanced_code", "tls_version", "attempt",
    "attempts", "is_async", "reason", "feedback_type", "user_agent", "incidents", "method", "is_machine",
))  # fmt: skip
"""Fields that take few values in events which follow one another."""

_HEAD, _NULL, _GIVEN = b"\x00", b"\x00", b"\x02"
_MOST_CACHED = 2048
"""So many combinations of a run's values are remembered, and so many lengths of texts."""


def encode_by_field(record: type[Event], rows: Sequence[Row], shared: Row) -> list[bytes]:
    """Framed records of rows, at least one; all of them get the `shared` values, whatever they say themselves.

    Raises ValueError, TypeError, OverflowError, AttributeError or KeyError where a value has no Avro form.
    """
    names = tuple(rows[0])
    # As many names as the first row has, and all of its names, are the same names: each of them is asked for.
    if rows[0].keys() <= _fields(record).keys() - shared.keys() and all(
        map(len(names).__eq__, map(len, rows))
    ):
        try:
            return _of_one_shape(record, names, rows, shared)
        except _OtherShape:
            pass
    by_shape: dict[tuple[str, ...], list[int]] = {}
    for at, row in enumerate(rows):
        by_shape.setdefault(tuple(row), []).append(at)
    encoded = [b""] * len(rows)
    for names, places in by_shape.items():
        framed = _of_one_shape(record, names, [rows[at] for at in places], shared)
        for at, one in zip(places, framed, strict=True):
            encoded[at] = one
    return encoded


class _OtherShape(Exception):
    """Rows that do not name the same fields."""


def _of_one_shape(
    record: type[Event], names: tuple[str, ...], rows: Sequence[Row], shared: Row
) -> list[bytes]:
    fixed = tuple((name, value) for name, value in shared.items() if name in REPEATING)
    columns: list[Iterable[bytes]] = [repeat(_HEAD + wire_id(record).to_bytes(4, "big"), len(rows))]
    for part in _plan(record, names, fixed, tuple(name for name in shared if name not in REPEATING)):
        if isinstance(part, bytes):
            columns.append(repeat(part, len(rows)))
        elif isinstance(part, _Shared):
            columns.append(repeat(part.encode(shared[part.name]), len(rows)))
        else:
            columns += part.columns(rows)
    return list(map(b"".join, zip(*columns, strict=True)))


class _Column(Protocol):
    """A part of the rows that differs from row to row."""

    def columns(self, rows: Sequence[Row]) -> list[Iterable[bytes]]:
        """The bytes of it for each row, in pieces that follow one another. Raises _OtherShape."""


class _Shared:
    """A field with one value for all rows of a call."""

    def __init__(self, name: str, encode: _Encode) -> None:
        self.name, self.encode = name, encode


class _Run(dict[Any, bytes]):
    """Neighbouring fields that repeat: the bytes by their values."""

    def __init__(self, parts: Sequence[bytes | tuple[str, _Encode]]) -> None:
        super().__init__()
        self._parts = parts
        names = [part[0] for part in parts if not isinstance(part, bytes)]
        self._single = len(names) == 1
        self._values = itemgetter(*names)

    def columns(self, rows: Sequence[Row]) -> list[Iterable[bytes]]:
        return [list(map(self.__getitem__, _picked(self._values, rows)))]

    def __missing__(self, values: Any) -> bytes:
        given = iter((values,) if self._single else values)
        encoded = b"".join(part if isinstance(part, bytes) else part[1](next(given)) for part in self._parts)
        if len(self) >= _MOST_CACHED:
            self.clear()
        self[values] = encoded
        return encoded


class _Texts:
    """A field of text that differs from row to row."""

    def __init__(self, name: str, nullable: bool) -> None:
        self._value = itemgetter(name)
        self._prefixes = _Prefixes(_GIVEN if nullable else b"")
        self._nullable = nullable

    def columns(self, rows: Sequence[Row]) -> list[Iterable[bytes]]:
        values = _picked(self._value, rows)
        prefixes = self._prefixes
        if self._nullable and None in values:
            if values.count(None) == len(values):
                return [repeat(_NULL, len(rows))]
            texts = (None if value is None else value.encode() for value in values)
            return [[_NULL if text is None else prefixes[len(text)] + text for text in texts]]
        encoded = [value.encode() for value in values]
        return [map(prefixes.__getitem__, map(len, encoded)), encoded]


class _Prefixes(dict[int, bytes]):
    """What stands before a text, by its length."""

    def __init__(self, head: bytes) -> None:
        super().__init__()
        self._head = head

    def __missing__(self, length: int) -> bytes:
        prefix = self._head + write_long(length)
        if len(self) < _MOST_CACHED:
            self[length] = prefix
        return prefix


class _Longs:
    """A field of numbers that differ from row to row."""

    def __init__(self, name: str, nullable: bool) -> None:
        self._value, self._nullable = itemgetter(name), nullable

    def columns(self, rows: Sequence[Row]) -> list[Iterable[bytes]]:
        values = _picked(self._value, rows)
        if self._nullable:
            if values.count(None) == len(values):
                return [repeat(_NULL, len(rows))]
            return [[_NULL if value is None else _GIVEN + _long(value) for value in values]]
        if min(values) < _SMALL or max(values) > _LARGEST:
            return [map(_long, values)]
        # Times that follow one another have all but their last bits in common.
        lower, upper = [value & _LOWER for value in values], [value >> _LOWER_BITS for value in values]
        return [map(_LOWER_BYTES.__getitem__, lower), map(_UPPER_BYTES.__getitem__, upper)]


_LOWER_BITS = 13
_LOWER, _SMALL, _LARGEST = 2**13 - 1, 2**13, 2**63 - 1


class _LowerBytes(dict[int, bytes]):
    """The first two bytes of a number's coding, which has more, by its lower 13 bits."""

    def __missing__(self, bits: int) -> bytes:
        self[bits] = coded = bytes((bits << 1 & 0x7F | 0x80, bits >> 6 | 0x80))
        return coded


class _UpperBytes(dict[int, bytes]):
    """The rest of it, by the bits above them."""

    def __missing__(self, bits: int) -> bytes:
        # Zig-zag doubles a number that is not negative; here that was done with the lower bits.
        coded = bytearray()
        rest = bits
        while rest > 0x7F:
            coded.append(rest & 0x7F | 0x80)
            rest >>= 7
        coded.append(rest)
        if len(self) >= _MOST_CACHED:
            self.clear()
        self[bits] = found = bytes(coded)
        return found


class _SmallLongs(dict[int, bytes]):
    """The whole coding of a number below 2**13."""

    def __missing__(self, number: int) -> bytes:
        self[number] = coded = write_long(index(number))
        return coded


_LOWER_BYTES, _UPPER_BYTES, _SMALL_LONGS = _LowerBytes(), _UpperBytes(), _SmallLongs()


class _Others:
    """A field of any other kind, as fastavro writes it."""

    def __init__(self, name: str, encode: _Encode) -> None:
        self._value, self._encode = itemgetter(name), encode

    def columns(self, rows: Sequence[Row]) -> list[Iterable[bytes]]:
        return [list(map(self._encode, _picked(self._value, rows)))]


def _picked(pick: Callable[[Row], Any], rows: Sequence[Row]) -> list[Any]:
    try:
        return list(map(pick, rows))
    except KeyError:
        raise _OtherShape from None


@lru_cache(64)
def _fields(record: type[Event]) -> dict[str, Any]:
    """The fields of its schema by name, in their order."""
    return {field["name"]: field for field in without_logical_types(latest(record).schema)["fields"]}


@lru_cache(64)
def _plan(
    record: type[Event], names: tuple[str, ...], fixed: tuple[tuple[str, Any], ...], shared: tuple[str, ...]
) -> tuple[bytes | _Shared | _Column, ...]:
    """How rows that name these fields are encoded, beside others that are fixed, or shared by the rows of a call."""
    constants, plan = dict(fixed), list[bytes | _Shared | _Column]()
    run: list[bytes | tuple[str, _Encode]] = []
    for name, field in _fields(record).items():
        if name in constants:
            run.append(_encoder(field)(constants[name]))
        elif name in shared:
            plan += _closed(run)
            plan.append(_Shared(name, _encoder(field)))
        elif name not in names:
            run.append(_encoder(field)(field["default"]))
        elif name in REPEATING:
            run.append((name, _encoder(field)))
        else:
            plan += _closed(run)
            plan.append(_differing(field))
    return (*plan, *_closed(run))


def _closed(run: list[bytes | tuple[str, _Encode]]) -> list[bytes | _Shared | _Column]:
    """The run so far as a part of a plan; the next one begins anew."""
    parts: list[bytes | tuple[str, _Encode]] = []
    for part in run:
        if parts and isinstance(part, bytes) and isinstance(parts[-1], bytes):
            parts[-1] += part
        else:
            parts.append(part)
    run.clear()
    if all(isinstance(part, bytes) for part in parts):
        return [part for part in parts if isinstance(part, bytes)]
    return [_Run(parts)]


def _differing(field: Mapping[str, Any]) -> _Column:
    kind, nullable = _kind(field["type"])
    if kind == "string":
        return _Texts(field["name"], nullable)
    if kind == "long":
        return _Longs(field["name"], nullable)
    return _Others(field["name"], _encoder(field))


def _encoder(field: Mapping[str, Any]) -> _Encode:
    """Encodes a value of this field. Raises as `encode_by_field`."""
    kind, nullable = _kind(field["type"])
    encode = _SCALARS.get(kind) if isinstance(kind, str) else None
    if encode is None:
        schema = fastavro.parse_schema(field["type"])
        return lambda value: _by_fastavro(schema, value)
    if nullable:
        return lambda value: _NULL if value is None else _GIVEN + encode(value)
    return encode


def _kind(kind: Any) -> tuple[Any, bool]:
    nullable = isinstance(kind, list)
    kind = kind[1] if nullable else kind
    base = kind["type"] if isinstance(kind, dict) else kind
    return base if base in _SCALARS else kind, nullable


def _text(value: str) -> bytes:
    text = value.encode()
    return write_long(len(text)) + text


def _long(value: int) -> bytes:
    if 0 <= value < _SMALL:
        return _SMALL_LONGS[value]
    if _SMALL <= value <= _LARGEST:
        return _LOWER_BYTES[value & _LOWER] + _UPPER_BYTES[value >> _LOWER_BITS]
    if not -(2**63) <= value < 0:
        raise OverflowError("a number of more than 64 bits")
    return write_long(index(value))


def _boolean(value: bool) -> bytes:
    if not isinstance(value, bool):
        raise TypeError("no boolean")
    return b"\x01" if value else b"\x00"


def _by_fastavro(schema: Any, value: Any) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()


_SCALARS: dict[str, _Encode] = {"string": _text, "long": _long, "boolean": _boolean}
