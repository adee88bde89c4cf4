"""Facts that a rebuild takes over from the live generation because nothing it runs would tell them again.

Records that could not be understood are dead letters of whoever read them. A rebuild derives those of its own
stages and loads anew; the others are taken over as they are. A rebuild from the documents takes over DMARC
records that came without a document.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

from processors.stage import Emission, Flush, Slice, Tally
from schemas.codec import decode
from schemas.columns import INDEX, decode_frames
from streams.keys import key_of
from streams.topics import plain


@dataclass(slots=True)
class Carry:
    """A stage that takes over some records of a topic, unchanged. Garbage is not taken over, nor reported."""

    reads: str
    columns: Sequence[str]
    """The fields that decide."""
    keeps: Callable[[pl.DataFrame], pl.DataFrame]
    """Filters a frame of those fields."""
    _kept: list[Emission] = field(default_factory=list)
    _taken: int = 0

    @property
    def name(self) -> str:
        """Names its position: by the topic it reads."""
        return f"carry {self.reads}"

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """It has no state."""

    def take(self, records: Slice) -> None:
        """Keep what is to be taken over."""
        self._taken += len(records)
        decoded = decode_frames(records.values, self.columns)
        kept = [self.keeps(frame).get_column(INDEX) for frame in decoded.frames.values()]
        for index in sorted(index for indices in kept for index in indices):
            value = records.values[index]
            assert value is not None
            event = decode(value)
            self._kept.append(Emission(plain(self.reads), key_of(event), value, event.recorded_at))

    def flush(self) -> Flush:
        """What was kept since the last flush."""
        kept, self._kept = self._kept, []
        return Flush(kept)

    def tally(self) -> Tally:
        """Counts since it was made."""
        return Tally(taken=self._taken)


def carry_letters(topic: str, told_again_by: Iterable[str], sink: str, loaded: Iterable[str]) -> Carry:
    """Takes over dead letters, but those of stages that run again and those of the sink about what it loads again.

    `loaded` are the plain topics whose records, garbage included, the rebuild's own loader reads.
    """
    stages, reads = list(told_again_by), list(loaded)

    def keeps(letters: pl.DataFrame) -> pl.DataFrame:
        origin = pl.col("origin_topic").str.split("@").list.first()
        told_again = pl.col("stage").is_in(stages) | ((pl.col("stage") == sink) & origin.is_in(reads))
        return letters.filter(~told_again)

    return Carry(topic, ("stage", "origin_topic"), keeps)


def carry_undocumented(topic: str) -> Carry:
    """Takes over DMARC records that no document gave: a program emitted them."""
    return Carry(topic, ("receipt_id",), lambda records: records.filter(pl.col("receipt_id").is_null()))
