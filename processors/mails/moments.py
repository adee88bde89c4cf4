"""When it happened, by what mails write as dates."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

EARLIEST_MS = 631_152_000_000
"""1990-01-01: no mail that is read here is older."""
AHEAD_MS = 24 * 60 * 60_000
"""How far after its coming a mail may claim to tell of."""


def moment_of(value: str, received_at: int) -> int | None:
    """Milliseconds since the epoch; None for what is no date, or an absurd one.

    `received_at` is when the mail came, ms; not above 0 where nobody knows.
    """
    try:
        moment = parsedate_to_datetime(value.strip()[:100])
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        at = int(moment.timestamp() * 1000)
    except (ValueError, TypeError, OverflowError, IndexError):
        at = _iso(value)
    latest = received_at + AHEAD_MS if received_at > 0 else 4_102_444_800_000
    return at if EARLIEST_MS <= at <= latest else None


def _iso(value: str) -> int:
    try:
        moment = datetime.fromisoformat(value.strip()[:40])
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
