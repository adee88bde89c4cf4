"""Each fact once, within a window of hours by arrival."""

import random
from unittest.mock import patch
from uuid import UUID, uuid4

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.reputation import admission as admission_module
from processors.reputation.admission import Admission, id_bits

HOUR = 3_600_000
START_HOUR = 480_000


class Naive:
    """The rule, one id at a time."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.admitted: dict[int, int] = {}

    def admit(self, number: int, hour: int) -> bool:
        known = self.admitted.get(number)
        if known is not None and hour - known <= self.window:
            return False
        self.admitted[number] = hour
        return True


def admit(admission: Admission, ids: list[int], hours: list[int | None]) -> list[bool]:
    arrivals = [None if hour is None else (START_HOUR + hour) * HOUR + 17 for hour in hours]
    return admission.admit(pl.Series(ids, dtype=pl.UInt64), pl.Series(arrivals, dtype=pl.Int64)).to_list()


def flush(admission: Admission, chunks: dict[bytes, bytes]) -> None:
    for key, chunk in admission.flush().items():
        if chunk is None:
            del chunks[key]
        else:
            chunks[key] = chunk


def restored(chunks: dict[bytes, bytes], hour: int, window: int = 48) -> Admission:
    admission = Admission(window)
    admission.restore(chunks.items(), (START_HOUR + hour) * HOUR + 17)
    return admission


@settings(max_examples=80, deadline=None)
@given(
    arrivals=st.lists(
        st.tuples(st.integers(0, 25), st.sampled_from((0, 0, 0, 0, 1, 1, 2, 5, 11))), max_size=80
    ),
    sizes=st.sampled_from(((65_536, 2**21), (8, 16), (4, 6))),
    seed=st.integers(0, 10**6),
)
def test_a_repeat_is_what_was_admitted_within_the_window(
    arrivals: list[tuple[int, int]], sizes: tuple[int, int], seed: int
) -> None:
    """Whatever the sizes of segments and runs are."""
    with patch.multiple(admission_module, _FULL=sizes[0], _LARGEST=sizes[1]):
        _compare_with_the_rule(arrivals, seed)


def _compare_with_the_rule(arrivals: list[tuple[int, int]], seed: int) -> None:
    chance = random.Random(seed)
    naive, admission, chunks = Naive(6), Admission(6), dict[bytes, bytes]()
    hours, hour = [], 0
    for _, step in arrivals:
        hour += step
        hours.append(hour)
    at = 0
    while at < len(arrivals):
        size = chance.choice((1, 2, 5, 20))
        ids, then = [number for number, _ in arrivals[at : at + size]], hours[at : at + size]
        expected = [naive.admit(number, hour) for number, hour in zip(ids, then, strict=True)]
        assert admit(admission, ids, then) == expected
        at += size
        if chance.random() < 0.5:
            flush(admission, chunks)
            if chance.random() < 0.5:
                admission = restored(chunks, then[-1], 6)


def test_before_the_clock_runs_everything_is_remembered() -> None:
    fresh, chunks = Admission(48), dict[bytes, bytes]()
    assert admit(fresh, [1, 2], [None, None]) == [True, True]
    flush(fresh, chunks)
    again = Admission(48)
    again.restore(chunks.items(), None)
    for admission in (fresh, again):
        held = dict(chunks)
        assert admit(admission, [2, 3, 4], [None, None, 5]) == [False, True, True]
        flush(admission, held)
        assert admit(admission, [1, 2, 3], [6, 53, 54]) == [False, False, True]
        assert all(b"/480005/" in key for key in held)
        assert admit(restored(held, 5), [1, 2, 3, 4], [5, 5, 5, 5]) == [False] * 4


def test_segments_stay_few_and_expire() -> None:
    admission, chunks = Admission(4), dict[bytes, bytes]()
    most = 0
    for flushed in range(400):
        admit(admission, [flushed * 2, flushed * 2 + 1], [flushed // 40] * 2)
        flush(admission, chunks)
        most = max(most, len(chunks))
    assert most <= 5 + 33
    assert {key.split(b"/")[1] for key in chunks} == {b"%d" % (START_HOUR + hour) for hour in range(5, 10)}
    assert len(admission) < 10 * 100
    assert admit(restored(chunks, 9, 4), [798, 400, 398], [9, 9, 9]) == [False, False, True]


def test_a_large_hour_is_cut_into_segments_that_fit_a_message() -> None:
    admission, chunks = Admission(), dict[bytes, bytes]()
    for start in range(0, 200_000, 20_000):
        admit(admission, list(range(start, start + 20_000)), [0] * 20_000)
        flush(admission, chunks)
    admit(admission, [10**9], [1])
    flush(admission, chunks)
    assert len(chunks) == 5
    assert max(map(len, chunks.values())) < 600_000
    assert len(restored(chunks, 1)) == 200_001


def test_memory_is_some_nine_bytes_an_event() -> None:
    admission = Admission()
    for start in range(0, 300_000, 10_000):
        admit(admission, list(range(start, start + 10_000)), [start // 30_000] * 10_000)
    held = sum(run.ids.estimated_size() + run.hours.estimated_size() for run in admission._runs)
    assert held <= 9 * 300_000


def bits(ids: list[UUID], tenants: list[str]) -> list[int]:
    return id_bits(pl.Series(map(str, ids)), pl.Series(tenants)).to_list()


def test_ids_give_the_exclusive_or_of_their_halves_and_tenant() -> None:
    ids = [uuid4() for _ in range(200)] + [UUID(int=0), UUID(int=2**128 - 1)]
    salt = bits([UUID(int=0)], ["a"])[0]
    expected = [(i.int >> 64) ^ (i.int & (2**64 - 1)) ^ salt for i in ids]
    assert bits(ids, ["a"] * len(ids)) == expected


def test_an_id_of_two_tenants_is_two() -> None:
    one = uuid4()
    assert len(set(bits([one] * 3, ["a", "b", "c"]))) == 3 and len(set(bits([one] * 2, ["a", "a"]))) == 1


def test_ids_that_begin_with_the_time_are_told_apart() -> None:
    # UUIDv7 (RFC 9562, 5.7): 48 bits of ms, then random ones; thousands share the first half.
    ids = [
        UUID(int=(0x0197_0000_0000 << 80) | (7 << 76) | (uuid4().int & (2**76 - 1))) for _ in range(50_000)
    ]
    assert len(set(bits(ids, ["a"] * len(ids)))) == len(ids)
