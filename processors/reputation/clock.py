"""How far a partition has come, by times that its records claim.

A record's time can be wrong: one host whose clock stands in the year 2200 must not make everything after it
late, nor keep the memory of admission for ever. So a clock goes by the median of the last `WITNESSES` records
and never back: it follows the times that most records agree on, and less than half of them can say what they
like. The price is that it is some records behind, which only delays forgetting. What it can't withstand is a
majority of wrong clocks among the records of a partition; whoever appends should refuse those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

WITNESSES = 31
"""Odd: the median is one of the times."""

_QUORUM = WITNESSES // 2 + 1


@dataclass(frozen=True, slots=True)
class Clock:
    """The highest time that most of the records around it agreed on, in ms."""

    high: int | None = None
    """None until enough records were seen to trust any of them."""
    recent: Sequence[int] = ()
    """The times of the last records, oldest first."""

    def advance(self, times: pl.Series) -> tuple[Self, pl.Series]:
        """The clock after these records (Int64 ms, in the partition's order), and what it showed after each.

        What it shows at a record does not depend on how the records were batched. Null before it runs.
        """
        before = len(self.recent)
        seen = pl.concat([pl.Series(times.name, self.recent, pl.Int64), times.cast(pl.Int64)])
        agreed = seen.rolling_quantile(0.5, "lower", window_size=WITNESSES, min_samples=_QUORUM).cast(
            pl.Int64
        )
        shown = agreed.slice(before).cum_max().fill_null(strategy="forward")
        if self.high is not None:
            shown = shown.fill_null(self.high).clip(self.high)
        high = shown[-1] if len(shown) else self.high
        return type(self)(high, tuple(seen.tail(WITNESSES - 1).to_list())), shown
