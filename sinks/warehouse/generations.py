"""Generations: lineages of rows side by side in the same tables, of which the views show one.

A rebuild fills the next one; a swap is one row; to drop one is to drop its partitions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from schemas.record import now_ms
from sinks.sink import SinkError
from sinks.warehouse.arrow import arrow_stream
from sinks.warehouse.client import Client
from sinks.warehouse.tables import BUCKETS, FACTS

_DATA = tuple(
    f"{name}_told" for name in [*(table.name for table in FACTS), *(table.name for table in BUCKETS)]
)


class UnknownGeneration(SinkError):
    """A generation that the warehouse holds nothing of."""


class CurrentGeneration(SinkError):
    """The generation that the views show can't be dropped."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What the warehouse holds of one generation."""

    number: int
    is_current: bool
    rows: dict[str, int]
    """Stored rows by table, repeats that are not merged yet included; tables without any are left out."""


def current(client: Client) -> int:
    """The generation that the views show."""
    ((number,),) = client.rows("SELECT generation FROM current_generation")
    return int(number)


def make_current(client: Client, number: int) -> None:
    """Let the views show another generation: one row, so it is the old or the new one, never between.

    Raises UnknownGeneration when nothing was ever loaded into it.
    """
    known = {generation.number for generation in every(client)}
    if number not in known:
        raise UnknownGeneration(
            f"the warehouse {client.where} has no generation {number}; "
            f"it has {', '.join(map(str, sorted(known)))}: rebuild it first"
        )
    ((swaps,),) = client.rows("SELECT max(swap) FROM generation_swaps")
    row = pl.DataFrame(
        [(int(swaps) + 1, number, now_ms())],
        schema={"swap": pl.UInt64, "generation": pl.UInt32, "swapped_at": pl.Datetime("ms", "UTC")},
        orient="row",
    )
    client.insert("generation_swaps", row.columns, arrow_stream(row))


def every(client: Client) -> Sequence[Generation]:
    """The generations there are, by number; the current one is always among them."""
    shown = current(client)
    rows: dict[int, dict[str, int]] = {shown: {}}
    for (number,) in client.rows("SELECT DISTINCT generation FROM positions_told"):
        rows.setdefault(int(number), {})
    for table in _DATA:
        for number, count in client.rows(f"SELECT generation, count() FROM {table} GROUP BY generation"):
            rows.setdefault(int(number), {})[table.removesuffix("_told")] = int(count)
    return [Generation(number, number == shown, rows[number]) for number in sorted(rows)]


def drop(client: Client, number: int) -> None:
    """Remove a generation: its positions first, so that what is left of it after a crash is never taken for whole.

    Dropping again what is gone changes nothing. Raises CurrentGeneration.
    """
    if number == current(client):
        raise CurrentGeneration(
            f"generation {number} is the one that the views of {client.where} show: swap to another one first"
        )
    for table in ("positions_told", *_DATA):
        partitions = client.rows(
            f"SELECT DISTINCT _partition_id FROM {table} WHERE generation = {{number:UInt32}}",
            {"number": number},
        )
        for (partition,) in partitions:
            client.command(f"ALTER TABLE {table} DROP PARTITION ID '{partition}'")
