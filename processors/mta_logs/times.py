"""Times of log lines to milliseconds: ISO 8601 (RFC 5424), and syslog's own, which names neither year nor zone.

Source: RFC 3164, 4.1.2, and RFC 5424, 6.2.3.
"""

from datetime import UTC, datetime, tzinfo

from schemas.record import SECONDS_FROM, SECONDS_TO

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_HALF_YEAR_MS = 182 * 86_400_000
_AHEAD_MS = 2 * 86_400_000
"""How far ahead of now a time may be: clocks and zones differ."""
_MOST_CACHED = 10_000


class BadTime(ValueError):
    """A time that is none."""


def of_a_log(milliseconds: int) -> int:
    """The same moment, if a log could tell of it: in the years 2000 to 2099. Raises BadTime."""
    if not SECONDS_FROM * 1000 <= milliseconds < SECONDS_TO * 1000:
        raise BadTime(f"no time of a log: {milliseconds} ms since the epoch")
    return milliseconds


class LogTimes:
    """Reads times, and remembers what their beginnings meant."""

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone
        self._iso: dict[str, int] = {}
        self._hours: dict[tuple[str, int], int] = {}

    def read(self, stamp: str, last: int, now: int) -> int:
        """Milliseconds since the epoch. `last` is the line before's time (0: none): it tells the year. Raises BadTime."""
        found = self._iso.get(stamp)
        if found is not None:
            return found
        return self.iso(stamp) if stamp[:1].isdigit() else self.syslog(stamp, last, now)

    def iso(self, stamp: str) -> int:
        """Of an ISO 8601 time; one without a zone is in the log's."""
        found = self._iso.get(stamp)
        if found is not None:
            return found
        try:
            moment = datetime.fromisoformat(stamp)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=self._zone)
            found = int(moment.timestamp() * 1000 + 0.5)
        except (ValueError, OverflowError):
            raise BadTime(f"no time: {stamp[:40]!r}") from None
        found = of_a_log(found)
        if len(self._iso) >= _MOST_CACHED:
            self._iso.clear()
        self._iso[stamp] = found
        return found

    def syslog(self, stamp: str, last: int, now: int) -> int:
        """Of `Nov 30 06:51:01`: the year is the one nearest to the line before, or the latest that is not to come.

        In the hour that a zone's clocks go through twice, the first pass is meant.
        """
        try:
            within = int(stamp[10:12]) * 60_000 + int(stamp[13:15]) * 1000
            if len(stamp) > 15:
                within += int(float("0" + stamp[15:]) * 1000)
            near = last or now
            year = datetime.fromtimestamp(near / 1000, self._zone).year
            at = self._hour(stamp[:9], year) + within
            if last:
                if at < last - _HALF_YEAR_MS:
                    at = self._hour(stamp[:9], year + 1) + within
                elif at > last + _HALF_YEAR_MS:
                    at = self._hour(stamp[:9], year - 1) + within
            elif at > now + _AHEAD_MS:
                at = self._hour(stamp[:9], year - 1) + within
            elif self._hour(stamp[:9], year + 1, at) + within <= now + _AHEAD_MS:
                at = self._hour(stamp[:9], year + 1) + within
        except (ValueError, KeyError, OverflowError, IndexError):
            raise BadTime(f"no time: {stamp[:40]!r}") from None
        return of_a_log(at)

    def _hour(self, beginning: str, year: int, otherwise: int | None = None) -> int:
        """When the hour of `Nov 30 06` began. 29 February of another year is `otherwise`, if that is given."""
        found = self._hours.get((beginning, year))
        if found is None:
            try:
                moment = datetime(
                    year, _MONTHS[beginning[:3]], int(beginning[4:6]), int(beginning[7:9]), tzinfo=self._zone
                )
            except ValueError:
                if otherwise is None and beginning.startswith("Feb 29") and year > 4:
                    return self._hour(beginning, year - 1)
                if otherwise is not None:
                    return 10**15
                raise
            if len(self._hours) >= _MOST_CACHED:
                self._hours.clear()
            found = self._hours[(beginning, year)] = int(moment.timestamp() * 1000)
        return found
