"""Drives one stage over the log: read, take, flush, and one transaction that holds all that came of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from processors.stage import Emission, Flush, Slice, Stage
from streams.log import Batch, Log, Record, TopicPartition
from streams.topics import shadow

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
    source: TopicPartition
    next: int
    records: int
    flush: Flush


class StageRunner:
    """One stage, its position and its state. Used by one thread, within `Log.hold`.

    A step that could not be written (the disk is full) is kept and written by the next call: nothing is lost and
    nothing is taken twice.
    """

    def __init__(
        self,
        log: Log,
        stage: Stage,
        generation: Generation | None = None,
        step_records: int = 50_000,
        at: Callable[[Boundary], None] = lambda _: None,
    ) -> None:
        """Restore the stage and go on where it was; `step_records` bounds what one transaction holds."""
        self.stage = stage
        self._log = log
        self._generation = generation or Generation()
        self.group = self._generation.group(stage.name)
        self._step_records = step_records
        self._at = at
        committed = log.committed(self.group)
        self._positions = {source: committed.get(source, 0) for source in log.partitions(stage.reads)}
        self._prepared: _Prepared | None = None
        stage.restore(log.state(self.group))

    def step(self) -> int:
        """Deal with some records of each partition; returns how many, 0 when there are none. Raises LogError."""
        done = 0
        for source in self._positions:
            if self._prepared is None:
                self._prepared = self._prepare(source)
            if self._prepared is not None:
                done += self._write(self._prepared)
                self._prepared = None
        return done

    def lag(self) -> int:
        """How many records are waiting."""
        return sum(self._log.end(source) - position for source, position in self._positions.items())

    def _prepare(self, source: TopicPartition) -> _Prepared | None:
        batch = self._log.read(source, self._positions[source], self._step_records)
        if batch.next == batch.first:
            return None
        self._at("read")
        self.stage.take(as_slice(batch))
        self._at("taken")
        flush = self.stage.flush()
        self._at("flushed")
        return _Prepared(source, batch.next, len(batch), flush)

    def _write(self, step: _Prepared) -> int:
        with self._log.transaction() as transaction:
            for topic, records in _by_topic(step.flush.emissions).items():
                transaction.append(self._generation.topic(topic), records)
            transaction.put_state(self.group, step.flush.chunks)
            transaction.commit(self.group, step.source, step.next)
            self._at("written")
        self._positions[step.source] = step.next
        self._at("committed")
        return step.records


def as_slice(batch: Batch) -> Slice:
    """A batch as stages and sinks take it."""
    source = batch.source
    return Slice(source.topic, source.partition, batch.first, batch.next, batch.offsets, batch.values)


def _by_topic(emissions: Iterable[Emission]) -> dict[str, list[Record]]:
    topics: dict[str, list[Record]] = {}
    for topic, key, value, recorded_at in emissions:
        topics.setdefault(topic, []).append(Record(key, value, recorded_at))
    return topics
