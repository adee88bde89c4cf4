"""Copying what a log was told into another log: from SQLite to Kafka, back, or to another number of partitions.

Only facts are copied. What stages derived is derived again by the target's own pipeline, which starts without
state: copied as well it would be there twice. Mail events go over whoever told them, and a document that tells them again
tells them under the same ids. One that recipients were taken out of since may not, where its own digest is in the id: it
goes over as a copy whose events were told (`is_copy`), if they were. Blobs are not in a log, and are shared by whoever may
read them.

The copy's positions are state in the target, changed in one transaction with the records that they stand for: so
a copy that is interrupted anywhere goes on where it was, without loss and without repeats.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from typing import Protocol, runtime_checkable

from schemas.catalog import UnknownSchema
from schemas.codec import Undecodable, decode, decode_fields, encode, frame_of, schema_id_of
from schemas.documents import DocumentReceived
from streams.keys import key_of
from streams.log import Batch, Log, LogError, Mark, Record, RecordTooLarge, TopicPartition

FACTS = ("documents", "mail.events", "dmarc.records")
"""The topics that producers and sources append to."""

OUTCOMES = "documents.outcomes"
"""Says which documents were read: their mail events came with their outcomes, in one transaction."""

DERIVED_TOO = ("dmarc.records",)
"""Those of them that a stage appends to as well."""


class CopyRefused(LogError):
    """This source can't be copied into this target, or no longer; nothing of the step was copied."""


def _same(schema_id: int) -> int:
    return schema_id


Progress = Callable[[str, int, int | None], None]
"""Told how many more records of a topic are dealt with, and about how many are left."""


@runtime_checkable
class Decides(Protocol):
    """A log in which what is durable may stand behind a transaction that is still open, and not be read yet."""

    def until_decided(self, topic: str) -> None:
        """Wait until no transaction is open before what is in a topic now. Raises LogUnavailable."""


@dataclass(frozen=True, slots=True)
class Copying:
    """How to copy: `map_id` gives a schema's id in the target for its id in the source, or raises UnknownSchema."""

    map_id: Callable[[int], int] = _same
    step_records: int = 10_000
    step_bytes: int = 4 * 2**20
    """The most in one transaction, but for one record that is larger."""
    accept_loss: bool = False
    """Copy what is left where the source's retention has removed facts that were not copied yet."""


def copy_log(
    source: Log,
    target: Log,
    how: Copying | None = None,
    progress: Progress = lambda name, records, left: None,
) -> Mapping[str, int]:
    """Copy what the target does not have yet, holding it; how many records of each topic were copied.

    Keys, times and the order of each key stay. Partitions are read side by side, earliest record first, so that
    fewer of them do not tell of years in turn. Raises CopyRefused, LogInUse, LogError.
    """
    how = how or Copying()
    if source.id == target.id:
        raise CopyRefused(
            f"source and target are one log, {source.id}, or copies of its files: name another target"
        )
    with target.hold():
        known = _positions(source, target)
        if not known:
            _refuse_others_facts(source, target)
        return {topic: _copy_topic(topic, source, target, known, how, progress) for topic in FACTS}


def stage_of(source: Log) -> str:
    """The name under which a target keeps the positions of the copy of this source."""
    return f"copy.{source.id}"


def is_derived(value: bytes | None) -> bool:
    """Whether the document stage made this record of a report: it names its document, and has the stage's kind of key.

    A producer may tell such records as well: those are facts.
    """
    if value is None:
        return False
    try:
        _, fields = decode_fields(value)
    except Undecodable:
        return False
    if fields.get("receipt_id") is None or fields.get("source_event_id") is None:
        return False
    return f"@{fields['content_hash']}" in fields["source_event_id"]


@dataclass(slots=True)
class _Told:
    """Which documents the source's stage has read."""

    source: Log
    _keys: set[bytes] | None = None

    def once(self, record: Record) -> Record:
        """The record; of a document that was read and then changed, one that tells no mail events again."""
        try:
            known, fields = decode_fields(record.value or b"")
        except Undecodable:
            return record
        if known.record is not DocumentReceived or not fields.get("erased") or fields.get("is_copy"):
            return record
        document = decode(record.value or b"")
        assert isinstance(document, DocumentReceived)
        # A document and its outcome go under the same key.
        if key_of(document) not in self._outcomes():
            return record
        return record._replace(value=encode(document.model_copy(update={"is_copy": True})))

    def _outcomes(self) -> set[bytes]:
        if self._keys is None:
            self._keys = set()
            for place in self.source.partitions(OUTCOMES):
                offset = self.source.begin(place)
                while (batch := self.source.read(place, offset, 10_000)).next > offset:
                    self._keys.update(key for key in batch.keys if key is not None)
                    offset = batch.next
        return self._keys


def _positions(source: Log, target: Log) -> dict[TopicPartition, int]:
    """Where the copy of this source goes on, each position checked: the source must still be what was copied."""
    found: dict[TopicPartition, int] = {}
    for key, value in target.state(stage_of(source)):
        topic, _, partition = key.decode().rpartition("/")
        place, kept = TopicPartition(topic, int(partition)), json.loads(value)
        try:
            source.check(Mark(source.id, place, kept["offset"], kept["digest"]))
        except LogError as error:
            raise CopyRefused(
                f"the source does not continue what was copied: {error}. Put the former log back, or copy this one into "
                "a new target"
            ) from None
        found[place] = kept["offset"]
    return found


def _refuse_others_facts(source: Log, target: Log) -> None:
    for topic in FACTS:
        for place in target.partitions(topic):
            if _Cursor(target, place, target.begin(place), 1).head() is not None:
                raise CopyRefused(
                    f"the target {target.id} already holds facts ({topic}/{place.partition}) and they are no copy of "
                    f"{source.id}: name a target that is empty (another file, or another prefix, "
                    "kafka://HOST:PORT/PREFIX)"
                )


@dataclass(slots=True)
class _Cursor:
    """Reads one partition record by record; `position` is that of the next record, once `head` has given it."""

    log: Log
    place: TopicPartition
    position: int
    limit: int
    _batch: Batch | None = None
    _at: int = 0

    def head(self) -> Record | None:
        """The next record, None at the end as of now."""
        while self._batch is None or self._at == len(self._batch):
            batch = self.log.read(self.place, self.position, self.limit)
            if batch.next == batch.first:
                return None
            self._batch, self._at = batch, 0
            self.position = batch.offsets[0] if len(batch) else batch.next
        batch, at = self._batch, self._at
        return Record(batch.keys[at], batch.values[at], batch.timestamps[at])

    def take(self) -> None:
        """Pass the next record."""
        assert self._batch is not None
        self._at += 1
        at_end = self._at == len(self._batch)
        self.position = self._batch.next if at_end else self._batch.offsets[self._at]


@dataclass(slots=True)
class _Step:
    records: list[Record] = field(default_factory=list)
    places: list[tuple[TopicPartition, int]] = field(default_factory=list)
    passed: int = 0
    bytes: int = 0


def _copy_topic(
    topic: str,
    source: Log,
    target: Log,
    known: Mapping[TopicPartition, int],
    how: Copying,
    progress: Progress,
) -> int:
    if isinstance(source, Decides):
        source.until_decided(topic)
    places = source.partitions(topic)
    ends = {place: source.end(place) for place in places}
    limit = max(how.step_records // len(places), 100)
    cursors = [_Cursor(source, place, _start(source, place, known, how), limit) for place in places]
    kept = {place: known.get(place) for place in places}
    frames: dict[bytes, bytes] = {}
    # What retention removed is told again by whoever can, under whatever id: rather that than not at all.
    told = _Told(source) if topic == "documents" and not _lost(source, known) else None
    copied = 0
    while any(cursor.position < ends[cursor.place] for cursor in cursors):
        step = _gather(topic, cursors, how)
        if not step.passed:
            break
        if told is not None:
            step.records = [told.once(record) for record in step.records]
        moved = [cursor for cursor in cursors if cursor.position != kept[cursor.place]]
        records = step.records if how.map_id is _same else _all_reframed(step, frames, how)
        _write(
            topic,
            target,
            stage_of(source),
            records,
            step.places,
            [source.mark(c.place, c.position) for c in moved],
        )
        kept.update((cursor.place, cursor.position) for cursor in moved)
        copied += len(records)
        progress(topic, step.passed, sum(max(ends[c.place] - c.position, 0) for c in cursors))
    return copied


def _lost(source: Log, known: Mapping[TopicPartition, int]) -> bool:
    """Whether the source has mail events no more that were not copied."""
    return any(source.begin(place) > known.get(place, 0) for place in source.partitions("mail.events"))


def _start(source: Log, place: TopicPartition, known: Mapping[TopicPartition, int], how: Copying) -> int:
    position, begin = known.get(place, 0), source.begin(place)
    if begin <= position:
        return position
    if not how.accept_loss:
        raise CopyRefused(
            f"the source's retention removed {begin - position} offsets of {place.topic}/{place.partition} that were not "
            "copied: the target would lack them. Copy from a log (or a backup of it) that has them, or say "
            "--accept-loss to copy what is left"
        )
    return begin


def _gather(topic: str, cursors: Sequence[_Cursor], how: Copying) -> _Step:
    """The next records of all partitions, the earliest first; each partition's stay in order."""
    step = _Step()
    some_are_derived = topic in DERIVED_TOO
    heads = [(record.timestamp, index, record) for index, c in enumerate(cursors) if (record := c.head())]
    heapify(heads)
    while heads and step.passed < how.step_records and step.bytes < how.step_bytes:
        _, index, record = heads[0]
        cursor = cursors[index]
        if not some_are_derived or not is_derived(record.value):
            step.records.append(record)
            step.places.append((cursor.place, cursor.position))
            step.bytes += len(record.key or b"") + len(record.value or b"")
        step.passed += 1
        cursor.take()
        if following := cursor.head():
            heapreplace(heads, (following.timestamp, index, following))
        else:
            heappop(heads)
    return step


def _write(
    topic: str,
    target: Log,
    stage: str,
    records: Sequence[Record],
    places: Sequence[tuple[TopicPartition, int]],
    marks: Sequence[Mark],
) -> None:
    chunks: dict[bytes, bytes | None] = {
        f"{mark.source.topic}/{mark.source.partition}".encode(): json.dumps(
            {"offset": mark.offset, "digest": mark.digest}
        ).encode()
        for mark in marks
    }
    try:
        with target.transaction() as step:
            if records:
                step.append(topic, records)
            step.put_state(stage, chunks)
    except RecordTooLarge as error:
        sizes = [len(record.value or b"") + len(record.key or b"") for record in records]
        place, offset = places[sizes.index(max(sizes))]
        raise RecordTooLarge(
            f"{_where(place, offset)} in the source is too large for the target: {error}",
            error.size,
            error.limit,
        ) from None


def _all_reframed(step: _Step, frames: dict[bytes, bytes], how: Copying) -> Sequence[Record]:
    return [
        _reframed(record, place, frames, how) for record, place in zip(step.records, step.places, strict=True)
    ]


def _reframed(
    record: Record, place: tuple[TopicPartition, int], frames: dict[bytes, bytes], how: Copying
) -> Record:
    """The record with its schema's id in the target. What is not framed stays as it is: the stages say so there too."""
    value = record.value
    if value is None:
        return record
    head = value[:5]
    if head not in frames:
        try:
            frames[head] = frame_of(how.map_id(schema_id_of(value)))
        except Undecodable:
            return record
        except UnknownSchema as error:
            raise CopyRefused(
                f"{_where(*place)} in the source: {error}, and so the target has no id for it. Register that schema at "
                "the target's registry, then go on"
            ) from None
    return record if frames[head] == head else record._replace(value=frames[head] + value[5:])


def _where(place: TopicPartition, offset: int) -> str:
    return f"{place.topic}/{place.partition} offset {offset}"
