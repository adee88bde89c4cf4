"""Each fact once: drops records whose event id the partition has seen lately.

Sixty-four bits of each id are remembered for a window of hours after it was admitted, by hour of arrival. In
memory they lie in sorted runs that are merged as they grow (a log-structured merge), so that a batch is looked
up in a few of them and nothing is sorted twice without need. As state they are appended segments: a flush adds
what is new, small segments of an hour are merged when it closes, and those of an expired hour are removed.

Whether a record is a repeat depends on the records before it alone, never on batches, flushes or restarts.
An id is known within its tenant, as in the warehouse.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import polars as pl

from processors.reputation.chunks import read_chunk, write_chunk

PREFIX = b"admission/"
"""What the keys of its chunks begin with."""

_HOUR_MS = 3_600_000
_UNKNOWN = -(2**31)
_FULL = 65_536
_MANY = 32
_LARGEST = 2**21
"""Runs are merged up to so many ids: a larger merge would take more memory than it saves time."""


_DIGITS = ((0, 8), (9, 4), (14, 4), (19, 4), (24, 4), (28, 8))
"""Where the hex digits of a canonical UUID lie, 16 or 32 bits each: first, and how many."""


def id_bits(event_ids: pl.Series, tenants: pl.Series) -> pl.Series:
    """64 bits (UInt64) of each canonical UUID of a tenant: its halves and a hash of the tenant, exclusive or.

    So bits that are random in any version of UUID (RFC 9562) are spread over all of them, and the same id of two
    tenants is two.
    """
    first, second, third, fourth, fifth, last = (
        pl.col("id").str.slice(at, digits).str.to_integer(base=16, dtype=pl.UInt64) for at, digits in _DIGITS
    )
    high = first ^ (fourth * 2**16 + fifth)
    low = (second * 2**16 + third) ^ last
    known = tenants.unique().to_list()
    salts = pl.Series([_salt(tenant) for tenant in known], dtype=pl.UInt64)
    salt = salts[0] if len(known) == 1 else tenants.replace_strict(known, salts, return_dtype=pl.UInt64)
    return event_ids.alias("id").to_frame().select((high * 2**32 + low) ^ salt).to_series()


def _salt(tenant: str) -> int:
    return int.from_bytes(blake2b(tenant.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True, slots=True)
class _Run:
    """Remembered ids, sorted, each with its hour of arrival as hours since `base`."""

    ids: pl.Series
    hours: pl.Series
    base: int
    last: int

    def remembers(self, ids: pl.Series, since: pl.Series) -> pl.Series:
        """Which of these sorted ids it holds with an hour of at least `since`."""
        at = self.ids.search_sorted(ids).clip(upper_bound=len(self.ids) - 1)
        held = self.ids.gather(at) == ids
        if not held.any():
            return held
        return held & (self.hours.gather(at).cast(pl.Int64) + self.base >= since)


def _run(ids: pl.Series, hours: pl.Series) -> _Run:
    base, last = int(hours.min()), int(hours.max())  # type: ignore[arg-type]
    narrow = pl.UInt8 if last - base <= 0xFF else pl.UInt16 if last - base <= 0xFFFF else pl.Int64
    return _Run(ids.rechunk(), (hours - base).cast(narrow).rechunk(), base, last)


def _sorted_run(parts: Iterable[pl.DataFrame]) -> _Run:
    whole = pl.concat(parts).sort("id")
    return _run(whole.get_column("id"), whole.get_column("hour"))


def _worth_merging(runs: Sequence[_Run]) -> bool:
    if len(runs) < 2:
        return False
    before, last = (len(run.ids) for run in runs)
    return before <= 2 * last and before + last <= _LARGEST


@dataclass(slots=True)
class _Hour:
    """The ids that arrived in one hour, as they are kept in chunks."""

    next: int = 0
    durable: dict[int, pl.Series | None] = field(default_factory=dict)
    """Segments by number; the ids of small ones are held until the hour has closed, to be merged."""
    fresh: list[pl.Series] = field(default_factory=list)
    """Not yet flushed."""


class Admission:
    """What a partition remembers of the ids it has admitted: about 9 bytes each."""

    def __init__(self, window_hours: int = 48) -> None:
        """Remember ids for this many hours after that of their arrival."""
        self._window = window_hours
        self._runs: list[_Run] = []
        self._hours: dict[int, _Hour] = {}
        self._now = _UNKNOWN

    def __len__(self) -> int:
        """How many ids are held in memory."""
        return sum(len(run.ids) for run in self._runs)

    def admit(self, ids: pl.Series, arrivals: pl.Series) -> pl.Series:
        """Which of these ids (UInt64, in order of arrival) are new; those are remembered.

        `arrivals` is the partition's clock at each, ms, never falling; null before the clock runs.
        """
        hours = self._hours_of(arrivals)
        admitted: list[pl.Series] = []
        start = 0
        while start < len(ids):
            end = int(hours.search_sorted(hours[start] + self._window, side="right"))
            admitted.append(self._admit(ids.slice(start, end - start), hours.slice(start, end - start)))
            start = end
        return pl.concat(admitted) if admitted else pl.Series(dtype=pl.Boolean)

    def flush(self) -> dict[bytes, bytes | None]:
        """The segments that changed since the last flush; None for those that are gone."""
        chunks: dict[bytes, bytes | None] = {}
        for hour in sorted(self._hours):
            held = self._hours[hour]
            if self._expired(hour):
                chunks |= dict.fromkeys((_key(hour, number) for number in held.durable), None)
                del self._hours[hour]
            else:
                chunks |= self._flush_hour(hour, held)
        return chunks

    def restore(self, chunks: Iterable[tuple[bytes, bytes]], arrival: int | None) -> None:
        """Remember what is in these segments; `arrival` is the partition's clock at that flush."""
        self._now = _UNKNOWN if arrival is None else arrival // _HOUR_MS
        parts: list[pl.DataFrame] = []
        for key, chunk in sorted(chunks):
            hour, number = (int(part) for part in key.removeprefix(PREFIX).split(b"/"))
            frame = read_chunk(chunk)
            ids = frame.get_column("id")
            held = self._hours.setdefault(hour, _Hour())
            held.next = max(held.next, number + 1)
            held.durable[number] = ids if hour == self._now and _is_small(ids) else None
            if not self._expired(hour):
                parts.append(frame.with_columns(hour=pl.lit(hour, pl.Int64)))
            if sum(part.height for part in parts) > _LARGEST - _FULL:
                self._runs.append(_sorted_run(parts))
                parts = []
        if parts:
            self._runs.append(_sorted_run(parts))

    def _hours_of(self, arrivals: pl.Series) -> pl.Series:
        hours = arrivals // _HOUR_MS
        known = hours.drop_nulls()
        if not len(known):
            return hours.fill_null(self._now)
        if self._now == _UNKNOWN:
            self._begin(int(known[0]))
        self._now = int(known[-1])
        return hours.fill_null(strategy="backward")

    def _begin(self, hour: int) -> None:
        """The clock runs: what came before arrived in its first hour."""
        self._runs = [
            _run(run.ids, pl.repeat(hour, len(run.ids), dtype=pl.Int64, eager=True)) for run in self._runs
        ]
        early = self._hours.pop(_UNKNOWN, None)
        if early is not None:
            self._hours[hour] = _Hour(
                fresh=[*(ids for ids in early.durable.values() if ids is not None), *early.fresh]
            )
            self._hours[_UNKNOWN] = _Hour(durable=dict.fromkeys(early.durable))

    def _admit(self, ids: pl.Series, hours: pl.Series) -> pl.Series:
        """Admit ids that arrived within one window of each other."""
        batch = pl.DataFrame({"id": ids, "hour": hours}).with_row_index("at").sort("id", maintain_order=True)
        since = batch.get_column("hour") - self._window
        seen = pl.repeat(False, batch.height, dtype=pl.Boolean, eager=True)
        for run in self._runs:
            seen |= run.remembers(batch.get_column("id"), since)
        new = batch.filter(~seen) if seen.any() else batch
        new = new.filter(pl.col("id").ne_missing(pl.col("id").shift(1)))
        if new.height:
            self._remember(new)
        if new.height == batch.height:
            return pl.repeat(True, batch.height, dtype=pl.Boolean, eager=True)
        return batch.select(pl.col("at").sort().is_in(new.get_column("at").implode())).to_series()

    def _remember(self, new: pl.DataFrame) -> None:
        for (hour,), arrived in new.select("id", "hour").partition_by("hour", as_dict=True).items():
            self._hours.setdefault(int(hour), _Hour()).fresh.append(arrived.get_column("id"))
        latest = int(new.get_column("hour").max())  # type: ignore[arg-type]
        self._runs = [run for run in self._runs if run.last >= latest - self._window]
        self._runs.append(_run(new.get_column("id"), new.get_column("hour")))
        while _worth_merging(self._runs[-2:]):
            self._runs[-2:] = [self._merged(self._runs[-2:], latest)]

    def _merged(self, runs: Sequence[_Run], latest: int) -> _Run:
        since = pl.col("hour") >= latest - self._window
        return _sorted_run(
            pl.DataFrame({"id": run.ids, "hour": run.hours.cast(pl.Int64) + run.base}).filter(since)
            for run in runs
        )

    def _expired(self, hour: int) -> bool:
        return self._now != _UNKNOWN and hour < self._now - self._window

    def _flush_hour(self, hour: int, held: _Hour) -> dict[bytes, bytes | None]:
        chunks: dict[bytes, bytes | None] = {}
        small = {number: ids for number, ids in held.durable.items() if ids is not None and _is_small(ids)}
        closed = hour < self._now
        fresh = held.fresh
        if (closed and len(small) + bool(fresh) > 1) or len(small) >= _MANY:
            fresh = [*small.values(), *fresh]
            for number in small:
                chunks[_key(hour, number)] = None
                del held.durable[number]
        if fresh:
            ids = pl.concat(fresh)
            for at in range(0, len(ids), _FULL):
                segment = ids.slice(at, _FULL)
                held.durable[held.next] = segment if _is_small(segment) or hour == _UNKNOWN else None
                chunks[_key(hour, held.next)] = write_chunk(segment.alias("id").to_frame(), "uncompressed")
                held.next += 1
        held.fresh = []
        if closed:
            held.durable = dict.fromkeys(held.durable)
        return chunks


def _is_small(segment: pl.Series) -> bool:
    return len(segment) < _FULL // 2


def _key(hour: int, number: int) -> bytes:
    return PREFIX + b"%d/%06d" % (hour, number)
