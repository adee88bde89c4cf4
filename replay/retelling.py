"""The mail events of a rebuild from the documents: what documents tell now, in the place of what they told before.

What the documents tell now waits in a topic of its own until all of them were read. Then the events of the base are gone
through in their order: one that no document gave is taken over as it is, and where those of a document stood comes what it
tells now. So a rebuild by the same readers gives the same events in the same order. A document that told nothing before
speaks before the next one that did, or at the end.

An event belongs to the documents that have its tenant, source, channel and time of record: that is what events are given
by the document they were read in. Where one of these that told something can't be read as it came any more, what they told
stays and nothing is told anew: its tenant was forgotten, its blob is missing, or somebody was taken out of it, so that
other ids may be made of what is left.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from processors.dead_letters import dead_letter
from processors.reputation.combine import columns_needed
from processors.reputation.stage import ReputationStage
from replay.view import ReplayLog
from schemas.catalog import TOPICS
from schemas.columns import INDEX, decode_frames
from schemas.documents import DocumentProcessed, DocumentReceived
from schemas.record import Event
from streams.log import Batch, Log, Record, TopicPartition
from streams.running.done import Done
from streams.running.runner import as_slice
from streams.sealed_letters import LetterSeal

NAME = "retell"
"""What its progress goes by in the log, in the first generation."""

EVENTS = "mail.events"

_ORIGIN = ("tenant", "source", "channel", "recorded_at")
_RECEIPT = ("tenant", "receipt_id")
_OF_DOCUMENTS = (*_RECEIPT, "erased", "is_copy")
_OF_OUTCOMES = (*_RECEIPT, *_ORIGIN, "kind", "outcome", "records")
# What reputation could not understand live, it does not understand here.
_OF_EVENTS = (*_ORIGIN, "source_event_id", *columns_needed())
_PLACE, _STAYS = "_place", "_stays"
_STEP = 10_000


@dataclass(frozen=True, slots=True)
class Read:
    """The documents that a rebuild has read, by what events have of them."""

    origins: pl.DataFrame
    """tenant, source, channel, recorded_at; the last place in the order of documents; whether what they told stays.

    Sorted by recorded_at: a step looks at those of its own times, not at all there are.
    """

    def places(self, frames: Mapping[type[Event], pl.DataFrame]) -> Mapping[int, tuple[int, bool]]:
        """For each event that a document gave, by its index, the place of the document, and whether it stays."""
        rows = [
            frame.filter(pl.col("source_event_id").is_not_null()).select(INDEX, *_ORIGIN)
            for frame in frames.values()
        ]
        if not rows:
            return {}
        asked = pl.concat(rows)
        found = asked.join(self._recorded_at(asked["recorded_at"]), on=_ORIGIN, nulls_equal=True)
        return dict(zip(found[INDEX], zip(found[_PLACE], found[_STAYS], strict=True), strict=True))

    def _recorded_at(self, times: pl.Series) -> pl.DataFrame:
        """The origins of these times."""
        known, wanted = self.origins["recorded_at"], times.unique()
        begins, ends = known.search_sorted(wanted, "left"), known.search_sorted(wanted, "right")
        rows = pl.select(pl.int_ranges(begins, ends)).to_series()
        return self.origins[rows.explode(empty_as_null=False)]


def documents_read(log: Log, before: Sequence[str], now: str) -> Read:
    """The documents whose outcomes are in the topic `now`; what became of them in the base is in those `before`."""
    whole = pl.DataFrame(schema=dict.fromkeys(_RECEIPT, pl.String))
    changed = [
        frame.filter((pl.col("erased") > 0) | pl.col("is_copy")).select(_RECEIPT)
        for _, frame in _frames(log, "documents", DocumentReceived, _OF_DOCUMENTS)
    ]
    origins = [pl.DataFrame(schema={**_ORIGIN_SCHEMA, _PLACE: pl.Int64})]
    for offsets, frame in _frames(log, now, DocumentProcessed, _OF_OUTCOMES):
        unread = (pl.col("outcome") == "rejected") & (pl.col("kind") == "unknown")
        changed.append(frame.filter(unread | (pl.col("outcome") == "forgotten")).select(_RECEIPT))
        placed = frame.with_columns(offsets.gather(frame[INDEX]).alias(_PLACE))
        origins.append(placed.group_by(_ORIGIN).agg(pl.col(_PLACE).max()))
    odd = pl.concat([whole, *changed]).unique()
    told = (pl.col("kind") != "dmarc-aggregate") & (pl.col("records") > 0)
    stay = [
        frame.filter(told).join(odd, on=_RECEIPT, how="semi").select(_ORIGIN)
        for topic in before
        for _, frame in _frames(log, topic, DocumentProcessed, _OF_OUTCOMES)
    ]
    stays = pl.concat([pl.DataFrame(schema=_ORIGIN_SCHEMA), *stay]).unique()
    known = pl.concat(origins).group_by(_ORIGIN).agg(pl.col(_PLACE).max())
    flagged = stays.with_columns(pl.lit(value=True).alias(_STAYS))
    joined = known.join(flagged, on=_ORIGIN, how="left", nulls_equal=True)
    return Read(joined.with_columns(pl.col(_STAYS).fill_null(value=False)).sort("recorded_at").rechunk())


_ORIGIN_SCHEMA = {"tenant": pl.String, "source": pl.String, "channel": pl.String, "recorded_at": pl.Int64}


def _frames(
    log: Log, topic: str, record: type[Event], columns: Sequence[str]
) -> Iterator[tuple[pl.Series, pl.DataFrame]]:
    """Some columns of one record type in a topic, batch by batch, with the offsets that its indices stand for."""
    for source in log.partitions(topic):
        offset, end = log.begin(source), log.end(source)
        while offset < end and (batch := log.read(source, offset, _STEP)).next > offset:
            frame = decode_frames(batch.values, columns).frames.get(record)
            if frame is not None:
                yield pl.Series(batch.offsets, dtype=pl.Int64), frame
            offset = batch.next


class _Anew:
    """What documents tell now, in their order; what was taken is given again until that is settled."""

    def __init__(self, log: Log, source: TopicPartition, position: int, read: Read) -> None:
        self._log, self._source, self._read = log, source, read
        self._next = position
        self._held: list[tuple[int, int, Record]] = []
        self._taken = 0

    @property
    def position(self) -> int:
        """Where what was not taken begins."""
        return self._held[self._taken][0] if self._taken < len(self._held) else self._next

    def take(self, place: int | None, limit: int) -> list[Record]:
        """At most `limit` of them, of documents that stand no later than this one; None is of all."""
        found: list[Record] = []
        while len(found) < limit and self.waits(place):
            found.append(self._held[self._taken][2])
            self._taken += 1
        return found

    def waits(self, place: int | None) -> bool:
        """Whether there is more of documents that stand no later than this one."""
        if self._taken == len(self._held):
            self._hold_more()
        return self._taken < len(self._held) and (place is None or self._held[self._taken][1] <= place)

    def settle(self) -> int:
        """What was taken is written; how many they were."""
        taken, self._taken = self._taken, 0
        del self._held[:taken]
        return taken

    def give_back(self) -> None:
        """What was taken was not written."""
        self._taken = 0

    def _hold_more(self) -> None:
        while self._taken == len(self._held):
            batch = self._log.read(self._source, self._next, _STEP)
            if batch.next == batch.first:
                return
            places = self._read.places(decode_frames(batch.values, _OF_EVENTS).frames)
            for index, (offset, record) in enumerate(zip(batch.offsets, _records(batch), strict=True)):
                place, stays = places[index]
                if not stays:
                    self._held.append((offset, place, record))
            self._next = batch.next


@dataclass(slots=True, eq=False)
class Retelling:
    """Gives a rebuild its mail events, once its documents were read. Used by one thread, within `Log.hold`."""

    log: ReplayLog
    group: str
    """What its positions go by."""
    told: Sequence[TopicPartition]
    """Where the base has its mail events, in their order."""
    anew: TopicPartition
    """Where what the documents tell now waits."""
    read: Read
    step_records: int = 50_000
    at: Callable[[str], None] = lambda _: None
    seal: LetterSeal | None = None
    replaced: int = 0
    """Events of documents that are not taken over."""
    told_anew: int = 0
    """Events that documents tell now."""
    _positions: dict[TopicPartition, int] = field(init=False)
    _anew: _Anew = field(init=False)

    def __post_init__(self) -> None:
        """Go on where it was."""
        committed = self.log.committed(self.group)
        self._positions = {source: committed.get(source, 0) for source in self.told}
        self._anew = _Anew(self.log, self.anew, committed.get(self.anew, 0), self.read)

    def lag(self) -> int:
        """How many events are waiting, told before or now."""
        waiting = sum(self.log.end(source) - position for source, position in self._positions.items())
        return waiting + self.log.end(self.anew) - self._anew.position

    def step(self) -> Done:
        """Give some; returns how many were gone through, 0 when there are none. Raises LogError."""
        self._anew.give_back()
        for source, position in self._positions.items():
            batch = self.log.read(source, position, self.step_records)
            if batch.next > batch.first:
                return self._go_through(batch)
        rest = self._anew.take(None, self.step_records)
        if rest:
            self._write(None, 0, rest, [])
        return Done(len(rest))

    def _go_through(self, batch: Batch) -> Done:
        decoded = decode_frames(batch.values, _OF_EVENTS)
        bad = dict(decoded.bad)
        for kind in decoded.frames.keys() - set(TOPICS[EVENTS]):
            reason = f"{kind.__name__} does not belong in {batch.source.topic}"
            bad |= dict.fromkeys(decoded.frames[kind][INDEX], reason)
        events = {kind: frame for kind, frame in decoded.frames.items() if kind in TOPICS[EVENTS]}
        places = self.read.places(events)
        given: list[Record] = []
        letters: list[Record] = []
        limit, until, replaced = 2 * self.step_records, batch.next, 0
        for index, record in enumerate(_records(batch)):
            place, stays = places.get(index, (None, True))
            if place is not None:
                given += self._anew.take(place, limit - len(given))
            if len(given) >= limit:
                until = batch.offsets[index]
                break
            if index in bad:
                letter = dead_letter(
                    as_slice(batch), index, ReputationStage.name, bad[index], batch.timestamps[index]
                )
                letters.append(Record(letter.key, letter.value, letter.recorded_at))
            elif stays:
                given.append(record)
            else:
                replaced += 1
        if self.seal is not None:
            letters = self.seal.sealed(letters, batch.source, batch.offsets, batch.keys)
        self._write(batch.source, until, given, letters)
        self.replaced += replaced
        return Done(max(1, until - batch.first), batch.more)

    def _write(
        self, source: TopicPartition | None, until: int, given: list[Record], letters: list[Record]
    ) -> None:
        with self.log.transaction() as transaction:
            transaction.append(EVENTS, given)
            transaction.append("dead.letters", letters)
            if source is not None:
                transaction.commit(self.group, source, until)
            transaction.commit(self.group, self.anew, self._anew.position)
            self.at("written")
        if source is not None:
            self._positions[source] = until
        self.told_anew += self._anew.settle()
        self.at("committed")


def _records(batch: Batch) -> Iterator[Record]:
    return map(Record, batch.keys, batch.values, batch.timestamps)
