"""Sums over runs of equal keys in a sorted frame: cheaper than hashing, and the order is kept."""

from collections.abc import Sequence

import polars as pl


def sum_runs(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """One row for each run of equal `keys`; the other columns (Int64) are summed over it."""
    if not frame.height:
        return frame
    numbers = [name for name in frame.columns if name not in keys]
    ends = frame.select(
        pl.any_horizontal(pl.col(key) != pl.col(key).shift(-1) for key in keys).fill_null(True)
    )
    last = ends.to_series()
    if last.all():
        return frame
    totals = frame.select(*keys, pl.col(numbers).cum_sum()).filter(last)
    return totals.with_columns(pl.col(numbers) - pl.col(numbers).shift(1).fill_null(0))
