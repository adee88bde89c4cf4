"""Rows of events to records of the log, a column at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

import polars as pl

from processors.mta_logs.taking import Row, Told
from schemas.catalog import latest
from schemas.codec import parsed
from schemas.framing import framed_rows
from schemas.mail import MailEvent, Stream
from streams.log import Record


@dataclass(frozen=True, slots=True)
class Labels:
    """What all events of a tail have in common."""

    tenant: str
    source: str
    channel: str = "log"
    stream: Stream = "other"
    ip: str | None = None
    """The sending address, where the log names none."""
    pool: str | None = None
    """The pool, where the log names none."""


def framed(events: Sequence[Told], labels: Labels, now: int) -> list[Record]:
    """The records of topic `mail.events`, in the order given, recorded at `now` (ms)."""
    by_type: dict[type[MailEvent], list[Row]] = {}
    for record, row in events:
        rows = by_type.get(record)
        if rows is None:
            rows = by_type[record] = []
        rows.append(row)
    values = {record: iter(_values(record, rows, labels, now)) for record, rows in by_type.items()}
    tenant = labels.tenant
    return [
        Record(
            (
                f"{tenant}/"
                f"{row['from_domain'] or row['message_id'] or row['provider_message_id'] or row['event_id']}"
            ).encode(),
            next(values[record]),
            now,
        )
        for record, row in events
    ]


def _values(record: type[MailEvent], rows: Sequence[Row], labels: Labels, now: int) -> Sequence[bytes]:
    types = _types(record)
    names = set(chain.from_iterable(rows))
    columns: dict[str, Any] = {
        name: pl.Series(name, [row.get(name) for row in rows], types[name], strict=True) for name in names
    }
    constants = [
        pl.lit(value, dtype=types[name]).alias(name)
        for name, value in (
            ("tenant", labels.tenant),
            ("source", labels.source),
            ("channel", labels.channel),
            ("stream", labels.stream),
            ("recorded_at", now),
        )
    ]
    frame = pl.DataFrame(columns).with_columns(constants)
    for name, value in (("ip", labels.ip), ("pool", labels.pool)):
        if value is not None:
            given = pl.col(name).fill_null(value) if name in names else pl.lit(value).alias(name)
            frame = frame.with_columns(given)
    return framed_rows(record, frame).to_list()


@cache
def _types(record: type[MailEvent]) -> dict[str, pl.DataType]:
    fields = parsed(latest(record).id)["fields"]
    return {field["name"]: _POLARS[_base(field["type"])] for field in fields}


def _base(kind: Any) -> str:
    kind = kind[1] if isinstance(kind, list) else kind
    return str(kind["type"] if isinstance(kind, dict) else kind)


_POLARS: dict[str, pl.DataType] = {"string": pl.String(), "long": pl.Int64(), "boolean": pl.Boolean()}
