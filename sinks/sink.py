"""The contract of a sink: whatever the log is loaded into.

A sink holds its own position, durably, beside the data: the loader asks for it, reads the log from there and
hands over slice after slice. A load is idempotent: data first, then the position, and a repeat changes nothing.
So a crash anywhere is mended by loading again, and a sink that was restored from a backup, or emptied, catches
up by itself. `tests/sinks/sink_conformance.py` holds what every sink must pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from processors.stage import Slice
from streams.log import Mark, TopicPartition


class SinkError(Exception):
    """Something about a sink an operator must know; the message says what, where and what to do."""


class SinkBusy(SinkError):
    """The sink is absent, full or too busy. The position has not moved: load the same slice again later."""


class SinkFull(SinkBusy):
    """The sink has no room left."""


class SinkRefused(SinkError):
    """The sink does not take this slice, now or later: it does not continue what the sink holds."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a slice; it is durable."""

    rows: int
    """How many rows were written, repeats included."""
    bad: Sequence[tuple[int, str]] = field(default=())
    """Index in the slice of each record that could not be understood, and why; the rest was loaded."""


class Sink(Protocol):
    """Where the log is loaded to. Used by one thread at a time."""

    @property
    def name(self) -> str:
        """Names the sink in dead letters, metrics and messages."""

    @property
    def topics(self) -> Sequence[str]:
        """The topics it has a place for; shadows (`topic@2`) go where their plain topic goes."""

    def position(self, source: TopicPartition) -> Mark | None:
        """The position the sink itself holds, durably; None before the first load. Raises SinkBusy."""

    def prepare(self, records: Slice) -> None:
        """These records will be loaded next: begin with what can be done beforehand, or do nothing.

        May be called by another thread, while one loads. What is prepared and then not loaded is let go of.
        """

    def load(self, records: Slice, mark: Mark) -> Loaded:
        """Write a slice, then `mark`, the log's mark of `records.next`; durable when it returns.

        Loading what was loaded before changes nothing and takes no position back. Records that can't be understood
        are reported, never an error. Raises SinkBusy, and SinkRefused when the slice is of another log than the
        position held or leaves a gap behind it.
        """

    def close(self) -> None:
        """Release connections and files."""
