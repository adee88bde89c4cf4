"""What somebody enters about suppressions, as evidence in the log: added by hand, imported, lifted.

It is told like any other evidence, and what follows is decided where all of it is. It survives every rebuild.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from schemas.codec import encode_rows
from schemas.mail import without_addresses
from schemas.record import now_ms
from schemas.suppression import SuppressionEvidence
from streams.log import Log, Record

TOPIC = "suppressions.evidence"
BATCH = 10_000
"""Entries that are appended together."""

SOURCE = "operator"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is entered about one recipient."""

    kind: str
    """manual, import or lift."""
    recipient_hash: str
    at: int
    """Since when it holds, ms."""
    stream: str = "all"
    reasons: tuple[str, ...] = ()
    """Of a lift: what it lifts. Of an import: the reason that its list gives."""
    by: str | None = None
    note: str | None = None
    recipient_domain: str | None = None
    bounce_class: str | None = None
    leaf: str | None = None

    def key(self) -> str:
        """The fact's own key: the same entry again is the same fact."""
        return "/".join((self.kind, self.recipient_hash, self.stream, "+".join(self.reasons), str(self.at)))


def enter(log: Log, tenant: str, entries: Iterable[Entry], channel: str) -> Iterator[int]:
    """Append entries, some thousand at a time; gives how many, each time some are durable. Raises LogError."""
    source = iter(entries)
    while some := list(islice(source, BATCH)):
        now = now_ms()
        rows = [_row(tenant, entry, now, channel) for entry in some]
        keys = (f"{tenant}/{entry.recipient_hash}".encode() for entry in some)
        values = encode_rows(SuppressionEvidence, rows)
        log.append(TOPIC, [Record(key, value, now) for key, value in zip(keys, values, strict=True)])
        yield len(some)


def safe_note(text: str | None) -> str | None:
    """Somebody's words as they are kept: without addresses, and no longer than an event takes."""
    return without_addresses(text)[:1024] or None if text else None


def safe_name(text: str | None) -> str | None:
    """Who enters something, as it is kept: no address."""
    return without_addresses(text)[:256] or None if text else None


def _row(tenant: str, entry: Entry, now_ms: int, channel: str) -> dict[str, Any]:
    key = entry.key()
    return {
        "event_id": SuppressionEvidence.id_of(tenant, key),
        "tenant": tenant,
        "occurred_at": entry.at,
        "recorded_at": now_ms,
        "source": SOURCE,
        "channel": channel,
        "source_event_id": key,
        "kind": entry.kind,
        "recipient_hash": entry.recipient_hash,
        "recipient_domain": entry.recipient_domain,
        "stream": entry.stream,
        "bounce_class": entry.bounce_class,
        "leaf": entry.leaf,
        "by": entry.by,
        "note": entry.note,
        "reasons": list(entry.reasons),
    }
