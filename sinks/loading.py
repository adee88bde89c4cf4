"""Loads the log into a sink: from the position that the sink itself holds, batch by batch."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from processors.dead_letters import dead_letter
from sinks.sink import Sink
from streams import metrics
from streams.log import Batch, Log, LogError, Mark, Progress, Record, TopicPartition
from streams.running.done import Done
from streams.running.event_lag import seconds_behind
from streams.running.runner import as_slice
from streams.sealed_letters import LetterSeal
from streams.topics import plain


class PositionRefused(LogError):
    """What the sink holds and what the log holds do not belong together; the message names the way out."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What a loader reads, and what it leaves to others."""

    topics: Sequence[str]
    """Topics to load, shadows included."""
    starts: Mapping[str, int]
    """Where a topic begins for this sink when it holds no position yet; 0 unless named."""
    checked_by_stages: frozenset[str]
    """Topics whose garbage a stage turns into dead letters; that of the others is this loader's to report."""
    group: str = "warehouse"
    """What the loader's progress goes by in the log, so that retention waits for it."""
    batch_records: int = 100_000
    """The most records in one load."""
    seal: LetterSeal | None = None
    """What dead letters are sealed with; they are kept in clear without."""


class Loader:
    """Drives one sink. Used by one thread, within `Log.hold`."""

    def __init__(
        self,
        log: Log,
        sink: Sink,
        plan: LoadPlan,
        at: Callable[[str], None] = lambda _: None,
        part: tuple[TopicPartition, Progress] | None = None,
    ) -> None:
        """Compare the sink's positions with the log. Raises PositionRefused when they do not belong together.

        All partitions of the plan's topics are loaded, or only the `part` that is named with what keeps its progress.
        """
        self._log, self._sink, self._plan, self._at = log, sink, plan, at
        self._progress = part[1] if part else log
        self._sources = [part[0]] if part else [s for topic in plan.topics for s in log.partitions(topic)]
        self._positions = dict(self._resume())
        self._let_retention_wait()
        self._reader = ThreadPoolExecutor(1, "read-ahead")
        self._ahead: dict[TopicPartition, Future[Batch]] = {}
        self._kept: dict[TopicPartition, Batch] = {}
        metrics.DEAD_LETTERS.begin(sink.name)

    def close(self) -> None:
        """Stop reading ahead; log and sink stay open."""
        self._reader.shutdown(cancel_futures=True)

    def step(self) -> Done:
        """Load some records of each partition; returns how many. Raises SinkBusy: then call again later."""
        done = [self._load(source) for source in self._positions]
        return Done(sum(done), any(one.more for one in done))

    def lag(self) -> int:
        """How many records are waiting."""
        return sum(self._log.end(source) - position for source, position in self._positions.items())

    def lag_seconds(self) -> float:
        """How much event time is waiting, in seconds, in the topic that is furthest behind."""
        behind = (seconds_behind(self._log, source, position) for source, position in self._positions.items())
        return max(behind, default=0.0)

    def _load(self, source: TopicPartition) -> Done:
        name, took = self._sink.name, metrics.PHASE_SECONDS
        begun = time.perf_counter()
        batch = self._read(source)
        if batch.next == batch.first:
            return Done(0)
        took.observe(time.perf_counter() - begun, name, "read")
        self._at("read")
        records = as_slice(batch)
        self._kept[source] = batch
        with took.timing(name, "load"):
            loaded = self._sink.load(records, self._log.mark(source, batch.next))
        self._at("loaded")
        checked = plain(source.topic) in self._plan.checked_by_stages
        letters = self._letters(batch, () if checked else loaded.bad)
        with took.timing(name, "write"), self._progress.transaction() as transaction:
            transaction.append("dead.letters", letters)
            transaction.commit(self._plan.group, source, batch.next)
        self._positions[source] = batch.next
        del self._kept[source]
        self._at("committed")
        self._tell(plain(source.topic), len(batch), loaded.rows, len(letters))
        return Done(len(batch), batch.more)

    def _letters(self, batch: Batch, bad: Sequence[tuple[int, str]]) -> list[Record]:
        records = as_slice(batch)
        told = [
            dead_letter(records, index, self._sink.name, reason, batch.timestamps[index])
            for index, reason in bad
        ]
        letters = [Record(one.key, one.value, one.recorded_at) for one in told]
        if self._plan.seal is None:
            return letters
        return self._plan.seal.sealed(letters, batch.source, batch.offsets, batch.keys)

    def _tell(self, topic: str, taken: int, rows: int, letters: int) -> None:
        name = self._sink.name
        metrics.RECORDS_IN.add(taken, name, topic)
        metrics.BATCH_RECORDS.observe(taken, name)
        metrics.ROWS_LOADED.add(rows, topic)
        metrics.DEAD_LETTERS.add(letters, name)

    def _read(self, source: TopicPartition) -> Batch:
        """The next batch; where as much again is waiting, that is read and prepared while this one is loaded.

        A batch that was not seen through is the same one again: a sink that was busy has it prepared, and a log that
        did not answer recognises what it has kept of it.
        """
        position = self._positions[source]
        if source in self._kept:
            return self._kept[source]
        ahead = self._ahead.pop(source, None)
        batch = ahead.result() if ahead is not None else None
        if batch is None or batch.first != position or batch.next == batch.first:
            batch = self._log.read(source, position, self._plan.batch_records)
        if batch.more and self._log.end(source) - batch.next >= len(batch):
            self._ahead[source] = self._reader.submit(self._read_ahead, source, batch.next)
        return batch

    def _read_ahead(self, source: TopicPartition, offset: int) -> Batch:
        batch = self._log.read(source, offset, self._plan.batch_records)
        if batch.next > batch.first:
            self._sink.prepare(as_slice(batch))
        return batch

    def _resume(self) -> Iterator[tuple[TopicPartition, int]]:
        """Where to go on: at the sink's position, or before it where a crash kept its garbage from being told."""
        committed = self._progress.committed(self._plan.group)
        for source in self._sources:
            mark = self._sink.position(source)
            if mark is None:
                start = self._plan.starts.get(source.topic, 0)
                self._refuse_a_gap(source, start)
                yield source, start
            else:
                offset = self._checked(mark)
                yield source, min(offset, committed.get(source, offset))

    def _let_retention_wait(self) -> None:
        with self._progress.transaction() as transaction:
            for source, position in self._positions.items():
                transaction.commit(self._plan.group, source, position)

    def _checked(self, mark: Mark) -> int:
        try:
            self._log.check(mark)
        except LogError as error:
            raise PositionRefused(
                f"{self._sink.name} has loaded {mark.source.topic}/{mark.source.partition} up to {mark.offset}, "
                f"and the log does not continue that: {error}. Nothing was loaded. If this log is the right one, "
                "rebuild the warehouse from it: mailwake replay rebuild && mailwake replay swap"
            ) from None
        return mark.offset

    def _refuse_a_gap(self, source: TopicPartition, start: int) -> None:
        begin = self._log.begin(source)
        if begin > start:
            raise PositionRefused(
                f"{self._sink.name} holds nothing of {source.topic}/{source.partition} and the log only reaches back "
                f"to offset {begin}: restore a backup of the warehouse, or accept what is left with "
                "mailwake replay rebuild && mailwake replay swap"
            )
