"""Drives one stage over the log: read, take, flush, and one transaction that holds all that came of it."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from processors.stage import Emission, Flush, Slice, Stage
from streams import metrics
from streams.log import Batch, Log, Progress, Reading, Record
from streams.running.done import Done
from streams.running.event_lag import seconds_behind
from streams.sealed_letters import TOPIC as LETTERS
from streams.sealed_letters import LetterSeal
from streams.topics import plain, shadow

Boundary = Literal["read", "taken", "flushed", "written", "committed"]
"""The places within a step at which a crash must lose nothing; tests die at each of them."""


@dataclass(frozen=True, slots=True)
class Generation:
    """Which lineage of derived data a runner works on, and whether what it emits goes to shadows."""

    number: int = 1
    shadowing: bool = False

    def group(self, stage: str) -> str:
        """What the positions and state of a stage go by in this generation."""
        return stage if self.number == 1 else shadow(stage, self.number)

    def topic(self, topic: str) -> str:
        """Where an emission to this topic goes."""
        return shadow(topic, self.number) if self.shadowing else topic


@dataclass(frozen=True, slots=True)
class _Prepared:
    next: int
    records: int
    more: bool
    flush: Flush
    offsets: Sequence[int]
    keys: Sequence[bytes | None]
    """Those of its records."""


class StageRunner:
    """One stage on one partition, its position and its state. Used by one thread, within `Log.hold`.

    A step that could not be written (the disk is full) is kept and written by the next call: nothing is lost and
    nothing is taken twice.
    """

    def __init__(
        self,
        log: Log | tuple[Reading, Progress],
        stage: Stage,
        generation: Generation | None = None,
        step_records: int = 50_000,
        at: Callable[[Boundary], None] = lambda _: None,
        partition: int = 0,
        seal: LetterSeal | None = None,
    ) -> None:
        """Restore the stage and go on where it was; `step_records` bounds what one transaction holds.

        A stage instance serves one partition, and its state is that partition's: each has a runner of its own.
        A whole log is read and moved on; else one thing is read and another keeps the progress. Dead letters are kept in
        clear without `seal`.
        """
        self.stage = stage
        self._log, self._progress = log if isinstance(log, tuple) else (log, log)
        self._generation = generation or Generation()
        self.group = self._generation.group(stage.name)
        self._step_records = step_records
        self._at, self._seal = at, seal
        self.source = self._log.partitions(stage.reads)[partition]
        self._state = f"{self.group}/{partition}" if partition else self.group
        self._position = self._progress.committed(self.group).get(self.source, 0)
        self._prepared: _Prepared | None = None
        stage.restore(self._progress.state(self._state))
        self._told = stage.tally()
        for counter in (metrics.DEAD_LETTERS, metrics.REPEATS, metrics.LATE_ADDITIONS):
            counter.begin(stage.name)
        for outcome in self._told.outcomes:
            metrics.DOCUMENTS.begin(outcome)

    def step(self) -> Done:
        """Deal with some records; returns how many, 0 when there are none. Raises LogError."""
        self._prepared = self._prepared or self._prepare()
        if self._prepared is None:
            return Done(0)
        done = self._write(self._prepared)
        self._prepared = None
        return done

    @property
    def position(self) -> int:
        """Where the next step begins."""
        return self._position

    def lag(self) -> int:
        """How many records are waiting."""
        return self._log.end(self.source) - self._position

    def lag_seconds(self) -> float:
        """How much event time is waiting, in seconds."""
        return seconds_behind(self._log, self.source, self._position)

    def _prepare(self) -> _Prepared | None:
        name, took = self.stage.name, metrics.PHASE_SECONDS
        begun = time.perf_counter()
        batch = self._log.read(self.source, self._position, self._step_records)
        if batch.next == batch.first:
            return None
        took.observe(time.perf_counter() - begun, name, "read")
        self._at("read")
        with took.timing(name, "take"):
            self.stage.take(as_slice(batch))
        self._at("taken")
        with took.timing(name, "flush"):
            flush = self.stage.flush()
        self._at("flushed")
        return _Prepared(batch.next, len(batch), batch.more, flush, batch.offsets, batch.keys)

    def _write(self, step: _Prepared) -> Done:
        emitted = _by_topic(step.flush.emissions)
        if self._seal is not None and LETTERS in emitted:
            emitted[LETTERS] = self._seal.sealed(emitted[LETTERS], self.source, step.offsets, step.keys)
        with (
            metrics.PHASE_SECONDS.timing(self.stage.name, "write"),
            self._progress.transaction() as transaction,
        ):
            for topic, records in emitted.items():
                transaction.append(self._generation.topic(topic), records)
            transaction.put_state(self._state, step.flush.chunks)
            transaction.commit(self.group, self.source, step.next)
            self._at("written")
        self._position = step.next
        self._at("committed")
        self._tell(step.records, emitted)
        return Done(step.records, step.more)

    def _tell(self, taken: int, emitted: Mapping[str, Sequence[Record]]) -> None:
        name, tally = self.stage.name, self.stage.tally()
        metrics.RECORDS_IN.add(taken, name, plain(self.source.topic))
        metrics.BATCH_RECORDS.observe(taken, name)
        for topic, records in emitted.items():
            metrics.RECORDS_OUT.add(len(records), name, topic)
        metrics.DEAD_LETTERS.add(len(emitted.get("dead.letters", ())), name)
        metrics.REPEATS.add(tally.repeats - self._told.repeats, name)
        metrics.LATE_ADDITIONS.add(tally.late - self._told.late, name)
        for outcome, documents in tally.outcomes.items():
            metrics.DOCUMENTS.add(documents - self._told.outcomes.get(outcome, 0), outcome)
        self._told = tally


def as_slice(batch: Batch) -> Slice:
    """A batch as stages and sinks take it."""
    source = batch.source
    return Slice(source.topic, source.partition, batch.first, batch.next, batch.offsets, batch.values)


def _by_topic(emissions: Iterable[Emission]) -> dict[str, list[Record]]:
    topics: dict[str, list[Record]] = {}
    for topic, key, value, recorded_at in emissions:
        topics.setdefault(topic, []).append(Record(key, value, recorded_at))
    return topics
