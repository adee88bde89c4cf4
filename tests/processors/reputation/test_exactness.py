"""Any order, any batching, any lateness, repeats, crashes and restarts anywhere give the same view."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_fold import START, expected, keep, run, slice_of, slices_of, view_of
from strategies import DAY, HOUR, mail_events

from processors.reputation.fold import UnknownState
from processors.reputation.grains import Grain
from processors.reputation.stage import CountStage, FoldStage, ReputationSettings, ReputationStage
from processors.stage import Emission, Stage
from schemas.codec import decode, encode
from schemas.mail import MailEvent, MessageDelivered, MessageSent
from schemas.reputation import BucketRow, ReputationBuckets, ReputationDeltas

SHORT = ReputationSettings(
    grains=(
        Grain("minute", 60_000, 10 * 60_000, period=4, identities=3),
        Grain("hour", HOUR, HOUR, period=2, identities=5),
        Grain("day", DAY, DAY, identities=2),
    )
)
"""Horizons so short and chunks so small that everything happens in a few events."""

_MANY = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def distinct(events: Sequence[MailEvent]) -> list[MailEvent]:
    """Each id as it was first told."""
    first: dict[str, MailEvent] = {}
    for event in events:
        first.setdefault(event.event_id, event)
    return list(first.values())


def disturbed(
    make: Callable[[], Stage], values: Sequence[bytes], chance: random.Random, topic: str
) -> list[Emission]:
    """Take, flush and crash at random; what a runtime would have made durable."""
    emissions: list[Emission] = []
    chunks: dict[bytes, bytes] = {}
    stage, durable, at = make(), 0, 0
    while durable < len(values):
        if at < len(values):
            size = chance.choice((1, 2, 7, 40))
            stage.take(slice_of(values[at : at + size], at, topic))
            at = min(at + size, len(values))
        event = chance.random()
        if event < 0.2:
            stage, at = make(), durable
            stage.restore(chunks.items())
        elif event < 0.6 or at == len(values):
            emissions += keep(chunks, stage.flush())
            durable = at
    return emissions


@_MANY
@given(events=st.lists(mail_events(), max_size=120), seed=st.integers(0, 10**6), short=st.booleans())
def test_the_view_is_the_sum_of_distinct_events(events: list[MailEvent], seed: int, short: bool) -> None:
    chance = random.Random(seed)
    events = [*events, *chance.choices(events, k=len(events) // 4)] if events else []
    reputation = SHORT if short else ReputationSettings()
    emissions = disturbed(
        lambda: ReputationStage(reputation), [encode(e) for e in events], chance, "mail.events"
    )
    assert view_of(emissions) == expected(distinct(events))


@pytest.mark.parametrize("seed", range(6))
def test_so_it_is_under_crashes_with_much_that_is_late(seed: int) -> None:
    chance = random.Random(seed)
    events = traffic(400, minutes=chance.choice((300, 3000)), seed=seed)
    late = [
        e.model_copy(update={"occurred_at": e.occurred_at - chance.randrange(4 * DAY)}) for e in events[::3]
    ]
    told = [*events, *(e.model_copy(update={"event_id": MessageSent.id_of("l", e.event_id)}) for e in late)]
    told = sorted([*told, *chance.choices(told, k=60)], key=lambda e: e.recorded_at + chance.randrange(HOUR))
    emissions = disturbed(lambda: ReputationStage(SHORT), [encode(e) for e in told], chance, "mail.events")
    assert view_of(emissions) == expected(distinct(told))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=st.lists(mail_events(), max_size=100), seed=st.integers(0, 10**6))
def test_in_two_halves_it_is_the_same_view(events: list[MailEvent], seed: int) -> None:
    chance = random.Random(seed)
    deltas = disturbed(lambda: CountStage(keys="012"), [encode(e) for e in events], chance, "mail.events")
    by_key = {key: [e.value for e in deltas if e.key == key] for key in (b"0", b"1", b"2")}
    assert sum(map(len, by_key.values())) == len(deltas)
    emissions = [
        emission
        for values in by_key.values()
        for emission in disturbed(lambda: FoldStage(SHORT.grains), values, chance, "reputation.deltas")
    ]
    assert view_of(emissions) == expected(distinct(events))


def traffic(count: int, minutes: int, seed: int = 1) -> list[MailEvent]:
    chance = random.Random(seed)
    events: list[MailEvent] = []
    for number in range(count):
        recorded = START + number * minutes * 60_000 // count
        record = chance.choice((MessageSent, MessageDelivered))
        events.append(
            record(
                source_event_id=str(number),
                recorded_at=recorded,
                occurred_at=recorded - int(chance.expovariate(1 / 600_000)),
                provider=chance.choice(("gmail", "yahoo")),
                from_domain=f"d{chance.randrange(20)}.example",
                ip="192.0.2.1",
            )
        )
    return events


@pytest.mark.parametrize("size", [1, 37, 3000])
def test_ordinary_traffic_over_days(size: int) -> None:
    events = traffic(80 if size == 1 else 1000, minutes=12_000)
    assert view_of(run(ReputationStage(SHORT), slices_of(events, size))) == expected(events)


def test_whatever_the_order() -> None:
    events = traffic(1200, minutes=30_000)
    random.Random(5).shuffle(events)
    stage = ReputationStage()
    assert view_of(run(stage, slices_of(events, 150))) == expected(events)
    assert stage.tally().late > 500


def test_a_bucket_that_was_closed_is_never_absolute_again() -> None:
    stage = ReputationStage()
    old = traffic(40, minutes=1)
    recent = [
        e.model_copy(
            update={
                "event_id": MessageSent.id_of("x", str(n)),
                "occurred_at": e.occurred_at + 50 * DAY,
                "recorded_at": e.recorded_at + 50 * DAY,
            }
        )
        for n, e in enumerate(old)
    ]
    late = [e.model_copy(update={"event_id": MessageSent.id_of("y", str(n))}) for n, e in enumerate(old)]
    first, _, second = (
        run(stage, [slice_of([encode(e) for e in part], at)])
        for part, at in ((old, 0), (recent, 40), (late, 80))
    )
    assert view_of([*first, *second]) == expected([*old, *late])
    assert stage.tally().late > 0
    again = run(
        stage,
        [
            slice_of(
                [
                    encode(e.model_copy(update={"event_id": MessageSent.id_of("z", str(n))}))
                    for n, e in enumerate(old)
                ],
                120,
            )
        ],
    )
    assert {row.part for e in [*second, *again] for row in rows_of(e)} == {(80 << 16) + 1, (120 << 16) + 1}


def test_widening_a_horizon_does_not_reopen_what_was_closed() -> None:
    chunks: dict[bytes, bytes] = {}
    stage = ReputationStage(SHORT)
    events = traffic(1000, minutes=6000)
    emissions = []
    for part in slices_of(events, 100):
        stage.take(part)
        emissions += keep(chunks, stage.flush())
    grains = tuple(replace(grain, horizon=100 * DAY) for grain in SHORT.grains)
    widened = ReputationStage(ReputationSettings(grains=grains))
    widened.restore(chunks.items())
    late = [e.model_copy(update={"event_id": MessageSent.id_of("z", str(n))}) for n, e in enumerate(events)]
    for part in slices_of(late, 500):
        widened.take(replace(part, first=1000 + part.first, next=1000 + part.next))
        emissions += keep(chunks, widened.flush())
    assert view_of(emissions) == expected([*events, *late])


def test_state_of_another_layout_is_refused() -> None:
    chunks: dict[bytes, bytes] = {}
    stage = ReputationStage(SHORT)
    stage.take(slices_of(traffic(10, minutes=1), 10)[0])
    keep(chunks, stage.flush())
    with pytest.raises(UnknownState, match="rebuild it from the log"):
        ReputationStage().restore(chunks.items())


def rows_of(emission: Emission) -> Sequence[BucketRow]:
    record = decode(emission.value)
    assert isinstance(record, ReputationBuckets)
    return record.rows


def test_a_half_refuses_what_is_not_for_it() -> None:
    with pytest.raises(ValueError, match="CountStage and FoldStage"):
        ReputationStage().take(slice_of([], partition=1))
    with pytest.raises(ValueError, match="keys: got none"):
        CountStage(keys=())


def test_all_deltas_of_an_identity_go_under_one_key() -> None:
    emissions = run(CountStage(keys="01234567"), slices_of(traffic(1000, minutes=10), 100))
    keys: dict[tuple[object, ...], set[bytes]] = {}
    for emission in emissions:
        record = decode(emission.value)
        assert isinstance(record, ReputationDeltas)
        for row in record.rows:
            keys.setdefault((row.tenant, row.kind, row.identity), set()).add(emission.key)
    assert all(len(under) == 1 for under in keys.values())
    assert len({key for under in keys.values() for key in under}) > 3
