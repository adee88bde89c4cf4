"""What a step did."""

from typing import Self


class Done(int):
    """How many records a step dealt with, and whether it has seen that it left some: then the next one need not wait."""

    more: bool

    def __new__(cls, records: int, more: bool = False) -> Self:
        """So many records."""
        done = super().__new__(cls, records)
        done.more = more
        return done
