"""Appending a tail's records once, whatever the log is: nothing is kept twice after a failure that left it open.

SQLite says whether an append was kept. Kafka may keep one that was not answered: there a number goes with each, and the
last one kept is asked for before it is tried again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from streams.log import LogUnavailable, Record

Records = Mapping[str, Sequence[Record]]


class Appends(Protocol):
    """Takes records for good."""

    def append(self, records: Records) -> None:
        """Append to several topics, all or nothing. After LogFull or LogUnavailable, call it again with the same."""


class Numbered(Protocol):
    """What a log in Kafka offers its writers; see `streams.kafka.numbered`."""

    def last(self) -> int | None:
        """The number of the last append that was kept."""

    def append_all(self, records: Records, number: int) -> None:
        """Append under a number, all or nothing."""


class TakesAll(Protocol):
    """A log whose failed appends were not kept."""

    def append_all(self, records: Records) -> None:
        """Append to several topics, all or nothing."""


class PlainAppends:
    """To a log in SQLite."""

    def __init__(self, log: TakesAll) -> None:
        self._log = log

    def append(self, records: Records) -> None:
        """See `Appends.append`."""
        self._log.append_all(records)


class NumberedAppends:
    """To a log in Kafka. Another writer of the same name fences this one: it gets `streams.log.Fenced`."""

    def __init__(self, take_over: Callable[[], Numbered]) -> None:
        """Take the name over. Raises LogError, LogUnavailable."""
        self._take_over = take_over
        self._numbered = take_over()
        self._number = self._numbered.last() or 0
        self._in_doubt = False

    def append(self, records: Records) -> None:
        """See `Appends.append`."""
        if self._in_doubt:
            # Taking over again ends what is open: then the last number tells.
            self._numbered = self._take_over()
            if self._numbered.last() == self._number + 1:
                self._number += 1
                self._in_doubt = False
                return
            self._in_doubt = False
        try:
            self._numbered.append_all(records, self._number + 1)
        except LogUnavailable:
            self._in_doubt = True
            raise
        self._number += 1
