"""The stage contract for SuppressStage, and who is suppressed when, whatever order the evidence came in."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_conformance import MakeStage, StageConformance, merged, run, taken

from processors.stage import Emission, Flush, Slice
from processors.suppressions.stage import SuppressStage
from processors.suppressions.standing import KEPT
from schemas.codec import decode, encode
from schemas.mail import MessageBounced
from schemas.record import Event
from schemas.suppression import RecipientSuppressed, SuppressionEvidence, SuppressionLifted
from streams.keys import key_of

AT = 1_750_000_000_000
WHO = "0123456789abcdef0123456789abcdef"
Suppression = RecipientSuppressed | SuppressionLifted


def evidence(kind: str, at: int = 0, number: int | None = None, **fields: Any) -> SuppressionEvidence:
    """Evidence `at` ms after AT; the same number is the same fact."""
    fact = MessageBounced.id_of("default", str(at if number is None else number))
    given = {} if kind in ("manual", "import", "lift") else {"fact_event_id": fact}
    return SuppressionEvidence(
        **{
            "source_event_id": f"{fact}/{kind}/{fields.get('stream', 'all')}",
            "kind": kind,
            "recipient_hash": WHO,
            "occurred_at": AT + at,
            "recorded_at": AT + at + 1,
            **given,
            **fields,
        }
    )


def slice_of(told: Iterable[Event], first: int = 0) -> Slice:
    values = [encode(one) for one in told]
    end = first + len(values)
    return Slice("suppressions.evidence", 0, first, end, range(first, end), values)


def emitted(told: Iterable[Event]) -> list[Suppression]:
    decoded = [decode(e.value) for e in run(SuppressStage(), [slice_of(told)])]
    return [one for one in decoded if isinstance(one, RecipientSuppressed | SuppressionLifted)]


def view(suppressions: Iterable[Suppression]) -> dict[Any, dict[str, Any]]:
    """How everyone stands in the end: the latest of each recipient and stream, without its revision."""
    return {
        (one.tenant, one.recipient_hash, one.stream): {
            "kind": type(one).__name__, **{k: v for k, v in one.model_dump().items() if k != "revision"}
        }
        for one in suppressions
    }  # fmt: skip


def standing(*told: Event, stream: str = "all") -> str | None:
    """The reasons for which somebody is suppressed, or what lifted it."""
    last = {one.stream: one for one in emitted(told)}.get(stream)
    if last is None:
        return None
    return "+".join(last.reasons) if isinstance(last, RecipientSuppressed) else last.reason


def anything(seed: int, count: int) -> list[SuppressionEvidence]:
    """Evidence of all kinds about a few recipients, some of it told twice."""
    chance = random.Random(seed)
    found: list[SuppressionEvidence] = []
    for number in range(count):
        kind = chance.choice(
            ("bounce", "bounce", "complaint", "unsubscribe", "resubscribe", "manual", "import", "lift")
        )
        reasons: tuple[str, ...] = ()
        if kind == "lift":
            reasons = chance.choice(((), ("complaint",), ("bounce", "unsubscribe")))
        if kind == "import":
            reasons = chance.choice(((), ("complaint",), ("bounce",)))
        told = evidence(
            kind,
            chance.randrange(20),
            number,
            recipient_hash=f"{chance.randrange(3):032x}",
            tenant=chance.choice(("default", "other")),
            recipient_domain=chance.choice(("b.example", None)),
            stream=chance.choice(("all", "marketing", "cold")),
            after=chance.choice((1, 2, 3)),
            leaf=chance.choice(("unknown", "disabled")) if kind == "bounce" else None,
            by="anna" if kind in ("lift", "manual") else None,
            reasons=reasons,
        )
        found.append(told)
        if chance.random() < 0.2:
            found.append(told)
    return found


class TestSuppressStage(StageConformance):
    @pytest.fixture
    def make_stage(self) -> MakeStage:
        return SuppressStage

    @pytest.fixture
    def slices(self) -> Sequence[Slice]:
        told = anything(1, 100)
        return [slice_of(told[at : at + 25], at) for at in range(0, len(told), 25)]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.randoms(use_true_random=False))
def test_the_same_evidence_in_any_order_and_twice_is_the_same(
    seed: int, count: int, chance: random.Random
) -> None:
    told = anything(seed, count)
    expected = view(emitted(told))
    shuffled = [*told, *chance.sample(told, len(told) // 3)]
    chance.shuffle(shuffled)
    assert view(emitted(shuffled)) == expected


def test_told_by_several_partitions_at_once_is_the_same() -> None:
    """Evidence of a recipient comes from several partitions of mail events, each in its own order."""
    told = anything(3, 200)
    expected = view(emitted(told))
    lanes = [told[lane::4] for lane in range(4)]
    chance = random.Random(2)
    mixed = []
    while any(lanes):
        mixed.append(chance.choice([lane for lane in lanes if lane]).pop(0))
    assert view(emitted(mixed)) == expected


def test_one_fatal_bounce_suppresses_every_stream() -> None:
    (one,) = emitted(
        [evidence("bounce", bounce_class="bad_mailbox", leaf="unknown", recipient_domain="b.example")]
    )
    assert isinstance(one, RecipientSuppressed)
    assert (one.reason, one.reasons, one.stream, one.since) == ("bounce", ("bounce",), "all", AT)
    assert (one.bounce_class, one.leaf, one.recipient_domain) == ("bad_mailbox", "unknown", "b.example")
    assert one.evidence == (MessageBounced.id_of("default", "0"),)
    assert (one.occurred_at, one.recorded_at, one.revision) == (AT, AT + 1, 1)


def test_so_many_distinct_bounces_as_the_leaf_asks_for() -> None:
    disabled = [evidence("bounce", at, after=3, leaf="disabled") for at in range(3)]
    assert standing(*disabled[:2], disabled[0], disabled[1]) is None
    assert standing(*disabled) == "bounce"
    assert standing(disabled[0], evidence("bounce", 9, after=2)) is None
    assert standing(disabled[0], disabled[1], evidence("bounce", 9, after=1)) == "bounce"


def test_who_subscribes_again_takes_back_the_unsubscription_alone() -> None:
    unsubscribed = evidence("unsubscribe", 1, stream="marketing")
    again = evidence("resubscribe", 2, stream="marketing")
    assert standing(unsubscribed, again, stream="marketing") == "resubscribed"
    complaint = evidence("complaint", 1, stream="marketing")
    assert standing(complaint, unsubscribed, again, stream="marketing") == "complaint"
    assert (
        standing(again, evidence("unsubscribe", 3, stream="marketing"), stream="marketing") == "unsubscribe"
    )


def test_what_happened_later_counts_not_what_came_later() -> None:
    unsubscribed, again = evidence("unsubscribe", 1), evidence("resubscribe", 5)
    assert standing(again, unsubscribed) == "resubscribed"
    assert standing(again, evidence("unsubscribe", 5)) == "unsubscribe"


def test_a_lift_lifts_no_word_of_the_recipient_that_it_does_not_name() -> None:
    facts = [evidence(kind, at) for at, kind in enumerate(("bounce", "complaint", "unsubscribe", "manual"))]
    lift = evidence("lift", 9, by="anna", note="asked to")
    assert standing(*facts, lift) == "complaint+unsubscribe"
    assert standing(*facts, lift, evidence("lift", 10, reasons=("complaint",))) == "unsubscribe"
    (*_, last) = emitted([facts[0], lift])
    assert isinstance(last, SuppressionLifted)
    assert (last.reason, last.by, last.note, last.evidence) == (
        "lifted",
        "anna",
        "asked to",
        (lift.event_id,),
    )


def test_an_import_lifts_nothing_and_its_reason_counts_as_what_it_says() -> None:
    assert standing(evidence("complaint", 1), evidence("import", 9)) == "complaint+import"
    imported = evidence("import", 1, reasons=("complaint",))
    assert standing(imported, evidence("lift", 9)) == "complaint"


def test_a_lift_for_every_stream_lifts_each_and_one_for_a_stream_that_one() -> None:
    facts = [evidence("manual", 1, stream=stream) for stream in ("all", "marketing", "cold")]
    whole, some = evidence("lift", 9), evidence("lift", 9, stream="cold")
    assert [standing(*facts, whole, stream=name) for name in ("all", "marketing", "cold")] == ["lifted"] * 3
    assert [standing(*facts, some, stream=name) for name in ("all", "marketing", "cold")] == [
        "manual", "manual", "lifted",
    ]  # fmt: skip
    assert standing(whole, *facts, stream="cold") == "lifted"


def test_a_clock_that_is_ahead_does_not_outlive_a_lift() -> None:
    ahead = evidence("manual", 10**10, recorded_at=AT)
    assert standing(ahead, evidence("lift", 3_600_000)) == "lifted"


def test_tenants_and_recipients_are_each_their_own() -> None:
    told = [
        evidence("bounce"),
        evidence("lift", 5, tenant="other"),
        evidence("lift", 5, recipient_hash="f" * 32),
    ]
    assert standing(*told) == "bounce"


def test_the_latest_facts_are_named_and_kept() -> None:
    many = [evidence("complaint", at) for at in range(KEPT + 9)]
    (*_, last) = emitted(many)
    assert isinstance(last, RecipientSuppressed)
    assert last.evidence[0] == many[-1].fact_event_id and len(last.evidence) == KEPT
    assert last.since == AT + 9
    assert view(emitted(reversed(many))) == view([last])


def test_nothing_new_emits_nothing_and_is_a_repeat() -> None:
    stage = SuppressStage()
    once = evidence("complaint")
    run(stage, [slice_of([once, once]), slice_of([once], 2)])
    assert stage.tally().repeats == 2
    assert len(emitted([once, once, evidence("lift", 5)])) == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "rumour"}, "kind: 'rumour' is no kind of evidence"),
        ({"stream": "billing"}, "stream: 'billing' is no stream"),
        ({"fact_event_id": "7"}, "fact_event_id: '7' is no uuid"),
        ({"reasons": ("whim",)}, "reasons: 'whim' is no reason"),
    ],
)
def test_what_is_no_evidence_is_a_dead_letter(fields: dict[str, Any], reason: str) -> None:
    wrong = SuppressionEvidence.trusted({**evidence("bounce").__dict__, **fields})
    foreign = MessageBounced(source_event_id="1", occurred_at=AT, recorded_at=AT)
    emissions = run(SuppressStage(), [slice_of([evidence("bounce"), wrong, foreign])])
    letters = [decode(e.value) for e in emissions if e.topic == "dead.letters"]
    assert [letter.reason for letter in letters] == [  # type: ignore[attr-defined]
        f"SuppressionEvidence.{reason}", "MessageBounced does not belong in suppressions.evidence",
    ]  # fmt: skip
    assert len(emissions) == 3


def test_keys_are_those_of_the_topic_and_ids_differ_as_what_follows_does() -> None:
    emissions: list[Emission] = run(SuppressStage(), [slice_of(anything(2, 150))])
    assert all(emission.key == key_of(decode(emission.value)) for emission in emissions)
    assert len({decode(emission.value).event_id for emission in emissions}) > len({e.key for e in emissions})


def test_a_flush_writes_the_recipients_that_changed() -> None:
    stage = SuppressStage()
    many = [evidence("bounce", number, recipient_hash=f"{number:032x}") for number in range(2_000)]
    first = taken(stage, slice_of(many))
    chunks = merged([first])
    second = taken(stage, slice_of([evidence("complaint", 5, recipient_hash=f"{7:032x}")], 2_000))
    assert sum(key.startswith(b"recipients/") for key in second.chunks) == 1
    again = SuppressStage()
    again.restore(chunks.items())
    assert taken(again, slice_of([evidence("complaint", 5, recipient_hash=f"{7:032x}")], 2_000)) == second
    assert sum(map(len, chunks.values())) < 2_000 * 120


def test_a_chunk_of_another_is_refused() -> None:
    with pytest.raises(ValueError, match="no chunk of recipients"):
        SuppressStage().restore([(b"reports/2024-03/0001", b"")])
    assert SuppressStage().flush() == Flush([], {})
