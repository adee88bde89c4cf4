"""The widths of buckets, how long each stays open, and how its state is cut into chunks."""

from dataclasses import dataclass

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Grain:
    """One width of bucket. A bucket is numbered by its start divided by the width."""

    name: str
    """As in the records: minute, hour, day."""
    width: int
    """Milliseconds."""
    horizon: int
    """How far behind the watermark a bucket's end may lie before the bucket is closed, ms."""
    period: int = 1
    """How many consecutive buckets share a chunk of state."""
    identities: int = 16_384
    """How many consecutive identity numbers share one: what bounds a chunk's size."""

    def first_open(self, watermark: int) -> int:
        """The number of the first bucket that is still open at this watermark."""
        return (watermark - self.horizon) // self.width


GRAIN_DEFAULTS = (
    Grain("minute", MINUTE_MS, 3 * HOUR_MS, period=60, identities=1_024),
    Grain("hour", HOUR_MS, 3 * DAY_MS),
    Grain("day", DAY_MS, 40 * DAY_MS),
)
"""Minutes for 3 hours, hours for 3 days, days for 40."""
