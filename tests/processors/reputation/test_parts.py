"""The clock, the numbers of identities, and sums over runs."""

import random

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.reputation.clock import WITNESSES, Clock
from processors.reputation.grains import GRAIN_DEFAULTS
from processors.reputation.identities import NAMES, Identities
from processors.reputation.runs import sum_runs


@settings(deadline=None)
@given(
    times=st.lists(st.integers(0, 1000), max_size=150)
    | st.lists(st.integers(0, 1000), min_size=60, max_size=150),
    seed=st.integers(0, 10**6),
)
def test_a_clock_shows_the_same_however_records_are_batched(times: list[int], seed: int) -> None:
    chance = random.Random(seed)
    whole, shown = Clock().advance(pl.Series(times, dtype=pl.Int64))
    clock, parts, at = Clock(), [], 0
    while at < len(times):
        size = chance.choice((1, 3, 40))
        clock, part = clock.advance(pl.Series(times[at : at + size], dtype=pl.Int64))
        parts += part.to_list()
        at += size
    assert parts == shown.to_list()
    assert clock == whole
    known = [time for time in parts if time is not None]
    assert known == sorted(known)
    assert len(known) == max(0, len(times) - WITNESSES // 2)


def test_a_clock_follows_most_records() -> None:
    times = [10**15 if n % 3 == 0 else -(10**15) if n % 3 == 1 and n % 2 else n for n in range(3000)]
    clock, _ = Clock().advance(pl.Series(times, dtype=pl.Int64))
    assert clock.high is not None
    assert 2900 < clock.high < 3000


def names(*rows: tuple[str, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=NAMES, orient="row")


def test_no_two_identities_share_a_number() -> None:
    odd = ["", "a", "a\x1f", "\x1fa", "\x1f", "1\x1fa", "a\x1fb"]
    rows = [(t, k, i, p) for t in odd for k in odd for i in odd for p in odd]
    table = names(*rows)
    identities = Identities()
    numbers = identities.number(table)
    assert numbers.n_unique() == len(rows) == len(identities)
    assert identities.number(table.reverse()).to_list() == numbers.to_list()[::-1]
    assert identities.names(numbers).rows() == rows


def test_numbers_outlive_forgetting_and_restoring() -> None:
    identities = Identities()
    rows = [("t", "domain", f"{n:05}.example", "gmail") for n in range(10_000)]
    chunks: dict[bytes, bytes | None] = {}
    numbers = [identities.number(names(*rows[at : at + 1000])) for at in range(0, 10_000, 1000)]
    chunks |= identities.flush()
    live = pl.concat(numbers).filter(pl.concat(numbers) % 3 == 0)
    identities.keep(live)
    chunks |= identities.flush()
    restored = Identities()
    restored.restore([chunk for chunk in chunks.values() if chunk], identities.next)
    for either in (identities, restored):
        assert len(either) == 3334
        assert either.names(live).rows() == [rows[n] for n in live]
        (again,) = either.number(names(rows[3]))
        (new,) = either.number(names(rows[4]))
        assert (again, new) == (3, 10_000)


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 9), st.integers(0, 2**60)), max_size=40))
def test_sums_over_runs_are_those_of_a_group_by(rows: list[tuple[int, int, int]]) -> None:
    frame = pl.DataFrame(rows, schema={"a": pl.Int64, "b": pl.Int64, "n": pl.Int64}, orient="row")
    frame = frame.with_columns(pl.col("n") % 10**15).sort("a", "b")
    expected = frame.group_by("a", "b", maintain_order=True).agg(pl.col("n").sum())
    assert sum_runs(frame, ["a", "b"]).equals(expected)


def test_a_bucket_closes_when_its_end_is_a_horizon_behind() -> None:
    for grain in GRAIN_DEFAULTS:
        for bucket in (-5, 0, 29_000_000):
            end = (bucket + 1) * grain.width
            assert grain.first_open(end + grain.horizon - 1) <= bucket
            assert grain.first_open(end + grain.horizon) == bucket + 1
