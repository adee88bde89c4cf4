"""A frame of events to framed Avro records, a column at a time.

The bytes are those that `schemas.codec.encode_rows` makes from the same rows, several times as fast: polars
joins strings quickly, and nearly all of an event is text whose Avro form (union branch, length below 64, bytes)
is itself valid UTF-8. What is not (times, long texts) is joined as binary.
"""

from functools import cache, reduce
from operator import add
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from schemas.catalog import latest, wire_id
from schemas.codec import frame_of, parsed
from schemas.encoding.wire import write_long
from schemas.record import Event

_ASCII_LENGTHS = 64
_NULL, _GIVEN = b"\x00", b"\x02"
_NO_ITEMS = b"\x00"
"""An array's one block, that which ends it."""


def framed_rows(record: type[Event], frame: pl.DataFrame) -> pl.Series:
    """The framed records of a frame's rows, in order, as a Binary series.

    Columns are the record's fields, of polars types String, any integer, Boolean, or List of String; a field without a
    column takes its default, an array that of no items. Raises TypeError for a column of a field of another kind,
    ValueError for a column that is no field, for a missing required one and for a null where the schema has none.
    """
    version = latest(record)
    fields = parsed(version.id)["fields"]
    known = {field["name"] for field in fields}
    if strangers := [name for name in frame.columns if name not in known]:
        raise ValueError(f"{record.__name__} has no field {', '.join(strangers)}")
    row = _Row(frame)
    row.constant(frame_of(wire_id(record)))
    for field in fields:
        _add_field(row, record, field, frame)
    return row.joined()


def varints(values: NDArray[np.int64]) -> pl.Series:
    """Avro longs: zigzag, then seven bits a byte, least significant first, as a Binary series."""
    zigzag = ((values << 1) ^ (values >> 63)).view(np.uint64)
    if not len(zigzag):
        return pl.Series(dtype=pl.Binary)
    width = max(1, -(-int(zigzag.max()).bit_length() // 7))
    out = np.zeros((len(zigzag), width), dtype=np.uint8)
    for place in range(width):
        septet = (zigzag >> np.uint64(7 * place)) & np.uint64(0x7F)
        more = (
            (zigzag >> np.uint64(min(63, 7 * (place + 1)))) > 0 if place < 9 else np.zeros(len(zigzag), bool)
        )
        out[:, place] = septet | (more.astype(np.uint64) << np.uint64(7))
    # numpy's bytes drop trailing zeros: right for every varint but that of 0 itself
    bare = pl.Series(out.view(f"S{width}").ravel())
    return bare if zigzag.all() else bare.set(pl.Series(zigzag == 0), b"\x00")


class _Row:
    """Parts of every row, left to right: neighbouring texts are joined in one go, then the binary parts.

    All of it is one query at the end: a query has its price, however few rows there are.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        self._height = frame.height
        self._longest = _longest_texts(frame)
        self._columns: dict[str, pl.Series] = {}
        self._binary: list[pl.Expr | bytes] = []
        self._texts: list[pl.Expr | str] = []

    def longest(self, texts: pl.Series) -> int:
        """How many bytes the longest of a column's texts has."""
        if texts.name not in self._longest:
            self._longest |= _longest_texts(texts.to_frame())
        return self._longest[texts.name]

    def constant(self, value: bytes) -> None:
        if value.isascii():
            self._texts.append(value.decode())
        else:
            self.binary(value)

    def column(self, values: pl.Series) -> pl.Expr:
        """These values, for parts to be made of."""
        name = str(len(self._columns))
        self._columns[name] = values
        return pl.col(name)

    def text(self, values: pl.Expr) -> None:
        self._texts.append(values)

    def binary(self, values: pl.Expr | bytes) -> None:
        self._close_texts()
        self._binary.append(values)

    def joined(self) -> pl.Series:
        self._close_texts()
        if not self._columns:
            row = b"".join(part for part in self._binary if isinstance(part, bytes))
            return pl.Series([row] * self._height, dtype=pl.Binary)
        parts = [pl.lit(part) if isinstance(part, bytes) else part for part in self._binary]
        whole = reduce(add, parts).alias("framed")
        return pl.DataFrame(self._columns).select(whole).to_series()

    def _close_texts(self) -> None:
        if not self._texts:
            return
        if all(isinstance(part, str) for part in self._texts):
            self._binary.append("".join(map(str, self._texts)).encode())
        else:
            pieces = [pl.lit(part) if isinstance(part, str) else part for part in self._texts]
            self._binary.append(pl.concat_str(pieces).cast(pl.Binary))
        self._texts = []


def _longest_texts(frame: pl.DataFrame) -> dict[str, int]:
    longest = frame.select(pl.col(pl.String).str.len_bytes().max())
    return {name: value or 0 for name, value in longest.row(0, named=True).items()} if longest.width else {}


def _add_field(row: _Row, record: type[Event], field: dict[str, Any], frame: pl.DataFrame) -> None:
    name, kind = field["name"], field["type"]
    nullable = isinstance(kind, list)
    base = kind[1] if nullable else kind
    items = base.get("items") if isinstance(base, dict) else None
    base = base["type"] if isinstance(base, dict) else base
    if base == "array" and name not in frame.columns and field.get("default") == []:
        row.constant(_NO_ITEMS)
        return
    if items == "string" and name in frame.columns:
        _add_arrays(row, frame.get_column(name))
        return
    if base not in ("string", "long", "boolean"):
        raise TypeError(
            f"{record.__name__}.{name} is {base}: only scalars and arrays of text are framed by column"
        )
    if name not in frame.columns:
        if "default" not in field:
            raise ValueError(f"{record.__name__}.{name} has no column and no default")
        frame = pl.DataFrame({name: pl.Series([field["default"]], dtype=_POLARS[base])})
    values = frame[name].cast(_POLARS[base])
    nulls = values.null_count()
    if nulls and not nullable:
        raise ValueError(f"{record.__name__}.{name} is null in {nulls} rows: it is required")
    first = values[0] if len(values) else None
    if nulls == len(values) or (not nulls and (values == first).all()):
        row.constant(_scalar(base, first, nullable))
    elif base == "string":
        _add_strings(row, values, nullable)
    elif base == "boolean":
        _add_booleans(row, values, nullable)
    else:
        _add_longs(row, values, nullable)


_POLARS = {"string": pl.String(), "long": pl.Int64(), "boolean": pl.Boolean()}


def _scalar(base: str, value: Any, nullable: bool) -> bytes:
    if value is None:
        return _NULL
    head = _GIVEN if nullable else b""
    if base == "boolean":
        return head + (b"\x01" if value else b"\x00")
    if base == "long":
        return head + write_long(value)
    encoded: bytes = value.encode()
    return head + write_long(len(encoded)) + encoded


@cache
def _prefixes(nullable: bool, up_to: int) -> pl.Series:
    """What stands before a text of each length: text itself where all of them are ASCII, else Binary."""
    head = _GIVEN if nullable else b""
    framed = [head + write_long(length) for length in range(up_to)]
    return pl.Series([prefix.decode() for prefix in framed] if up_to <= _ASCII_LENGTHS else framed)


def _add_strings(row: _Row, values: pl.Series, nullable: bool) -> None:
    longest, text = row.longest(values), row.column(values)
    length = text.str.len_bytes()
    if longest < _ASCII_LENGTHS:
        framed = pl.concat_str(pl.lit(_prefixes(nullable, _ASCII_LENGTHS)).gather(length), text)
        row.text(framed.fill_null(_NULL.decode()) if values.null_count() else framed)
    else:
        prefixes = _prefixes(nullable, 1 << longest.bit_length())
        binary = pl.lit(prefixes).gather(length) + text.cast(pl.Binary)
        row.binary(binary.fill_null(pl.lit(_NULL)) if values.null_count() else binary)


def _add_arrays(row: _Row, values: pl.Series) -> None:
    """Arrays of text: one block, which says how many items follow, and the block that ends it."""
    counts = values.list.len()
    items = values.filter(counts > 0).explode()
    if items.null_count():
        raise ValueError(f"{values.name} has null among its items")
    framed = _items(items)
    heads = {count: write_long(count) if count else b"" for count in set(counts)}
    ends = counts.cum_sum()
    blocks = [
        b"".join((heads[count], *framed[end - count : end], _NO_ITEMS))
        for count, end in zip(counts.to_list(), ends.to_list(), strict=True)
    ]
    row.binary(row.column(pl.Series(blocks, dtype=pl.Binary)))


def _items(texts: pl.Series) -> list[bytes]:
    encoded = _Row(texts.to_frame())
    _add_strings(encoded, texts, nullable=False)
    return encoded.joined().to_list()


def _add_booleans(row: _Row, values: pl.Series, nullable: bool) -> None:
    head = _GIVEN.decode() if nullable else ""
    truth = row.column(values)
    text = pl.when(truth).then(pl.lit(head + "\x01")).when(~truth).then(pl.lit(head + "\x00"))
    row.text(text.otherwise(pl.lit(_NULL.decode())))


def _add_longs(row: _Row, values: pl.Series, nullable: bool) -> None:
    nulls = values.null_count()
    encoded = row.column(varints((values.fill_null(0) if nulls else values).to_numpy()))
    if nulls:
        given = pl.lit(_GIVEN) + encoded
        row.binary(pl.when(row.column(values.is_null())).then(pl.lit(_NULL)).otherwise(given))
        return
    if nullable:
        row.constant(_GIVEN)
    row.binary(encoded)
