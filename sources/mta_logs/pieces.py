"""A piece of a log read: its lines understood, and their events framed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import repeat

from processors.mta_logs.taking import FileContext, LogReader
from sources.mta_logs.framing import Labels, framed
from streams.log import Record

PIECE = 2**18
"""Bytes read from a file at a time: what they become is still at hand in the processor's cache when it is encoded."""


@dataclass(frozen=True, slots=True)
class PieceRead:
    """What a piece gave. Keys and values are columns, since that is how they are quickest handed from process to process."""

    keys: Sequence[bytes]
    values: Sequence[bytes]
    recorded_at: int
    types: Counter[str]
    """Events by type."""
    lines: int
    counts: dict[str, int]
    """Lines by outcome."""
    damaged: Sequence[tuple[int, str]]
    """Which lines, by index, are damaged, and why."""
    given_up: int
    warnings: Sequence[str]
    context: FileContext
    """What the lines after it need of it and of those before it."""

    def records(self) -> list[Record]:
        """The records of topic `mail.events`, in the order of their lines."""
        return list(map(Record, self.keys, self.values, repeat(self.recorded_at)))


def read_piece(reader: LogReader, labels: Labels, piece: bytes, context: FileContext, now: int) -> PieceRead:
    """What whole lines give, of which the last may lack its end; `now` (ms) is when they were read."""
    text = piece.decode("utf-8", "replace")
    if not text.endswith("\n"):
        text += "\n"
    context = replace(context)
    taken = reader.take(text, context, now)
    keys, values = framed(taken.events, labels, now)
    return PieceRead(
        keys,
        values,
        now,
        Counter(record.__name__ for record, _ in taken.events),
        text.count("\n"),
        taken.counts,
        taken.damaged,
        taken.given_up,
        taken.warnings,
        context,
    )
