"""The stage contract for ClassifyStage, and what it says of events."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from stage_conformance import At, MakeStage, StageConformance, flat, run, sliced

from processors.classification.classify import active_ruleset
from processors.classification.stage import ClassifyStage, verdict_on
from processors.reputation.stage import ReputationStage
from processors.stage import Emission, Slice
from schemas.classification import BounceClassified
from schemas.codec import decode, encode
from schemas.documents import DeadLetter
from schemas.mail import (
    MAIL_EVENTS,
    ComplaintReceived,
    MailEvent,
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    MessageDropped,
    MessageExpired,
    MessageSent,
    RecipientResubscribed,
    RecipientUnsubscribed,
)
from schemas.suppression import SuppressionEvidence
from streams.keys import key_of

AT = 1_750_000_000_000
WHO = "0123456789abcdef0123456789abcdef"
ANSWERS = (
    (550, "5.1.1", "550 5.1.1 <address>: Recipient address rejected: User unknown"),
    (452, "4.2.2", "452 4.2.2 Mailbox full"),
    (550, "5.7.26", "550 5.7.26 Unauthenticated email is not accepted due to domain's DMARC policy"),
    (None, None, None),
)


def slice_of(events: Iterable[MailEvent], first: int = 0) -> Slice:
    values = [encode(event) for event in events]
    end = first + len(values)
    return Slice("mail.events", 0, first, end, range(first, end), values)


def event(record: type[MailEvent], number: int = 0, **fields: Any) -> MailEvent:
    return record(
        **{
            "source_event_id": str(number),
            "occurred_at": AT,
            "recorded_at": AT + 5,
            "recipient_hash": WHO,
            **fields,
        }
    )


def traffic(count: int) -> list[MailEvent]:
    chance = random.Random(5)
    events = []
    for number in range(count):
        record = MAIL_EVENTS[number % len(MAIL_EVENTS)]
        smtp_code, enhanced_code, response = chance.choice(ANSWERS)
        fields = {
            "smtp_code": smtp_code,
            "enhanced_code": enhanced_code,
            "response": response,
            "mx_host": chance.choice(("mx.google.com", None)),
            "recipient_domain": chance.choice(("hotmail.com", "firm.example")),
            "from_domain": chance.choice(("a.example", None)),
            "stream": chance.choice(("marketing", "transactional", "cold", "other")),
            "recipient_hash": chance.choice((WHO, None)),
        }
        known = {name: value for name, value in fields.items() if name in record.model_fields}
        events.append(event(record, number, **known))
    return events


class TestClassifyStage(StageConformance):
    @pytest.fixture
    def make_stage(self) -> MakeStage:
        return ClassifyStage

    @pytest.fixture
    def slices(self) -> Sequence[Slice]:
        events = traffic(120)
        return [slice_of(events[at : at + 30], at) for at in range(0, 120, 30)]

    def view(self, emissions: Sequence[Emission]) -> Any:
        """The order within each topic counts: a runtime appends to one after the other."""
        return {topic: [e for e in emissions if e.topic == topic] for topic in {e.topic for e in emissions}}

    def test_garbage_is_a_dead_letter_and_its_neighbours_are_unharmed(
        self, make_stage: MakeStage, slices: Sequence[Slice]
    ) -> None:
        """Of what nobody can read the stages that count tell: this one passes it over, and its neighbours are unharmed."""
        records = list(flat(slices))
        bounced = encode(event(MessageBounced, 1))
        bad = [*self.garbage(bounced), None]
        mixed: list[bytes | None] = [r.value for r in records]
        for at, value in enumerate(bad):
            mixed.insert(at * 7, value)
        found = run(make_stage(), [sliced(slices[0], [At(i, value) for i, value in enumerate(mixed)])])
        assert self.view(found) == self.view(run(make_stage(), slices))

    def test_dead_letters_do_not_depend_on_batching(
        self, make_stage: MakeStage, slices: Sequence[Slice]
    ) -> None:
        """It writes none."""
        mixed = [At(i, value) for i, r in enumerate(flat(slices)) for value in (r.value, b"garbage")]
        emissions = run(make_stage(), [sliced(slices[0], mixed)])
        assert {e.topic for e in emissions} == {"mail.classified", "suppressions.evidence"}

    def test_tally_counts_what_was_taken_and_what_died(
        self, make_stage: MakeStage, slices: Sequence[Slice]
    ) -> None:
        """What died is the tally of the stage that tells of it."""
        stage = make_stage()
        run(stage, slices)
        stage.take(Slice("mail.events", 0, 120, 121, [120], [b"garbage"]))
        assert (stage.tally().taken, stage.tally().dead) == (121, 0)

    def test_what_it_passes_over_the_stage_that_counts_tells_of(self, slices: Sequence[Slice]) -> None:
        good = encode(event(MessageBounced, 1, response="550 no such user"))
        bad = [*self.garbage(good), good.replace(b"such user", b"such \xff\xff\xff\xff")]
        mixed = [At(i, value) for i, value in enumerate(v for one in bad for v in (good, one))]
        letters = [decode(e.value) for e in run(ReputationStage(), [sliced(slices[0], mixed)])]
        offsets = [one.origin_offset for one in letters if isinstance(one, DeadLetter)]
        assert offsets == list(range(1, 2 * len(bad), 2))
        found = run(ClassifyStage(), [sliced(slices[0], mixed)])
        assert sum(e.topic == "mail.classified" for e in found) == len(bad)


def classified(*events: MailEvent) -> list[BounceClassified]:
    decoded = [decode(e.value) for e in run(ClassifyStage(), [slice_of(events)])]
    return [one for one in decoded if isinstance(one, BounceClassified)]


def evidence(*events: MailEvent) -> list[SuppressionEvidence]:
    decoded = [decode(e.value) for e in run(ClassifyStage(), [slice_of(events)])]
    return [one for one in decoded if isinstance(one, SuppressionEvidence)]


def test_says_what_a_bounce_means_beside_it() -> None:
    code, enhanced, response = ANSWERS[0]
    told = event(
        MessageBounced, smtp_code=code, enhanced_code=enhanced, response=response, mx_host="mx1.hotmail.com",
        message_id="<1@a.example>", provider_message_id="p1", from_domain="a.example", ip="192.0.2.1", campaign="c",
        stream="cold", tenant="t",
    )  # fmt: skip
    (one,) = classified(told)
    assert (one.bounce_class, one.leaf, one.address_fatal) == ("bad_mailbox", "unknown", True)
    assert (one.classified_event_id, one.classified_kind) == (told.event_id, "bounced")
    assert one.ruleset == active_ruleset().name
    assert one.event_id == BounceClassified.id_of("t", f"{told.event_id}/{one.ruleset}")
    assert one.provider == "microsoft"
    same = ("tenant", "occurred_at", "recorded_at", "message_id", "provider_message_id", "recipient_hash", "mx_host",
            "from_domain", "ip", "campaign", "stream")  # fmt: skip
    assert {name: getattr(one, name) for name in same} == {name: getattr(told, name) for name in same}


def test_a_deferral_is_never_fatal_and_an_expiry_needs_no_answer() -> None:
    code, enhanced, response = ANSWERS[0]
    deferred, expired = classified(
        event(MessageDeferred, 1, smtp_code=code, enhanced_code=enhanced, response=response),
        event(MessageExpired, 2),
    )
    assert deferred.classified_kind == "deferred" and not deferred.address_fatal
    assert (expired.bounce_class, expired.leaf, expired.message_fatal) == ("transient", "expired", True)
    assert not evidence(event(MessageDeferred, 1, response=response), event(MessageExpired, 2))


@pytest.mark.parametrize(
    ("mx_host", "domain", "told", "found"),
    [
        ("gmail-smtp-in.l.google.com", None, "other", "gmail"),
        (None, "hotmail.com", "other", "microsoft"),
        ("mx.firm.example", "hotmail.com", "other", "other"),
        (None, None, "other", "other"),
        ("gmail-smtp-in.l.google.com", None, "yahoo", "yahoo"),
    ],
)
def test_names_the_provider_that_the_event_does_not(
    mx_host: str | None, domain: str | None, told: str, found: str
) -> None:
    (one,) = classified(event(MessageBounced, mx_host=mx_host, recipient_domain=domain, provider=told))
    assert one.provider == found


def test_a_fatal_bounce_is_evidence_for_every_stream() -> None:
    code, enhanced, response = ANSWERS[0]
    told = event(
        MessageBounced,
        smtp_code=code,
        enhanced_code=enhanced,
        response=response,
        recipient_domain="b.example",
    )
    (one,) = evidence(told)
    assert (one.kind, one.stream, one.recipient_hash, one.fact_event_id) == (
        "bounce",
        "all",
        WHO,
        told.event_id,
    )
    assert (one.bounce_class, one.leaf, one.ruleset) == ("bad_mailbox", "unknown", active_ruleset().name)
    assert (one.recipient_domain, one.occurred_at, one.recorded_at) == ("b.example", AT, AT + 5)
    assert not evidence(event(MessageBounced, smtp_code=550, enhanced_code="5.7.26"))


@pytest.mark.parametrize(
    ("record", "stream", "kind", "streams"),
    [
        (ComplaintReceived, "marketing", "complaint", {"marketing", "cold", "other"}),
        (ComplaintReceived, "cold", "complaint", {"marketing", "cold", "other"}),
        (ComplaintReceived, "transactional", "complaint", {"all"}),
        (ComplaintReceived, "other", "complaint", {"all"}),
        (RecipientUnsubscribed, "marketing", "unsubscribe", {"marketing", "cold"}),
        (RecipientUnsubscribed, "cold", "unsubscribe", {"marketing", "cold"}),
        (RecipientUnsubscribed, "transactional", "unsubscribe", {"transactional"}),
        (RecipientUnsubscribed, "other", "unsubscribe", {"marketing", "cold", "other"}),
        (RecipientResubscribed, "marketing", "resubscribe", {"marketing", "cold"}),
    ],
)
def test_what_recipients_say_closes_streams(
    record: type[MailEvent], stream: str, kind: str, streams: set[str]
) -> None:
    found = evidence(event(record, stream=stream))
    assert {(one.kind, one.stream) for one in found} == {(kind, name) for name in streams}
    assert len({one.event_id for one in found}) == len(streams)


@pytest.mark.parametrize(
    ("listed_for", "stream", "streams"),
    [
        ("bounce", "marketing", {"all"}),
        ("complaint", "marketing", {"marketing", "cold", "other"}),
        ("complaint", "other", {"all"}),
        ("unsubscribe", "other", {"marketing", "cold", "other"}),
    ],
)
def test_a_provider_that_says_why_its_list_holds_somebody_is_believed(
    listed_for: str, stream: str, streams: set[str]
) -> None:
    dropped = event(MessageDropped, reason="suppressed", listed_for=listed_for, stream=stream)
    found = evidence(dropped)
    assert {(one.kind, one.stream) for one in found} == {(listed_for, name) for name in streams}
    assert {one.fact_event_id for one in found} == {dropped.event_id}
    assert {(one.after, one.by) for one in found} == {(1, dropped.source)}


def test_a_message_that_was_held_back_for_no_said_reason_suppresses_nobody() -> None:
    assert not evidence(
        event(MessageDropped, reason="suppressed"), event(MessageDropped, 1, reason="invalid")
    )


@pytest.mark.parametrize(
    ("feedback", "kinds"),
    [
        ("abuse", {"complaint"}),
        ("fraud", {"complaint"}),
        ("something new", {"complaint"}),
        ("opt-out", {"unsubscribe"}),
        ("not-spam", set()),
        ("Not-Spam", set()),
        ("auth-failure", set()),
        ("virus", set()),
    ],
)
def test_not_every_feedback_is_a_complaint(feedback: str, kinds: set[str]) -> None:
    assert {one.kind for one in evidence(event(ComplaintReceived, feedback_type=feedback))} == kinds


def test_who_is_not_named_is_not_suppressed() -> None:
    assert not evidence(
        event(ComplaintReceived, recipient_hash=None), event(MessageBounced, 1, recipient_hash=None)
    )


def test_keys_are_those_of_the_topics() -> None:
    for emission in run(ClassifyStage(), [slice_of(traffic(60))]):
        assert emission.key == key_of(decode(emission.value))
        assert emission.recorded_at == decode(emission.value).recorded_at


def test_what_neither_fails_nor_speaks_is_not_decoded() -> None:
    cut = encode(event(MessageSent))[:-9]
    stage = ClassifyStage()
    stage.take(Slice("mail.events", 0, 0, 2, [0, 1], [cut, encode(event(MessageDelivered))]))
    assert not stage.flush().emissions
    assert stage.tally().taken == 2


def test_one_failure_means_what_it_means_among_others() -> None:
    events = [
        one for one in traffic(120) if isinstance(one, MessageBounced | MessageDeferred | MessageExpired)
    ]
    for one, found in zip(events, classified(*events), strict=True):
        verdict = verdict_on(one, active_ruleset())
        assert (found.bounce_class, found.leaf, found.rule) == (
            verdict.bounce_class,
            verdict.leaf,
            verdict.rule,
        )


@pytest.mark.parametrize("said", ["", "5.1", "5.1.1.1", "..", "٥.١.١", "\x00", "x" * 20_000, "\U0010ffff"])
@pytest.mark.parametrize(
    "field",
    [
        "enhanced_code",
        "response",
        "mx_host",
        "provider",
        "recipient_domain",
        "from_domain",
        "stream",
        "message_id",
    ],
)
def test_what_producers_write_unchecked_stops_nobody(field: str, said: str) -> None:
    strange = event(MessageBounced, smtp_code=550, response="550 5.1.1 no such user")
    unchecked = strange.model_copy(update={field: said})
    emissions = run(
        ClassifyStage(), [slice_of([unchecked, event(MessageBounced, 2, response="550 5.1.1 unknown")])]
    )
    told = [decode(emission.value) for emission in emissions]
    assert len([one for one in told if isinstance(one, BounceClassified)]) == 2
