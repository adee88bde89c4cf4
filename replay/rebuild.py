"""Fills the next generation from the log: begun once, then advanced until it has reached the log's end.

Everything that says how far it is lies in the log and in the warehouse, so a rebuild that was interrupted, in
whatever way, goes on when it is asked for again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from processors.stage import Stage
from processors.suppressions.stage import SuppressStage
from replay.carried import Carry, carry_entered, carry_letters, carry_underived, forgotten_documents
from replay.derived import Derived
from replay.lane import Lane, open_lane, step_of
from replay.lineage import (
    FROM_DOCUMENTS,
    FROM_FACTS,
    LOADED,
    LOADER,
    Lineage,
    Span,
    base_lineage,
    highest,
    lineage,
    lineages,
    plant,
    store,
)
from replay.view import Ends, ends_now
from replay.work import Replay, ReplayRefused
from sinks.loading import LoadPlan, PositionRefused
from streams.log import Log, Topic
from streams.sqlite_log import SqliteLog
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
    return Rebuilt(known, taken)


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
    SqliteLog.open(log.path, [Topic(name) for name in known.shadows()], create=False).close()
    with log.transaction() as transaction:
        store(transaction, known)
        for stage in stages_of(replay, known):
            for source in log.partitions(stage.reads):
                transaction.commit(generation.group(stage.name), source, _first(log, known, stage))
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
    stages = stages_of(replay, known)
    last = [stage for stage in stages if isinstance(stage, Carry) and plain(stage.reads) == DMARC]
    # Which DMARC records are taken over is known when all documents were read.
    for some in ([stage for stage in stages if stage not in last], last):
        if some:
            lane_of(replace(replay, progress=count), known, some, ends).drain()
    replay.at("advanced")
    return taken


def _read_by_base(log: Log, known: Lineage, ends: Ends) -> Ends:
    """How far documents go for a rebuild from them: what the base has not read is left to the live pipeline.

    That tells their mail events too, which a rebuild does not.
    """
    read = log.committed(_base(log, known).live.group(DOCUMENTS))
    return {
        source: min(ends.get(source, log.end(source)), read.get(source, 0))
        for source in log.partitions(DOCUMENTS)
    }


def lane_of(replay: Replay, known: Lineage, stages: Sequence[Stage], ends: Ends) -> Lane:
    """Some stages and the loader of a generation that is rebuilt. Raises ReplayRefused when it can't go on."""
    plan = rebuild_plan(replay, known)
    plant(replay.log, replay.warehouse.sink(known.number), known)
    try:
        return open_lane(replay, known, known.rebuilding, stages, plan, ends)
    except PositionRefused as error:
        raise ReplayRefused(
            f"generation {known.number} can't go on: {error}. Begin it anew: "
            f"mailwake replay generations drop {known.number} && mailwake replay rebuild"
        ) from None


def rebuild_plan(replay: Replay, known: Lineage) -> LoadPlan:
    """What the loader reads while a generation is rebuilt."""
    batch = step_of(replay.pace.step_records, replay.pace.records_per_s)
    return known.rebuild_plan(replay.fresh_stages(), batch)


def stages_of(replay: Replay, known: Lineage) -> Sequence[Stage]:
    """The stages that run for a rebuild, without state: those that carry over, and those that derive anew, in order."""
    again = [_derived_anew(stage, known) for stage in replay.fresh_stages() if runs_again(stage, known)]
    base = _base(replay.log, known)
    told_again = {(stage.name, stage.reads): _first(replay.log, known, stage) for stage in again}
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


def _derived_anew(stage: Stage, known: Lineage) -> Stage:
    """A stage that reads what another one derives anew reads that, and tells of nothing that is a fact here."""
    reads = shadow(stage.reads, known.number) if stage.reads in known.shadowed else stage.reads
    return Derived(stage, reads, frozenset(known.shadowed))


def runs_again(stage: Stage, known: Lineage) -> bool:
    """Whether a stage runs for this rebuild; the others' state is handed over at the swap."""
    return stage.reads != DOCUMENTS or DMARC in known.shadowed


def origin_of(known: Lineage) -> str:
    """What a generation is made from."""
    return "documents" if DMARC in known.shadowed else "facts"


def _derived(wanted: Wanted) -> tuple[str, ...]:
    return FROM_DOCUMENTS if wanted.reparse else FROM_FACTS


def _carried(derived: Sequence[str]) -> tuple[str, ...]:
    return (LETTERS, DMARC) if DMARC in derived else (LETTERS,)


def _first(log: Log, known: Lineage, stage: Stage) -> int:
    """Where a stage begins: with what the base has of its topic, as far as that is kept."""
    if SHADOW in stage.reads:
        return 0
    return _starts(log, _base(log, known), [stage.reads])[stage.reads]


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
