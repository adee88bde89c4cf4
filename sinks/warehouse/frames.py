"""From a slice of the log to the rows of each table, in columns: nothing here decodes a record in Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from processors.stage import Slice
from schemas.columns import EFFECTIVE_TIME, INDEX, decode_frames, polars_schema, unpack_rows
from schemas.encoding.avro import without_logical_types
from schemas.record import EARLIEST_MS, LATEST_MS, Event
from schemas.reputation import COUNTS
from sinks.warehouse.tables import (
    BUCKETS,
    FACTS,
    BucketTable,
    Column,
    FactTable,
    columns,
    fact_columns,
    row_columns,
)

_TIME = pl.Datetime("ms", "UTC")
_HIGHEST = 2**64 - 1
_PARTITIONS = 2**16


@dataclass(frozen=True, slots=True)
class Told:
    """What a slice holds."""

    tables: Mapping[str, pl.DataFrame]
    """Rows by the name of the table they go to, complete with generation and version."""
    records: pl.DataFrame
    """Of each good record: `offset`, `occurred` (effective event time) and `recorded`, both in ms."""
    bad: Sequence[tuple[int, str]]
    """Index in the slice, and why it is no record that belongs here."""


def read_slice(topic: str, records: Slice, generation: int) -> Told:
    """Rows of a slice; `topic` is the plain topic, whatever shadow the slice was read from."""
    packed = [table for table in BUCKETS if table.topic == topic]
    if packed:
        return _read_packed(packed, records, generation)
    return _read_facts([table for table in FACTS if table.topic == topic], records, generation)


def _read_facts(tables: Sequence[FactTable], records: Slice, generation: int) -> Told:
    decoded = decode_frames(records.values)
    here = {record: table for table in tables for record in table.kinds}
    bad = list(decoded.bad)
    parts: dict[str, list[pl.DataFrame]] = {}
    seen: list[pl.DataFrame] = []
    offsets = pl.Series("offset", records.offsets, pl.UInt64)
    for record, frame in decoded.frames.items():
        table = here.get(record)
        if table is None:
            bad += [
                (index, f"{record.__name__} does not belong in {records.topic}")
                for index in frame.get_column(INDEX)
            ]
            continue
        here_at = offsets.gather(frame.get_column(INDEX))
        seen.append(_seen(here_at, frame))
        version = _version(table, frame, here_at, records.partition)
        parts.setdefault(table.name, []).append(_rows(table, record, frame, version, generation))
    rows = {
        table.name: pl.concat([_empty(table), *parts[table.name]], how="diagonal")
        for table in tables
        if table.name in parts
    }
    return Told(rows, pl.concat([NONE_SEEN, *seen]), sorted(bad))


def _rows(
    table: FactTable, record: type[Event], frame: pl.DataFrame, version: pl.Series, generation: int
) -> pl.DataFrame:
    left_out = {*table.without, table.stays}
    mine = [column for name, column in columns(record).items() if name not in left_out]
    kind = [pl.lit(table.kinds[record]).alias("kind")] if table.kinds[record] else []
    return frame.select(
        pl.lit(generation, pl.UInt32).alias("generation"),
        *kind,
        *(pl.col(column.name).cast(_TIME) if column.is_time else pl.col(column.name) for column in mine),
        version.alias(table.stays),
    )


def _version(table: FactTable, frame: pl.DataFrame, offsets: pl.Series, partition: int) -> pl.Series:
    """Orders the copies of a fact: by their own revision, or their place in the log, by offset, then by partition."""
    if table.stays == "revision":
        return frame.get_column("revision").cast(pl.UInt64, strict=False).fill_null(0)
    place = offsets * _PARTITIONS + partition
    return _HIGHEST - place if table.stays == "first_told" else place


@cache
def _empty(table: FactTable) -> pl.DataFrame:
    kind = {"kind": pl.String()} if any(table.kinds.values()) else {}
    schema: dict[str, Any] = {"generation": pl.UInt32(), **kind, **_dtypes(fact_columns(table))}
    return pl.DataFrame(schema={**schema, table.stays: pl.UInt64()})


def _dtypes(fields: Mapping[str, Column]) -> dict[str, pl.DataType]:
    plain = polars_schema(
        {"fields": [{"name": c.name, "type": without_logical_types(c.avro)} for c in fields.values()]}
    )
    return {name: _TIME if fields[name].is_time else dtype for name, dtype in plain.items()}


NONE_SEEN = pl.DataFrame(schema={"offset": pl.UInt64(), "occurred": pl.Int64(), "recorded": pl.Int64()})
"""What `Told.records` looks like."""


def _seen(offsets: pl.Series, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        offsets,
        EFFECTIVE_TIME.alias("occurred"),
        pl.col("recorded_at").alias("recorded"),
    )


_ROW_KEY = ("tenant", "kind", "identity", "provider", "grain", "bucket", "part", "revision")


def _read_packed(tables: Sequence[BucketTable], records: Slice, generation: int) -> Told:
    opened = unpack_rows(tables[0].record, records.values)
    refused = _refused(tables, opened.rows)
    rows = opened.rows.filter(~pl.col(INDEX).is_in([index for index, _ in refused]))
    headers = {index: header for index, header in opened.headers.items() if index not in dict(refused)}
    seen = pl.DataFrame(
        {
            INDEX: pl.Series(list(headers), dtype=pl.UInt32),
            "occurred_at": pl.Series([header.occurred_at for header in headers.values()], dtype=pl.Int64),
            "recorded_at": pl.Series([header.recorded_at for header in headers.values()], dtype=pl.Int64),
        }
    )
    told = {table.name: _buckets(table, rows, generation) for table in tables}
    return Told(
        {name: frame for name, frame in told.items() if frame.height},
        _seen(pl.Series("offset", records.offsets, pl.UInt64).gather(seen.get_column(INDEX)), seen),
        sorted([*opened.bad, *refused]),
    )


def _refused(tables: Sequence[BucketTable], rows: pl.DataFrame) -> list[tuple[int, str]]:
    """Packed records with a row that has no place: one without its whole key, or of no known grain or time."""
    valid = (
        pl.all_horizontal(pl.col(_ROW_KEY).is_not_null())
        & pl.col("grain").is_in([table.grain for table in tables])
        & pl.col("bucket").is_between(EARLIEST_MS, LATEST_MS)
        & (pl.col("revision") >= 0)
    )
    wrong = rows.filter(~valid.fill_null(False)).unique(INDEX, keep="first", maintain_order=True)
    return [
        (row[INDEX], "a row has no place: " + ", ".join(f"{name}={row[name]!r}" for name in _ROW_KEY))
        for row in wrong.iter_rows(named=True)
    ]


def _buckets(table: BucketTable, rows: pl.DataFrame, generation: int) -> pl.DataFrame:
    mine = rows.filter(pl.col("grain") == table.grain)
    return mine.select(
        pl.lit(generation, pl.UInt32).alias("generation"),
        *(name for name in row_columns(table) if name not in ("grain", "bucket", "revision", *COUNTS)),
        pl.col("bucket").cast(_TIME),
        *(pl.col(name).fill_null(0) for name in COUNTS),
        pl.col("revision").cast(pl.UInt64),
    )
