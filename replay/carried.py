"""Facts that a rebuild takes over from the live generation because nothing it runs would tell them again.

Records that could not be understood are dead letters of whoever read them. A rebuild derives those of its own
stages and loads anew; the others are taken over as they are. What somebody entered about suppressions is taken over,
and what events say of them is derived anew. A rebuild from the documents takes over DMARC records that came without a
document, and those of documents that nobody can read any more: their tenant was forgotten, or all that was in them erased.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from processors.dead_letters import dead_letter
from processors.stage import Emission, Flush, Slice, Tally
from replay.lineage import LOADER
from schemas.catalog import TOPICS
from schemas.codec import decode
from schemas.columns import INDEX, decode_frames
from schemas.documents import DocumentProcessed
from streams.keys import key_of
from streams.log import Log
from streams.topics import plain

_OF_OUTCOMES = ("tenant", "receipt_id", "outcome")


@dataclass(slots=True, eq=False)
class Carry:
    """A stage that takes over some records of a topic, unchanged.

    What can't be understood it reports as the loader would, or the stage that is named, which reads past it from then
    on.
    """

    reads: str
    columns: Sequence[str]
    """The fields that decide."""
    keeps: Callable[[pl.DataFrame], pl.DataFrame]
    """Filters a frame of those fields."""
    reporter: str = LOADER
    """Who tells of what can't be understood in that topic."""
    _kept: list[Emission] = field(default_factory=list)
    _clock: int = 0
    """The highest time of record so far, ms."""
    _tally: Tally = field(default_factory=Tally)

    @property
    def name(self) -> str:
        """Names its position: by the topic it reads."""
        return f"carry {self.reads}"

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """It has no state."""

    def take(self, records: Slice) -> None:
        """Keep what is to be taken over."""
        decoded = decode_frames(records.values, self.columns)
        bad = list(decoded.bad)
        for record, frame in decoded.frames.items():
            if record not in TOPICS[plain(self.reads)]:
                reason = f"{record.__name__} does not belong in {records.topic}"
                bad += [(index, reason) for index in frame.get_column(INDEX)]
                continue
            times = frame.get_column("recorded_at").to_list()
            self._clock = max(self._clock, *times)
            for index in self.keeps(frame).get_column(INDEX).sort():
                self._keep(records.values[index])
        self._kept += [
            dead_letter(records, index, self.reporter, reason, self._clock) for index, reason in bad
        ]
        self._tally = Tally(self._tally.taken + len(records), dead=self._tally.dead + len(bad))

    def flush(self) -> Flush:
        """What was kept since the last flush."""
        kept, self._kept = self._kept, []
        return Flush(kept)

    def tally(self) -> Tally:
        """Counts since it was made."""
        return self._tally

    def _keep(self, value: bytes | None) -> None:
        assert value is not None
        event = decode(value)
        self._kept.append(Emission(plain(self.reads), key_of(event), value, event.recorded_at))


def carry_letters(topic: str, told_again: Mapping[tuple[str, str], int]) -> Carry:
    """Takes over dead letters, but those that the rebuild itself tells again.

    `told_again` says, by (stage, the topic it reads), from which offset on the rebuild reads; the loader counts as
    a stage.
    """
    readers = pl.DataFrame(
        [(stage, origin, first) for (stage, origin), first in told_again.items()],
        schema={"stage": pl.String, "origin_topic": pl.String, "_first": pl.Int64},
        orient="row",
    )

    def keeps(letters: pl.DataFrame) -> pl.DataFrame:
        found = letters.join(readers, ["stage", "origin_topic"], "left")
        again = pl.col("_first").is_not_null() & (pl.col("origin_offset") >= pl.col("_first"))
        return found.filter(~again.fill_null(False))

    return Carry(topic, ("stage", "origin_topic", "origin_offset"), keeps)


def carry_underived(topic: str, forgotten: Callable[[], Collection[str]]) -> Carry:
    """Takes over DMARC records that no document gives: a program emitted them, or nobody can read theirs any more.

    `forgotten` says which documents those are, by tenant/receipt; it is asked when the first records come, which has to be
    after the documents were read.
    """
    known: list[pl.Series] = []

    def keeps(records: pl.DataFrame) -> pl.DataFrame:
        if not known:
            known.append(pl.Series(sorted(forgotten()), dtype=pl.String))
        document = pl.concat_str("tenant", "receipt_id", separator="/")
        return records.filter(pl.col("receipt_id").is_null() | document.is_in(known[0].implode()))

    return Carry(topic, ("tenant", "receipt_id"), keeps)


def forgotten_documents(log: Log, outcomes: str) -> frozenset[str]:
    """The documents that nobody can read any more, as tenant/receipt, by their outcomes in a topic."""
    found: set[str] = set()
    for source in log.partitions(outcomes):
        offset, end = log.begin(source), log.end(source)
        while offset < end and (batch := log.read(source, offset, 10_000)).next > offset:
            frame = decode_frames(batch.values, _OF_OUTCOMES).frames.get(DocumentProcessed)
            if frame is not None:
                gone = frame.filter(pl.col("outcome") == "forgotten")
                found.update(gone.select(pl.concat_str("tenant", "receipt_id", separator="/")).to_series())
            offset = batch.next
    return frozenset(found)


def carry_entered(topic: str, reporter: str, everything: bool = False) -> Carry:
    """Takes over evidence that no event gave: somebody entered it.

    With `everything` that which events gave as well: those that are no longer there would not give it again, and what is
    told twice is known by its id.
    """
    entered = pl.lit(value=True) if everything else pl.col("fact_event_id").is_null()
    return Carry(topic, ("fact_event_id",), lambda evidence: evidence.filter(entered), reporter)
