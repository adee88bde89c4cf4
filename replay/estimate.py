"""What a rebuild would read, and about how long it would take; nothing is written."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from processors.stage import Stage
from replay.lineage import Lineage, lineage
from replay.rebuild import Wanted, origin_of, parts_read, planned, rebuild_plan, stages_of, unfinished
from replay.work import Replay
from streams.log import TopicPartition
from streams.running.runner import as_slice
from streams.topics import plain

SAMPLE = 20_000
"""Records that each stage is tried on."""

LOADED_PER_S = 150_000
"""Records that a warehouse of two cores takes in a second, about."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a rebuild would do from here."""

    generation: int
    goes_on: bool
    """Whether it would go on with a rebuild that was interrupted."""
    made_from: str
    reads: Mapping[str, int]
    """Records that the stages and the loader would read, by topic."""
    rows: int
    """Rows that the warehouse would get, about: one for each fact, and buckets as many as the live one has."""
    seconds: float
    """About how long, on this machine; the throttle is counted in."""


def estimated(replay: Replay, wanted: Wanted) -> Estimate:
    """Look at what there is and try each stage on a sample. Raises ReplayRefused as the rebuild would."""
    going_on = unfinished(replay, wanted)
    known = going_on or planned(replay, wanted)
    loads = _waiting(replay, rebuild_plan_topics(replay, known), known, known.loader_group)
    there = set(replay.log.topics())
    takes = {
        stage: _waiting(replay, _told(replay, stage, known, there), known, known.rebuilding.group(stage.name))
        for part in range(parts_read(replay, known))
        for stage in stages_of(replay, known, part)
    }
    reads = dict(loads)
    for waiting in takes.values():
        for topic, records in waiting.items():
            reads[topic] = max(records, reads.get(topic, 0))
    slowest = max((_seconds(replay, stage, waiting) for stage, waiting in takes.items()), default=0.0)
    seconds = slowest + _at_rate(replay, sum(loads.values()), LOADED_PER_S)
    rows = sum(loads.values()) + _live_buckets(replay, known)
    return Estimate(known.number, going_on is not None, origin_of(known), reads, rows, seconds)


def rebuild_plan_topics(replay: Replay, known: Lineage) -> Sequence[str]:
    """The topics that are there already; its own shadows may not be yet."""
    there = set(replay.log.topics())
    return [topic for topic in rebuild_plan(replay, known).topics if topic in there]


def _told(replay: Replay, stage: Stage, known: Lineage, there: Collection[str]) -> Sequence[str]:
    """What a stage reads; of a shadow that is not there yet, what it will be about as long as."""
    if stage.reads in there:
        return [stage.reads]
    base = lineage(replay.log, known.base) or Lineage(known.base)
    return [name for name, _ in base.parts(plain(stage.reads))]


def _waiting(replay: Replay, topics: Sequence[str], known: Lineage, group: str) -> dict[str, int]:
    """How many records a group has before it, by topic."""
    committed, there = replay.log.committed(group), set(replay.log.topics())
    base = lineage(replay.log, known.base) or Lineage(known.base)
    waiting: dict[str, int] = {}
    for source in (s for topic in topics if topic in there for s in replay.log.partitions(topic)):
        begin = max(replay.log.begin(source), base.starts.get(source.topic, 0))
        left = replay.log.end(source) - committed.get(source, begin)
        waiting[source.topic] = waiting.get(source.topic, 0) + max(0, left)
    return waiting


def _seconds(replay: Replay, stage: Stage, waiting: Mapping[str, int]) -> float:
    """How long a stage would take, from what it takes for some of the records it would begin with."""
    records = sum(waiting.values())
    if not records:
        return 0.0
    topic = next(name for name, count in waiting.items() if count)
    source: TopicPartition = replay.log.partitions(topic)[0]
    batch = replay.log.read(source, replay.log.begin(source), SAMPLE)
    began = time.perf_counter()
    stage.take(as_slice(batch))
    stage.flush()
    spent = time.perf_counter() - began
    return _at_rate(replay, records, len(batch) / spent if spent and len(batch) else LOADED_PER_S)


def _at_rate(replay: Replay, records: int, per_s: float) -> float:
    return records / min(per_s, replay.pace.records_per_s or per_s)


def _live_buckets(replay: Replay, known: Lineage) -> int:
    if known.span is not None:
        return 0
    base = next((found for found in replay.warehouse.generations() if found.number == known.base), None)
    rows = {} if base is None else base.rows
    return sum(count for table, count in rows.items() if table.startswith("reputation"))
