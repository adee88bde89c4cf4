"""How a recipient stands is the same whatever order the facts came in, be they copies of one that say different things."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_conformance import run

from processors.stage import Slice
from processors.suppressions.packing import pack, unpack
from processors.suppressions.stage import SuppressStage
from processors.suppressions.standing import ALL, KEPT, REASONS, Fact, Lift, Standing
from schemas.codec import decode, encode
from schemas.mail import MessageBounced
from schemas.suppression import RecipientSuppressed, SuppressionEvidence

AT = 1_750_000_000_000
WHO = "0123456789abcdef0123456789abcdef"

Told = tuple[str, str, Fact | Lift]
"""A stream, a reason, and what was said."""

word = st.sampled_from((None, "", "a", "b"))
facts = st.builds(
    Fact,
    at=st.integers(0, 30),
    id=st.integers(0, 24).map(lambda number: bytes([number]) * 16),
    recorded_at=st.integers(0, 2),
    after=st.integers(1, 16),
    bounce_class=word,
    leaf=word,
    by=word,
    note=word,
    ruleset=word,
)
lifts = st.builds(
    Lift,
    at=st.integers(0, 30),
    id=st.integers(0, 3).map(lambda number: bytes([number]) * 16),
    recorded_at=st.integers(0, 2),
    resubscribed=st.booleans(),
    by=word,
    note=word,
)
one_told = st.tuples(
    st.sampled_from((ALL, "marketing")), st.sampled_from(REASONS[1:3]), facts | facts | facts | lifts
)
many_copies = st.lists(st.tuples(st.just(ALL), st.just("bounce"), facts), min_size=KEPT, max_size=60)


def joined(told: list[Told]) -> Standing:
    standing = Standing()
    for stream, reason, said in told:
        if isinstance(said, Fact):
            standing.add(stream, reason, said)
        else:
            standing.lift(stream, (reason,), said)
    return standing


@settings(max_examples=150, deadline=None)
@given(st.lists(one_told, max_size=40) | many_copies, st.randoms(use_true_random=False))
def test_copies_that_differ_and_more_facts_than_are_kept_stand_the_same_in_any_order(
    told: list[Told], chance: random.Random
) -> None:
    expected = joined(told)
    shuffled = [*told, *chance.sample(told, len(told) // 3)]
    chance.shuffle(shuffled)
    standing = joined(shuffled)
    assert standing == expected
    assert [standing.outcome(name) for name in (ALL, "marketing")] == [
        expected.outcome(name) for name in (ALL, "marketing")
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(one_told, max_size=20), word, st.randoms(use_true_random=False))
def test_a_recipient_is_unpacked_as_it_was_packed(
    told: list[Told], domain: str | None, chance: random.Random
) -> None:
    standing = joined(told)
    standing.domain = domain
    packed = pack(standing)
    assert unpack(packed) == standing
    shuffled = joined(chance.sample(told, len(told)))
    shuffled.domain = domain
    assert pack(shuffled) == packed


def bounce(number: int, at: int, copy: int, after: int, ruleset: str | None) -> SuppressionEvidence:
    return SuppressionEvidence(
        source_event_id=f"{number}/{at}/{copy}",
        kind="bounce",
        recipient_hash=WHO,
        occurred_at=AT + at,
        recorded_at=AT + at + copy,
        fact_event_id=MessageBounced.id_of("default", str(number)),
        leaf=f"{after}",
        after=after,
        ruleset=ruleset,
    )


def held_back(told: list[SuppressionEvidence]) -> dict[str, Any] | None:
    """Why the recipient is suppressed in the end; None when they are not."""
    values = [encode(one) for one in told]
    records = Slice("suppressions.evidence", 0, 0, len(values), range(len(values)), values)
    events = [decode(emission.value) for emission in run(SuppressStage(), [records])]
    if not events or not isinstance(events[-1], RecipientSuppressed):
        return None
    return {name: value for name, value in events[-1].model_dump().items() if name != "revision"}


bounces = st.builds(
    bounce,
    st.integers(0, 24),
    st.integers(0, 30),
    st.integers(0, 2),
    st.integers(1, 4),
    st.sampled_from(("2026-10-01", "2026-11-30")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(bounces, max_size=40), st.randoms(use_true_random=False))
def test_who_is_suppressed_in_the_end_does_not_depend_on_which_copy_came_first(
    told: list[SuppressionEvidence], chance: random.Random
) -> None:
    shuffled = list(told)
    chance.shuffle(shuffled)
    assert held_back(shuffled) == held_back(told)


def test_what_a_rebuild_derives_counts_and_not_what_it_took_over() -> None:
    taken_over, derived = bounce(1, 0, 0, 1, "2026-10-01"), bounce(1, 0, 0, 3, "2026-11-30")
    assert held_back([taken_over]) is not None
    assert held_back([taken_over, derived]) is None
    assert held_back([derived, taken_over]) is None


@pytest.mark.parametrize("turn", [1, -1])
def test_of_copies_by_the_same_rules_the_one_recorded_first_counts(turn: int) -> None:
    found = held_back([bounce(1, 0, copy, 1, None) for copy in (0, 1, 2)][::turn])
    assert found is not None and found["recorded_at"] == AT
