"""Which generation is the live one, and where its derived data comes from.

A generation is one lineage of derived data: fold state and positions in the log, rows in the warehouse. The
first one comes from the plain topics alone. A later one was rebuilt: what the rebuild emitted is in shadow
topics, and it goes on with the plain topics from where they ended when it was swapped in.

The live generation is the one row that the warehouse names; the log keeps a copy, so that a warehouse that was
lost or restored from a backup is brought back to it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from processors.stage import Slice, Stage
from sinks.loading import LoadPlan, PositionRefused
from sinks.sink import Sink
from streams.log import Log, Transaction
from streams.running.runner import Generation
from streams.topics import plain, shadow

STATE = "lineages"
_CURRENT, _HIGHEST = b"current", b"highest"

LOADER = "warehouse"
"""The loader's name beside those of stages; its progress goes by it in the log, in the first generation."""

LOADED = (
    "documents",
    "documents.outcomes",
    "mail.events",
    "mail.classified",
    "suppressions.evidence",
    "suppressions",
    "dmarc.records",
    "reputation.buckets",
    "dead.letters",
)
"""The plain topics that the warehouse has tables for."""

FROM_FACTS = (
    "mail.classified",
    "suppressions.evidence",
    "suppressions",
    "reputation.buckets",
    "dead.letters",
)
"""What a rebuild from the facts derives anew."""

FROM_DOCUMENTS = (*FROM_FACTS, "documents.outcomes", "dmarc.records", "mail.events")
"""What a rebuild from the documents derives anew, mail events as far as documents gave them."""

REREAD = "mail.reread"
"""Where what documents tell of messages waits while a generation is rebuilt from them; always a shadow."""

Span = tuple[int, int]
"""From and to (not included) in event time, ms since the epoch."""


class Generations(Protocol):
    """What a lineage asks of the warehouse."""

    def current_generation(self) -> int:
        """The generation that the views show; 1 when none was ever swapped in."""

    def set_current_generation(self, number: int) -> None:
        """Let the views show this generation, by one row."""

    def sink(self, generation: int) -> Sink:
        """What loads into a generation."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """A generation and where it comes from."""

    number: int = 1
    base: int = 0
    """The generation that was live when it was begun; its facts are this one's. 0 for the first one."""
    shadowed: tuple[str, ...] = ()
    """Topics whose part before the swap is in this generation's shadows."""
    inherited: tuple[str, ...] = ()
    """Shadows of earlier generations that this one takes as facts, loaded before the plain topics."""
    starts: Mapping[str, int] = field(default_factory=dict)
    """Where each plain topic begins for this generation, where that is not 0."""
    span: Span | None = None
    """Only this much of event time was loaded, to be compared; such a generation never becomes the live one."""
    complete: bool = False
    """Whether the rebuild has reached the end of the log once."""
    handed_over: bool = False
    """Whether everything in the log is ready for it to be the live one."""

    @property
    def live(self) -> Generation:
        """How a runner works on it once it is the live one."""
        return Generation(self.number)

    @property
    def rebuilding(self) -> Generation:
        """How a runner works on it while it is rebuilt: what it emits goes to shadows."""
        return Generation(self.number, shadowing=True)

    @property
    def loader_group(self) -> str:
        """What the progress of its loader goes by in the log."""
        return self.live.group(LOADER)

    def shadows(self) -> list[str]:
        """The names of its shadow topics."""
        return [shadow(topic, self.number) for topic in self.shadowed]

    def waiting(self) -> list[str]:
        """Topics that its rebuild passes something through, and that nobody needs once it is live."""
        return [shadow(REREAD, self.number)] if "mail.events" in self.shadowed else []

    def parts(self, topic: str) -> list[tuple[str, int]]:
        """The topics that hold its records of a plain topic, in their order, each with where it begins there."""
        shadows = [name for name in (*self.inherited, *self.shadows()) if plain(name) == topic]
        return [*((name, 0) for name in shadows), (topic, self.starts.get(topic, 0))]

    def load_plan(self, stages: Sequence[Stage], batch_records: int) -> LoadPlan:
        """What the warehouse loads for it once it is the live one; `stages` are all there are."""
        return self._plan(LOADED, stages, batch_records)

    def rebuild_plan(self, stages: Sequence[Stage], batch_records: int) -> LoadPlan:
        """What the warehouse loads for it while it is rebuilt: plain topics only where they hold its facts."""
        facts = [topic for topic in LOADED if topic not in self.shadowed]
        return self._plan(facts, stages, batch_records)

    def _plan(self, topics: Sequence[str], stages: Sequence[Stage], batch_records: int) -> LoadPlan:
        return LoadPlan(
            topics=[*self.inherited, *self.shadows(), *topics],
            starts=self.starts,
            checked_by_stages=frozenset(stage.reads for stage in stages),
            group=self.loader_group,
            batch_records=batch_records,
        )


FIRST = Lineage(complete=True, handed_over=True)
"""The lineage that every log begins with."""


def lineages(log: Log) -> dict[int, Lineage]:
    """The generations that the log knows besides the first one, by number."""
    known = (_restored(value) for key, value in log.state(STATE) if key not in (_CURRENT, _HIGHEST))
    return {lineage.number: lineage for lineage in sorted(known, key=lambda lineage: lineage.number)}


def lineage(log: Log, number: int) -> Lineage | None:
    """The lineage of a generation; None when the log knows of none that has this number."""
    return FIRST if number == FIRST.number else lineages(log).get(number)


def highest(log: Log) -> int:
    """The highest number that a generation ever had in this log: numbers are not used again."""
    kept = dict(log.state(STATE)).get(_HIGHEST)
    return max(int(kept or 0), FIRST.number, *lineages(log))


def store(transaction: Transaction, known: Lineage) -> None:
    """Keep a lineage in the log."""
    transaction.put_state(STATE, {_key(known.number): json.dumps(asdict(known)).encode()})


def forget(transaction: Transaction, number: int, highest_ever: int) -> None:
    """Remove a lineage from the log; its number stays taken."""
    transaction.put_state(STATE, {_key(number): None, _HIGHEST: str(highest_ever).encode()})


def known_to_log(log: Log) -> int | None:
    """The generation that the log's copy says is live."""
    stored = dict(log.state(STATE)).get(_CURRENT)
    return None if stored is None else int(stored)


def copy_to_log(log: Log, number: int) -> None:
    """Let the log's copy say which generation is live."""
    with log.transaction() as transaction:
        transaction.put_state(STATE, {_CURRENT: str(number).encode()})


def live_lineage(log: Log, generations: Generations) -> Lineage:
    """The lineage to go on with, made to agree in log and warehouse. Call within `Log.hold`.

    The warehouse's row decides, unless it is missing or older than the log's copy: then the warehouse was
    emptied or restored from a backup, and is set to what the log knows. Raises PositionRefused when the two do
    not belong together.
    """
    named, copied = generations.current_generation(), known_to_log(log)
    number = max(named, copied or 0)
    live = lineage(log, number)
    if live is None or not live.handed_over:
        raise PositionRefused(
            f"the warehouse shows generation {number}, and this log knows nothing of it: the log was replaced, or "
            "restored from an older backup. Put the former log back, or rebuild the warehouse from this one: "
            "mailwake replay rebuild && mailwake replay swap"
        )
    if named != number:
        _refuse_another_log(log, generations.sink(named))
        plant(log, generations.sink(number), live)
        generations.set_current_generation(number)
    if copied != number:
        copy_to_log(log, number)
    return live


def base_lineage(log: Log, generations: Generations) -> Lineage:
    """The lineage whose facts a rebuild takes: the live one, or what the log knows where the two do not agree."""
    try:
        return live_lineage(log, generations)
    except PositionRefused:
        return lineage(log, known_to_log(log) or FIRST.number) or FIRST


def plant(log: Log, sink: Sink, known: Lineage) -> None:
    """Give a generation its first position where it has none, so that the warehouse knows of it before any row."""
    topic = next(iter(known.shadows()), LOADED[0])
    for source in log.partitions(topic):
        if sink.position(source) is None:
            begin = known.starts.get(topic, 0)
            empty = Slice(source.topic, source.partition, begin, begin, (), ())
            sink.load(empty, log.mark(source, begin))
    sink.close()


def _refuse_another_log(log: Log, sink: Sink) -> None:
    """The warehouse is about to be set to what this log says is live: not when it was loaded from another one."""
    for source in (source for topic in LOADED for source in log.partitions(topic)):
        mark = sink.position(source)
        if mark is not None and mark.log_id != log.id:
            raise PositionRefused(
                f"the warehouse was loaded from log {mark.log_id}, and this is log {log.id}. Put the former log "
                "back, or rebuild the warehouse from this one: mailwake replay rebuild && mailwake replay swap"
            )
    sink.close()


def _key(number: int) -> bytes:
    return str(number).encode()


def _restored(value: bytes) -> Lineage:
    fields = json.loads(value)
    span = fields["span"]
    return Lineage(
        **{
            **fields,
            "shadowed": tuple(fields["shadowed"]),
            "inherited": tuple(fields["inherited"]),
            "span": None if span is None else (span[0], span[1]),
        }
    )
