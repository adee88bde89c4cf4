"""Reading log lines in a test: every row is held to its event's model."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from processors.mta_logs.formats import reader_of
from processors.mta_logs.taking import FileContext, LogReader, LogSettings, Taken
from schemas.mail import MailEvent, without_addresses
from schemas.recipient import InvalidAddress, recipient_hash

KEY = b"k" * 32
NOW = 1_796_000_000_000
"""2026-11-30T00:53:20Z, about."""


def hashed(address: str) -> str | None:
    try:
        return recipient_hash(KEY, address)
    except InvalidAddress:
        return None


@dataclass(slots=True)
class Reading:
    """A reader, and all that it told so far."""

    name: str
    settings: LogSettings = field(default_factory=lambda: LogSettings(from_domain="news.example"))
    file: FileContext = field(default_factory=FileContext)
    events: list[MailEvent] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reader: LogReader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = reader_of(self.name, self.settings, hashed)

    def take(self, lines: str | Iterable[str], now: int = NOW) -> "Reading":
        text = lines if isinstance(lines, str) else "\n".join(lines)
        taken = self.reader.take(text.removesuffix("\n") + "\n", self.file, now)
        assert sum(taken.counts.values()) == text.removesuffix("\n").count("\n") + 1, (
            "each line has one outcome"
        )
        self.events += modelled(taken, self.settings.tenant, self.name)
        for outcome, count in taken.counts.items():
            self.counts[outcome] = self.counts.get(outcome, 0) + count
        self.damaged += [reason for _, reason in taken.damaged]
        self.warnings += taken.warnings
        return self

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    def restarted(self) -> "Reading":
        """Another process that goes on with what this one's reader keeps."""
        following = Reading(self.name, self.settings, self.file)
        following.reader.restore({k: v for k, v in self.reader.changes().items() if v is not None})
        return following


def modelled(taken: Taken, tenant: str, source: str) -> list[MailEvent]:
    """The rows as events; a row that its model refuses fails the test."""
    return [event_of(record, row, tenant, source) for record, row in taken.events]


def event_of(record: type[MailEvent], row: dict[str, Any], tenant: str, source: str) -> MailEvent:
    event = record(**row, tenant=tenant, source=source, channel="log", recorded_at=NOW)
    assert row["event_id"] == record.id_of(tenant, row["source_event_id"])
    for name, value in row.items():
        assert getattr(event, name) == value, f"{name} is not as the model wants it"
        if isinstance(value, str) and name != "message_id":
            assert without_addresses(value) == value, f"{name} holds an address"
    return event
