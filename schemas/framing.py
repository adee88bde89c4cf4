"""A frame of events to framed Avro records, a column at a time.

The bytes are those that `schemas.codec.encode_rows` makes from the same rows, several times as fast: polars
joins strings quickly, and nearly all of an event is text whose Avro form (union branch, length below 64, bytes)
is itself valid UTF-8. What is not (times, long texts) is joined as binary.
"""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from schemas.catalog import latest, wire_id
from schemas.codec import frame_of, parsed
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
    row = _Row(frame.height)
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
    """Parts of every row, left to right: neighbouring texts are joined in one go, then the binary parts."""

    def __init__(self, height: int) -> None:
        self.height = height
        self._binary: list[pl.Series | bytes] = []
        self._texts: list[pl.Series | str] = []

    def constant(self, value: bytes) -> None:
        if value.isascii():
            self._texts.append(value.decode())
        else:
            self.binary(value)

    def text(self, values: pl.Series) -> None:
        self._texts.append(values)

    def binary(self, values: pl.Series | bytes) -> None:
        self._close_texts()
        self._binary.append(values)

    def joined(self) -> pl.Series:
        self._close_texts()
        if not self._binary:
            return pl.Series([b""] * self.height, dtype=pl.Binary)
        named = {str(i): part for i, part in enumerate(self._binary) if isinstance(part, pl.Series)}
        whole: pl.Expr | None = None
        for i, part in enumerate(self._binary):
            here = pl.col(str(i)) if isinstance(part, pl.Series) else pl.lit(part, dtype=pl.Binary)
            whole = here if whole is None else whole + here
        if not named:
            named = {"rows": pl.Series([b""] * self.height, dtype=pl.Binary)}
            whole = whole + pl.col("rows") if whole is not None else pl.col("rows")
        return pl.DataFrame(named).select((whole if whole is not None else pl.lit(b"")).alias("framed"))[
            "framed"
        ]

    def _close_texts(self) -> None:
        if not self._texts:
            return
        columns = {str(i): part for i, part in enumerate(self._texts) if isinstance(part, pl.Series)}
        if columns:
            pieces = [
                pl.col(str(i)) if isinstance(part, pl.Series) else pl.lit(part)
                for i, part in enumerate(self._texts)
            ]
            joined = pl.DataFrame(columns).select(pl.concat_str(pieces).alias("text"))["text"]
            self._binary.append(joined.cast(pl.Binary))
        else:
            self._binary.append("".join(part for part in self._texts if isinstance(part, str)).encode())
        self._texts = []


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
        return head + _varint(value)
    encoded = value.encode()
    return head + _varint(len(encoded)) + bytes(encoded)


def _varint(value: int) -> bytes:
    (encoded,) = varints(np.array([value], dtype=np.int64)).to_list()
    return bytes(encoded)


def _length_prefixes(nullable: bool, longest: int) -> list[bytes]:
    head = _GIVEN if nullable else b""
    return [head + _varint(length) for length in range(longest + 1)]


_SHORT = {
    nullable: pl.Series([p.decode() for p in _length_prefixes(nullable, _ASCII_LENGTHS - 1)])
    for nullable in (False, True)
}


def _add_strings(row: _Row, values: pl.Series, nullable: bool) -> None:
    lengths = values.str.len_bytes()
    longest = lengths.max()
    assert isinstance(longest, int)
    if longest < _ASCII_LENGTHS:
        prefixes = _SHORT[nullable].gather(lengths.fill_null(0))
    else:
        table = pl.Series(_length_prefixes(nullable, longest), dtype=pl.Binary)
        prefixes = table.gather(lengths.fill_null(0))
    if values.null_count():
        null = _NULL.decode() if prefixes.dtype == pl.String else _NULL
        prefixes = prefixes.set(values.is_null(), null)
        values = values.fill_null("")
    if longest < _ASCII_LENGTHS:
        row.text(prefixes)
        row.text(values)
    else:
        row.binary(prefixes)
        row.text(values)


def _add_arrays(row: _Row, values: pl.Series) -> None:
    """Arrays of text: one block, which says how many items follow, and the block that ends it."""
    counts = values.list.len()
    items = values.filter(counts > 0).explode()
    if items.null_count():
        raise ValueError(f"{values.name} has null among its items")
    encoded = _Row(len(items))
    if len(items):
        _add_strings(encoded, items, nullable=False)
    framed = encoded.joined().to_list()
    ends = counts.cum_sum().to_list()
    heads = {count: _varint(count) if count else b"" for count in set(counts)}
    blocks = [
        b"".join((heads[count], *framed[end - count : end], _NO_ITEMS))
        for count, end in zip(counts.to_list(), ends, strict=True)
    ]
    row.binary(pl.Series(blocks, dtype=pl.Binary))


def _add_booleans(row: _Row, values: pl.Series, nullable: bool) -> None:
    head = _GIVEN.decode() if nullable else ""
    table = pl.Series([head + "\x00", head + "\x01", _NULL.decode()])
    row.text(table.gather(values.cast(pl.UInt32).fill_null(2)))


def _add_longs(row: _Row, values: pl.Series, nullable: bool) -> None:
    encoded = varints(values.fill_null(0).to_numpy())
    if not nullable:
        row.binary(encoded)
        return
    if not values.null_count():
        row.constant(_GIVEN)
        row.binary(encoded)
        return
    given = pl.DataFrame({"v": encoded}).select(v=pl.lit(_GIVEN, dtype=pl.Binary) + pl.col("v"))["v"]
    row.binary(given.set(values.is_null(), _NULL))
