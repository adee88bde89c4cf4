"""How a flow's mail is spread over the week."""

from collections.abc import Callable, Sequence
from math import cos, pi

Rhythm = tuple[float, ...]
"""A weight for each hour of the week from Monday 00:00 UTC; the mean is 1."""

HOURS_OF_WEEK = 168


HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_FROM_MONDAY = 3 * 24
"""1970-01-01 was a Thursday."""


def hour_of_week(hour: int) -> int:
    """The index into a rhythm of an hour since the epoch."""
    return (hour + _FROM_MONDAY) % HOURS_OF_WEEK


def hours_of(rhythm: Rhythm, begin_ms: int, end_ms: int) -> float:
    """How many average hours' mail a span holds."""
    hours = range(begin_ms // HOUR_MS, -(-end_ms // HOUR_MS))
    return sum(rhythm[hour_of_week(hour)] for hour in hours)


def transactions(utc_offset_hours: int) -> Rhythm:
    """People's own doings: least at four in the morning, most in the evening, a little less at weekends."""
    return _week(
        utc_offset_hours,
        lambda day, hour: (0.25 + 0.5 * (1 - cos((hour - 4) * pi / 12))) * (0.8 if day > 4 else 1.0),
    )


def campaigns(utc_offset_hours: int, days: Sequence[int], hour: int) -> Rhythm:
    """Newsletters: on some days of the week (0 is Monday), most in one hour, the rest in the next two."""
    share = {hour: 0.7, hour + 1: 0.2, hour + 2: 0.1}
    return _week(utc_offset_hours, lambda day, at: share.get(at, 0.0) if day in days else 0.0)


def office_hours(utc_offset_hours: int) -> Rhythm:
    """Sales people's sequences: weekdays, nine to five."""
    return _week(utc_offset_hours, lambda day, hour: 1.0 if day < 5 and 9 <= hour < 17 else 0.0)


def nights(utc_offset_hours: int) -> Rhythm:
    """What nobody should notice: most between eleven at night and five in the morning."""
    return _week(utc_offset_hours, lambda day, hour: 1.0 if hour >= 23 or hour < 5 else 0.3)


def steady() -> Rhythm:
    """The same at all hours."""
    return (1.0,) * HOURS_OF_WEEK


def _week(utc_offset_hours: int, weight: Callable[[int, int], float]) -> Rhythm:
    local = [weight(hour // 24, hour % 24) for hour in range(HOURS_OF_WEEK)]
    mean = sum(local) / HOURS_OF_WEEK
    return tuple(local[(hour + utc_offset_hours) % HOURS_OF_WEEK] / mean for hour in range(HOURS_OF_WEEK))
