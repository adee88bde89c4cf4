"""The contract of a processor: what a runtime, embedded or on Kafka, drives.

A stage takes consecutive records of one partition, folds them into memory and collects what comes of them;
a flush hands over everything since the last one, so that the runtime can make outputs, state and position
durable together. After a crash a fresh stage is restored from the state chunks of the last flush and goes on
at the position of that very flush. A stage has no clock, no network and no randomness: the same input gives
the same bytes. `tests/processors/stage_conformance.py` holds what every stage must pass.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from schemas.codec import encode
from schemas.record import Event


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive records of one partition, framed; `offsets[i]` is where `values[i]` was read, None a tombstone."""

    topic: str
    partition: int
    first: int
    next: int
    offsets: Sequence[int]
    values: Sequence[bytes | None]

    def __len__(self) -> int:
        return len(self.values)


class Emission(NamedTuple):
    """A record to append: where, under which key, framed, and its time of record in ms."""

    topic: str
    key: bytes
    value: bytes
    recorded_at: int


@dataclass(frozen=True, slots=True)
class Flush:
    """Everything a stage has to make durable since its last flush."""

    emissions: Sequence[Emission] = ()
    chunks: Mapping[bytes, bytes | None] = field(default_factory=dict)
    """State chunks that changed, by key; None removes one."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a stage has done since it was made, for metrics and `mailwake status`."""

    taken: int = 0
    repeats: int = 0
    late: int = 0
    dead: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """Of documents: how many became what."""


class Stage(Protocol):
    """A pure processor with its state in memory."""

    @property
    def name(self) -> str:
        """Names its state and its position: changing it starts it over."""

    @property
    def reads(self) -> str:
        """The topic it takes."""

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin from the chunks that earlier flushes left. Called once, before anything is taken."""

    def take(self, records: Slice) -> None:
        """Fold consecutive records in. Records that can't be understood become dead letters, never an error."""

    def flush(self) -> Flush:
        """Hand over what came of everything taken since the last flush."""

    def tally(self) -> Tally:
        """Counts since the stage was made."""


def emission(topic: str, key: str, event: Event) -> Emission:
    """One event as it goes to a topic."""
    return Emission(topic, key.encode(), encode(event), event.recorded_at)
