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

from processors.stage import Stage
from sinks.loading import LoadPlan
from streams.log import Log, Transaction
from streams.runner import Generation
from streams.topics import shadow

STATE = "lineages"
_CURRENT = b"current"

LOADED = (
    "documents",
    "documents.outcomes",
    "mail.events",
    "dmarc.records",
    "reputation.buckets",
    "dead.letters",
)
"""The plain topics that the warehouse has tables for."""

FROM_FACTS = ("reputation.buckets", "dead.letters")
"""What a rebuild from the facts derives anew."""

FROM_DOCUMENTS = (*FROM_FACTS, "documents.outcomes", "dmarc.records")
"""What a rebuild from the documents derives anew."""


class Generations(Protocol):
    """What a lineage asks of the warehouse."""

    def current_generation(self) -> int | None:
        """The live generation, or None when the warehouse names none."""

    def set_current_generation(self, number: int) -> None:
        """Make this generation the live one, in one insert."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """A generation and where it comes from."""

    number: int = 1
    shadowed: tuple[str, ...] = ()
    """Topics whose part before the swap is in this generation's shadows."""
    starts: Mapping[str, int] = field(default_factory=dict)
    """Where the plain topic takes over from a shadow, by topic."""

    @property
    def live(self) -> Generation:
        """How a runner works on it once it is the live one."""
        return Generation(self.number)

    @property
    def rebuilding(self) -> Generation:
        """How a runner works on it while it is rebuilt: what it emits goes to shadows."""
        return Generation(self.number, shadowing=True)

    def shadows(self) -> list[str]:
        """The names of its shadow topics."""
        return [shadow(topic, self.number) for topic in self.shadowed]

    def load_plan(
        self, stages: Sequence[Stage], batch_records: int, topics: Sequence[str] = LOADED
    ) -> LoadPlan:
        """What the warehouse loads for it."""
        return LoadPlan(
            topics=[*topics, *self.shadows()],
            starts=self.starts,
            checked_by_stages=frozenset(stage.reads for stage in stages),
            group="warehouse" if self.number == 1 else shadow("warehouse", self.number),
            batch_records=batch_records,
        )


def lineage(log: Log, number: int) -> Lineage:
    """The lineage of a generation as the log knows it."""
    stored = dict(log.state(STATE)).get(str(number).encode())
    if stored is None:
        return Lineage(number)
    fields = json.loads(stored)
    return Lineage(fields["number"], tuple(fields["shadowed"]), fields["starts"])


def store(transaction: Transaction, known: Lineage) -> None:
    """Keep a lineage in the log."""
    transaction.put_state(STATE, {str(known.number).encode(): json.dumps(asdict(known)).encode()})


def known_to_log(log: Log) -> int | None:
    """The generation that the log's copy says is live."""
    stored = dict(log.state(STATE)).get(_CURRENT)
    return None if stored is None else int(stored)


def live_lineage(log: Log, generations: Generations) -> Lineage:
    """The lineage to go on with, made to agree in log and warehouse. Call within `Log.hold`.

    The warehouse's row decides, unless it is missing or older than the log's copy: then the warehouse was
    emptied or restored from a backup, and is set to what the log knows.
    """
    named, copied = generations.current_generation(), known_to_log(log)
    number = max(named or 0, copied or 0) or 1
    if named != number:
        generations.set_current_generation(number)
    if copied != number:
        with log.transaction() as transaction:
            transaction.put_state(STATE, {_CURRENT: str(number).encode()})
    return lineage(log, number)
