"""Frames of counts as packed records of bounded size."""

from collections.abc import Iterator

import polars as pl

from processors.stage import Emission
from schemas.catalog import TOPIC_OF
from schemas.columns import pack_rows, whole_rows
from schemas.record import EARLIEST_MS
from schemas.reputation import ReputationBuckets, ReputationDeltas

LIMIT = 512 * 1024
"""No packed record is larger than this many bytes, unless a single row is."""

_ROWS = 4_096


def packed(
    record: type[ReputationBuckets] | type[ReputationDeltas],
    rows: pl.DataFrame,
    key: str,
    origin: str,
    recorded_at: int,
    watermark: int | None,
) -> list[Emission]:
    """The rows as records of the type's topic under `key`; `origin` says what input they were made from."""
    emissions: list[Emission] = []
    for part in whole_rows(record, rows).rechunk().iter_slices(_ROWS):
        for value in _values(record, part, f"{origin}/{key}", len(emissions), recorded_at, watermark):
            emissions.append(Emission(TOPIC_OF[record], key.encode(), value, recorded_at))
    return emissions


def _values(
    record: type[ReputationBuckets] | type[ReputationDeltas],
    rows: pl.DataFrame,
    origin: str,
    number: int,
    recorded_at: int,
    watermark: int | None,
) -> Iterator[bytes]:
    source_event_id = f"{origin}/{number}"
    header = record(
        event_id=record.id_of("default", source_event_id),
        occurred_at=recorded_at,
        recorded_at=recorded_at,
        source="mailwake",
        source_event_id=source_event_id,
        watermark=EARLIEST_MS if watermark is None else watermark,
    )
    value = pack_rows(header, rows)
    if len(value) <= LIMIT or rows.height == 1:
        yield value
        return
    half = rows.height // 2
    first = list(_values(record, rows.head(half), origin, number, recorded_at, watermark))
    yield from first
    yield from _values(record, rows.slice(half), origin, number + len(first), recorded_at, watermark)
