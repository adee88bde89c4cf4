"""What a format's reader makes of lines: the contract of every format.

Rows are plain mappings of an event's fields, already such as the models want them: at a hundred thousand lines a second
there is no time for a model of each. Tests hold every row to its model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Literal, Protocol

from schemas.mail import MailEvent

Row = dict[str, Any]
"""An event's fields, without tenant, source, channel and time of record, which are the tail's."""

Told = tuple[type[MailEvent], Row]
"""One event."""

Outcome = Literal["told", "joined", "noted", "skipped", "damaged"]
"""What became of a line: it gave events; it was kept for those to come; it says nothing that an event could; it is of
something else than mail on its way out; it was meant to be understood, and can't be."""

LONGEST_LINE = 64 * 1024
"""Bytes; a longer line is damaged."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the log does not say, and how much is kept of what is open."""

    tenant: str = "default"
    from_domain: str | None = None
    """The domain of the From header where the log names none."""
    from_envelope: bool = False
    """Whether it is the envelope-from's domain then."""
    zone: tzinfo = UTC
    """The time zone of times that name none."""
    with_local: bool = False
    """Whether deliveries on the spot (mailboxes, pipes) and to filters on this machine are told as well."""
    most_open: int = 200_000
    """So many messages are kept open; beyond that the oldest are given up."""
    longest_open_ms: int = 6 * 86_400_000
    """For so long after its last line a message is kept open."""

    def from_domain_of(self, mail_from: str | None) -> str | None:
        """The From domain of a message that names none, by the domain of its envelope-from.

        One without envelope-from is a notification of the server's own: the default is not for it.
        """
        if mail_from is None:
            return None
        return mail_from if self.from_envelope else self.from_domain


@dataclass(slots=True)
class FileContext:
    """What lines of one file need of those before them."""

    header: str | None = None
    """The file's first line, where the format has one that names its columns."""
    line_time: int = 0
    """The time that the last line told, ms; 0 at a file's beginning."""


@dataclass(slots=True)
class Taken:
    """What lines gave."""

    events: list[Told] = field(default_factory=list)
    """In the order of their lines."""
    counts: dict[str, int] = field(default_factory=dict)
    """How many lines had which outcome."""
    damaged: list[tuple[int, str]] = field(default_factory=list)
    """Which lines, by index, are damaged, and why."""
    given_up: int = 0
    """How many open messages were given up for want of room."""
    warnings: list[str] = field(default_factory=list)
    """What an operator should know, each once."""


class LogReader(Protocol):
    """Reads one format. Not safe for use by two threads at once."""

    def take(self, text: str, file: FileContext, now: int) -> Taken:
        """What whole lines of a file give, each ended by a newline; `now` (ms) helps where a time names no year."""

    def changes(self) -> Mapping[str, bytes | None]:
        """The chunks of open messages that changed since the last call; None for one that is empty now."""

    def restore(self, chunks: Mapping[str, bytes]) -> None:
        """Go on from these chunks."""

    def forget_recipients(self) -> None:
        """Drop every hash of a recipient: the tenant has another key, and who waits for an open message is not known any more."""
