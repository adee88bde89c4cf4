"""Rows of events to keys and values of the log's records."""

from collections.abc import Sequence
from dataclasses import dataclass

from processors.mta_logs.taking import Row, Told
from schemas.codec import encode_rows
from schemas.mail import MailEvent, Stream


@dataclass(frozen=True, slots=True)
class Labels:
    """What all events of a tail have in common."""

    tenant: str
    source: str
    channel: str = "log"
    stream: Stream = "other"
    ip: str | None = None
    """The sending address, where the log names none."""
    pool: str | None = None
    """The pool, where the log names none."""


def framed(events: Sequence[Told], labels: Labels, now: int) -> tuple[list[bytes], list[bytes]]:
    """The keys and the values of the records of topic `mail.events`, in the order given, recorded at `now` (ms).

    Rows get the labels' address and pool where they name none.
    """
    by_type: dict[type[MailEvent], list[Row]] = {}
    for record, row in events:
        rows = by_type.get(record)
        if rows is None:
            rows = by_type[record] = []
        rows.append(row)
    for name, value in (("ip", labels.ip), ("pool", labels.pool)):
        if value is not None:
            for _, row in events:
                if row.get(name) is None:
                    row[name] = value
    shared = {
        "tenant": labels.tenant,
        "recorded_at": now,
        "source": labels.source,
        "channel": labels.channel,
        "stream": labels.stream,
    }
    values = {record: iter(encode_rows(record, rows, shared)) for record, rows in by_type.items()}
    by_name = _Keys(labels.tenant)
    keys = [
        by_name[row["from_domain"] or row["message_id"] or row["provider_message_id"] or row["event_id"]]
        for _, row in events
    ]
    return keys, [next(values[record]) for record, _ in events]


class _Keys(dict[str, bytes]):
    """The records' keys by what follows the tenant's name."""

    def __init__(self, tenant: str) -> None:
        super().__init__()
        self._tenant = tenant

    def __missing__(self, name: str) -> bytes:
        self[name] = key = f"{self._tenant}/{name}".encode()
        return key
