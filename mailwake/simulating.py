"""When a simulation begins, unless it is told."""

import time
from datetime import UTC, datetime

DAY_MS = 86_400_000


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch; a moment without a zone is UTC."""
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def days_before_today(days: float) -> int:
    """The start of a span of so many days that ends with yesterday, UTC; ms since the epoch."""
    today = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS
    return today - round(days * DAY_MS)
