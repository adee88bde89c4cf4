"""Counting is a commutative monoid: any split and any order gives the same sum."""

import random
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_fold import START, minutes_of
from strategies import mail_events

from processors.reputation.combine import KEYS, add, columns_needed, combine, zero
from schemas.codec import encode
from schemas.columns import decode_frames
from schemas.mail import ComplaintReceived, MailEvent, MessageSent
from schemas.reputation import COUNTS

_ANY = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def deltas_of(events: Sequence[MailEvent]) -> pl.DataFrame:
    return combine(decode_frames([encode(e) for e in events], columns_needed()).frames)


def table(deltas: pl.DataFrame) -> dict[tuple[object, ...], dict[str, int]]:
    rows = deltas.rows(named=True)
    assert len(rows) == deltas.select(KEYS).unique().height
    return {
        tuple(row[key] for key in (*KEYS[:4], "minute")): {
            name: row[name] for name in COUNTS if row.get(name)
        }
        for row in rows
    }


@_ANY
@given(events=st.lists(mail_events(), max_size=60, unique_by=lambda e: e.event_id))
def test_counts_what_the_reference_counts(events: list[MailEvent]) -> None:
    assert table(deltas_of(events)) == {key: dict(counts) for key, counts in minutes_of(events).items()}


@_ANY
@given(events=st.lists(mail_events(), max_size=60), seed=st.integers(0, 10**6))
def test_any_split_in_any_order_gives_the_same_sum(events: list[MailEvent], seed: int) -> None:
    chance = random.Random(seed)
    whole = add([deltas_of(events)])
    shuffled = chance.sample(events, len(events))
    cuts = sorted(chance.choices(range(len(events) + 1), k=3))
    parts = [deltas_of(shuffled[a:b]) for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]
    left = add([add([add([parts[0], parts[1]]), parts[2]]), parts[3]])
    right = add([parts[3], add([parts[2], add([parts[1], parts[0]])])])
    assert left.sort(KEYS).equals(right.sort(KEYS))
    assert table(left) == table(whole)


@_ANY
@given(events=st.lists(mail_events(), max_size=60))
def test_the_same_batch_gives_the_same_order(events: list[MailEvent]) -> None:
    assert deltas_of(events).equals(deltas_of(events))


@_ANY
@given(events=st.lists(mail_events(), max_size=30))
def test_zero_adds_nothing(events: list[MailEvent]) -> None:
    deltas = add([deltas_of(events)])
    assert add([deltas, zero()]).equals(deltas)
    assert add([]).equals(zero())


def test_an_event_ahead_of_its_record_counts_five_minutes_after_it() -> None:
    event = MessageSent(
        source_event_id="1", recorded_at=START, occurred_at=START + 10**9, from_domain="a.example"
    )
    deltas = deltas_of([event])
    assert deltas.get_column("minute").unique().to_list() == [(START + 300_000) // 60_000 * 60_000]


def test_incidents_of_a_careless_producer_stay_within_reason() -> None:
    event = ComplaintReceived(
        source_event_id="1", occurred_at=START, recorded_at=START, from_domain="a.example"
    )
    for said, counted in ((-5, 1), (2**62, 1_000_000_000)):
        deltas = deltas_of([event.model_copy(update={"incidents": said})])
        assert deltas.get_column("complained").unique().to_list() == [counted]


def test_an_unknown_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="identity kind: got 'asn', wants one of domain, dkim"):
        combine({}, ["asn"])
