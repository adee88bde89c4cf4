"""What every replay command works with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from processors.stage import Stage
from sinks.sink import SinkBusy
from sinks.warehouse.warehouse import Warehouse
from streams.log import LogError, LogFull, LogUnavailable
from streams.sealed_letters import LetterSeal
from streams.sqlite.log import SqliteLog

BUSY = (LogFull, LogUnavailable, SinkBusy)
"""What passes: the disk is full, the keyring's server is away, the warehouse is busy."""


class ReplayRefused(LogError):
    """This can't be done with the generations there are; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is done at once, and how fast."""

    step_records: int = 50_000
    """The most records in one step of a stage or one load."""
    records_per_s: float | None = None
    """The most records that each stage, and the loader, takes in a second; None is as fast as it goes."""
    give_up_after_s: float = 20.0
    """How long a full disk, a keyring that is away or a busy warehouse is waited for."""


def _silent(name: str, records: int, left: int) -> None:
    """Progress that nobody watches."""


def _nowhere(boundary: str) -> None:
    """No test is waiting at any boundary."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The log, which must be held, the warehouse, and the stages as the live pipeline has them."""

    log: SqliteLog
    warehouse: Warehouse
    fresh_stages: Callable[[], Sequence[Stage]]
    """Every stage, without state."""
    pace: Pace = field(default_factory=Pace)
    progress: Callable[[str, int, int], None] = _silent
    """Told that a stage, or the loader, has dealt with so many more records, or so many `views` are compared, and how
    many are left."""
    at: Callable[[str], None] = _nowhere
    """Told of each boundary at which a crash must lose nothing; tests die there."""
    seal: LetterSeal | None = None
    """What dead letters are sealed with; they are kept in clear without."""
