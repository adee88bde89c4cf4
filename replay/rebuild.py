"""Fills the next generation from the log: begun once, then advanced until it has reached the log's end.

Everything that says how far it is lies in the log and in the warehouse, so a rebuild that was interrupted, in
whatever way, goes on when it is asked for again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from processors.stage import Stage
from processors.suppressions.stage import SuppressStage
from replay.carried import carry_entered, carry_letters, carry_underived, forgotten_documents
from replay.derived import Derived
from replay.lane import Lane, open_lane, step_of, step_records, told_of
from replay.lineage import (
    FROM_DOCUMENTS,
    FROM_FACTS,
    LOADED,
    LOADER,
    REREAD,
    Lineage,
    Span,
    base_lineage,
    highest,
    lineage,
    lineages,
    plant,
    store,
)
from replay.retelling import NAME as RETELLS
from replay.retelling import Retelling, documents_read
from replay.view import Ends, ReplayLog, ends_now
from replay.work import Replay, ReplayRefused
from sinks.loading import LoadPlan, PositionRefused
from streams.log import Log, Topic, TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import SHADOW, plain, shadow

DOCUMENTS, EVENTS, DMARC, LETTERS = "documents", "mail.events", "dmarc.records", "dead.letters"
OUTCOMES = "documents.outcomes"
EVIDENCE = SuppressStage.reads


@dataclass(frozen=True, slots=True)
class Wanted:
    """What kind of rebuild."""

    reparse: bool = False
    """From the documents, not from the facts that were once read in them."""
    span: Span | None = None
    """Only this much of event time, to be compared; None is everything, to be swapped in."""
    accept_loss: bool = False
    """Go on though retention has removed facts that the live generation was made from."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How a rebuild ended."""

    lineage: Lineage
    records: Mapping[str, int]
    """Records taken by each stage and by the loader, in this run."""
    forgotten: int = 0
    """Documents that nobody can read any more: what they told stays."""


def rebuild(replay: Replay, wanted: Wanted) -> Rebuilt:
    """Fill the next generation with everything that is in the log now; goes on with one that was interrupted.

    Raises ReplayRefused, LogError, SinkError.
    """
    known = unfinished(replay, wanted) or begin(replay, planned(replay, wanted))
    taken = advance(replay, known)
    if not known.complete:
        known = replace(known, complete=True)
        with replay.log.transaction() as transaction:
            store(transaction, known)
        replay.at("complete")
    forgotten = forgotten_documents(replay.log, shadow(OUTCOMES, known.number)) if wanted.reparse else ()
    return Rebuilt(known, taken, len(forgotten))


def candidate(replay: Replay) -> Lineage | None:
    """The generation that is being rebuilt, or was and is not swapped in: there is one at most."""
    base = base_lineage(replay.log, replay.warehouse).number
    # A log that was restored from a backup may know of a rebuild that the warehouse has gone over to since.
    taken = max(base, replay.warehouse.current_generation())
    newer = [known for number, known in lineages(replay.log).items() if number > taken]
    return newer[-1] if newer else None


def unfinished(replay: Replay, wanted: Wanted) -> Lineage | None:
    """The rebuild to go on with; None when there is none. Raises ReplayRefused when it is one of another kind."""
    known = candidate(replay)
    if known is None:
        return None
    if (known.shadowed, known.span) != (_derived(wanted), wanted.span):
        raise ReplayRefused(
            f"generation {known.number} is there already, rebuilt from the {origin_of(known)}"
            f"{'' if known.span is None else ' for a span of time'}: go on with it with the same options, or remove "
            f"it first: mailwake replay generations drop {known.number}"
        )
    return known


def planned(replay: Replay, wanted: Wanted) -> Lineage:
    """The next generation as it would be begun; nothing is changed. Raises ReplayRefused when facts are missing."""
    log, base = replay.log, base_lineage(replay.log, replay.warehouse)
    stored = [generation.number for generation in replay.warehouse.generations()]
    derived = _derived(wanted)
    facts = [topic for topic in LOADED if topic not in derived]
    needed = [*facts, *(topic for topic in derived if topic in _carried(derived))]
    missing = _missing(log, base, needed)
    if missing and not wanted.accept_loss:
        raise ReplayRefused(_refusal(missing))
    return Lineage(
        number=1 + max(highest(log), *stored),
        base=base.number,
        shadowed=derived,
        inherited=tuple(name for topic in facts for name, _ in base.parts(topic) if SHADOW in name),
        starts={topic: start for topic, start in _starts(log, base, facts).items() if start},
        span=wanted.span,
    )


def begin(replay: Replay, known: Lineage) -> Lineage:
    """Make a planned generation known to log and warehouse, with the positions that retention waits for."""
    log, generation = replay.log, known.rebuilding
    # The topics are declared by an opening of their own: a log declares what it is opened with.
    names = (*known.shadows(), *known.waiting())
    SqliteLog.open(log.path, [Topic(name) for name in names], create=False).close()
    with log.transaction() as transaction:
        store(transaction, known)
        for part in range(parts_read(replay, known)):
            for stage in stages_of(replay, known, part):
                for source in log.partitions(stage.reads):
                    transaction.commit(generation.group(stage.name), source, _first(log, known, stage.reads))
        for source in _told_before(log, known) if EVENTS in known.shadowed else ():
            transaction.commit(generation.group(RETELLS), source, _first(log, known, source.topic))
        for topic in rebuild_plan(replay, known).topics:
            for source in log.partitions(topic):
                transaction.commit(known.loader_group, source, known.starts.get(topic, 0))
    replay.at("begun")
    return known


def advance(replay: Replay, known: Lineage, ends: Ends | None = None) -> Mapping[str, int]:
    """Bring a generation that is rebuilt up to the ends given, else to the log's as of now; says what was taken."""
    taken: dict[str, int] = {}

    def count(name: str, records: int, left: int) -> None:
        taken[name] = taken.get(name, 0) + records
        replay.progress(name, records, left)

    ends = ends_now(replay.log, LOADED) if ends is None else ends
    if DMARC in known.shadowed:
        ends = {**ends, **_read_by_base(replay.log, known, ends)}
    watched = replace(replay, progress=count)
    for part in range(parts_read(replay, known)):
        stages = stages_of(replay, known, part)
        if EVENTS not in known.shadowed:
            lane_of(watched, known, stages, ends).drain()
            continue
        # What is taken over of what documents told is known when all of them were read.
        readers = [stage for stage in stages if stage.reads == DOCUMENTS]
        lane_of(watched, known, readers, ends).drain()
        others = [stage for stage in stages if stage not in readers]
        lane_of(watched, known, others, ends, partial(_retelling, replay, known)).drain()
    replay.at("advanced")
    return taken


def parts_read(replay: Replay, known: Lineage) -> int:
    """How many parts the facts have that its stages read one after the other: shadows of its base, then what is plain."""
    facts = {stage.reads for stage in replay.fresh_stages() if stage.reads not in known.shadowed}
    return max((len(_base(replay.log, known).parts(topic)) for topic in facts), default=1)


def retells(known: Lineage) -> str:
    """What the progress of retelling mail events goes by."""
    return known.live.group(RETELLS)


def _retelling(replay: Replay, known: Lineage, log: ReplayLog) -> Retelling:
    anew, outcomes = shadow(REREAD, known.number), shadow(OUTCOMES, known.number)
    before = [name for name, _ in _base(replay.log, known).parts(OUTCOMES)]
    return Retelling(
        log,
        retells(known),
        _told_before(replay.log, known),
        replay.log.partitions(anew)[0],
        documents_read(log, before, outcomes),
        step_records(replay),
        partial(told_of, replay, RETELLS),
        replay.seal,
    )


def _told_before(log: Log, known: Lineage) -> Sequence[TopicPartition]:
    """Where the base has its mail events."""
    return [source for name, _ in _base(log, known).parts(EVENTS) for source in log.partitions(name)]


def _read_by_base(log: Log, known: Lineage, ends: Ends) -> Ends:
    """How far documents go for a rebuild from them: what the base has not read is left to the live pipeline.

    So what documents told before stands among the events that were there when the rebuild looked.
    """
    read = log.committed(_base(log, known).live.group(DOCUMENTS))
    return {
        source: min(ends.get(source, log.end(source)), read.get(source, 0))
        for source in log.partitions(DOCUMENTS)
    }


def lane_of(
    replay: Replay,
    known: Lineage,
    stages: Sequence[Stage],
    ends: Ends,
    retelling: Callable[[ReplayLog], Retelling] | None = None,
) -> Lane:
    """Some stages and the loader of a generation that is rebuilt. Raises ReplayRefused when it can't go on."""
    plan = rebuild_plan(replay, known)
    plant(replay.log, replay.warehouse.sink(known.number), known)
    try:
        return open_lane(replay, known, known.rebuilding, stages, plan, ends, retelling)
    except PositionRefused as error:
        raise ReplayRefused(
            f"generation {known.number} can't go on: {error}. Begin it anew: "
            f"mailwake replay generations drop {known.number} && mailwake replay rebuild"
        ) from None


def rebuild_plan(replay: Replay, known: Lineage) -> LoadPlan:
    """What the loader reads while a generation is rebuilt."""
    batch = step_of(replay.pace.step_records, replay.pace.records_per_s)
    return known.rebuild_plan(replay.fresh_stages(), batch)


def stages_of(replay: Replay, known: Lineage, part: int = 0) -> Sequence[Stage]:
    """The stages that run for a rebuild, without state: those that carry over, and those that derive anew, in order.

    Facts are in parts (`parts_read`); this is who reads one of them.
    """
    base = _base(replay.log, known)
    again = [
        _derived_anew(stage, known, base, part) for stage in replay.fresh_stages() if runs_again(stage, known)
    ]
    told_again = {
        (stage.name, name): _first(replay.log, known, name)
        for stage in again
        for name, _ in base.parts(plain(stage.reads))
    }
    facts = (topic for topic in LOADED if topic not in known.shadowed)
    told_again |= {(LOADER, name): start for topic in facts for name, start in known.parts(topic)}
    carries = [carry_letters(name, told_again) for name, _ in base.parts(LETTERS)]
    if DMARC in known.shadowed:
        forgotten = partial(forgotten_documents, replay.log, shadow(OUTCOMES, known.number))
        carries += [carry_underived(name, forgotten) for name, _ in base.parts(DMARC)]
    if EVIDENCE in known.shadowed:
        lost = bool(_missing(replay.log, base, [EVENTS]))
        carries += [carry_entered(name, SuppressStage.name, lost) for name, _ in base.parts(EVIDENCE)]
    return [*carries, *again]


def _derived_anew(stage: Stage, known: Lineage, base: Lineage, part: int) -> Stage:
    """A stage that reads what another one derives anew reads that, and tells of nothing that is a fact here."""
    parts = base.parts(stage.reads)
    reads, _ = parts[min(part, len(parts) - 1)]
    if stage.reads in known.shadowed:
        reads = shadow(stage.reads, known.number)
    tells = {topic: topic for topic in known.shadowed}
    if EVENTS in tells:
        tells[EVENTS] = REREAD
    return Derived(stage, reads, tells)


def runs_again(stage: Stage, known: Lineage) -> bool:
    """Whether a stage runs for this rebuild; the others' state is handed over at the swap."""
    return stage.reads != DOCUMENTS or DMARC in known.shadowed


def origin_of(known: Lineage) -> str:
    """What a generation is made from."""
    return "documents" if DMARC in known.shadowed else "facts"


def _derived(wanted: Wanted) -> tuple[str, ...]:
    return FROM_DOCUMENTS if wanted.reparse else FROM_FACTS


def _carried(derived: Sequence[str]) -> tuple[str, ...]:
    return (LETTERS, DMARC, EVENTS) if DMARC in derived else (LETTERS,)


def _first(log: Log, known: Lineage, topic: str) -> int:
    """Where to begin with a topic: with what the base has of it, as far as that is kept."""
    return 0 if SHADOW in topic else _starts(log, _base(log, known), [topic])[topic]


def _base(log: Log, known: Lineage) -> Lineage:
    """The lineage it was begun from; once that is dropped nobody asks for more than its number."""
    return lineage(log, known.base) or Lineage(known.base)


def _starts(log: Log, base: Lineage, topics: Sequence[str]) -> dict[str, int]:
    kept = {topic: min(log.begin(source) for source in log.partitions(topic)) for topic in topics}
    return {topic: max(base.starts.get(topic, 0), kept[topic]) for topic in topics}


def _missing(log: Log, base: Lineage, topics: Sequence[str]) -> dict[str, int]:
    before = {topic: base.starts.get(topic, 0) for topic in topics}
    return {
        topic: start - before[topic]
        for topic, start in _starts(log, base, topics).items()
        if start > before[topic]
    }


def _refusal(missing: Mapping[str, int]) -> str:
    lost = ", ".join(f"{count:,} offsets of {topic}" for topic, count in missing.items())
    return (
        f"the log no longer has everything that the live generation was made from: {lost} were removed by "
        "retention. A rebuild would lose what came of them; to do so all the same, say --accept-loss"
    )
