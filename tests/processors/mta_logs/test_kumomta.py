"""KumoMTA's log records."""

import json
from typing import Any

import pytest
from log_reading import Reading, hashed

from schemas.mail import (
    ComplaintReceived,
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    MessageDropped,
    MessageExpired,
    MessageSent,
)

DELIVERY: dict[str, Any] = {
    "type": "Delivery",
    "id": "1d98076abbbc11ed940250ebf67f93bd",
    "sender": "bounce@mail.news.example",
    "recipient": "Ann@gmail.com",
    "queue": "spring:acme@gmail.com",
    "site": "source2->(alt1|alt2)?.gmail-smtp-in.l.google.com@smtp_client",
    "size": 1047,
    "response": {
        "code": 250,
        "enhanced_code": {"class": 2, "subject": 0, "detail": 0},
        "content": "OK ids=8a5475ccbbc611eda12250ebf67f93bd",
        "command": ".",
    },
    "peer_address": {"name": "gmail-smtp-in.l.google.com.", "addr": "142.250.110.27"},
    "timestamp": 1757003773,
    "created": 1757003770,
    "num_attempts": 0,
    "bounce_classification": "Uncategorized",
    "egress_pool": "pool0",
    "egress_source": "source2",
    "source_address": {"address": "192.0.2.7:53210"},
    "feedback_report": None,
    "meta": {},
    "headers": {"From": "News <hello@brand.example>", "Message-ID": "<1@brand.example>"},
    "delivery_protocol": "ESMTP",
    "reception_protocol": "ESMTP",
    "nodeid": "557f3ad4-2c8c-11ee-976e-782d7e12e173",
    "tls_cipher": "TLS_AES_256_GCM_SHA384",
    "tls_protocol_version": "TLSv1.3",
}


def record(kind: str, **fields: Any) -> str:
    return json.dumps({**DELIVERY, "type": kind, **fields})


def response(code: int, enhanced: str | None, content: str) -> dict[str, Any]:
    parts = (
        dict(zip(("class", "subject", "detail"), map(int, enhanced.split(".")), strict=True))
        if enhanced
        else None
    )
    return {"code": code, "enhanced_code": parts, "content": content, "command": None}


def test_a_delivery_tells_all_of_itself() -> None:
    (delivered,) = Reading("kumomta").take(record("Delivery")).events
    assert isinstance(delivered, MessageDelivered)
    assert delivered.occurred_at == 1_757_003_773_000
    assert delivered.latency_ms == 3000
    assert (delivered.smtp_code, delivered.tls_version) == (250, "TLSv1.3")
    assert delivered.response == "250 2.0.0 OK ids=8a5475ccbbc611eda12250ebf67f93bd"
    assert (delivered.mx_host, delivered.provider) == ("gmail-smtp-in.l.google.com", "gmail")
    assert (delivered.ip, delivered.pool, delivered.campaign) == ("192.0.2.7", "pool0", "spring")
    assert (delivered.from_domain, delivered.mail_from_domain) == ("brand.example", "mail.news.example")
    assert delivered.message_id == "<1@brand.example>"
    assert (delivered.recipient_hash, delivered.recipient_domain) == (hashed("ann@gmail.com"), "gmail.com")


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("Reception", MessageSent),
        ("Delivery", MessageDelivered),
        ("TransientFailure", MessageDeferred),
        ("Bounce", MessageBounced),
        ("OOB", MessageBounced),
        ("Expiration", MessageExpired),
        ("AdminBounce", MessageDropped),
        ("Rejection", MessageDropped),
        ("Feedback", ComplaintReceived),
    ],
)
def test_every_type_that_says_what_became_of_a_message_is_an_event(kind: str, event: type) -> None:
    reading = Reading("kumomta").take(record(kind))
    assert [type(told) for told in reading.events] == [event]


@pytest.mark.parametrize("kind", ["AdminRebind", "DeferredInjectionRebind", "Delayed", "XferIn", "XferOut"])
def test_moves_between_queues_say_nothing(kind: str) -> None:
    assert Reading("kumomta").take(record(kind)).counts["noted"] == 1


def test_failures_carry_their_codes_and_no_address() -> None:
    said = response(451, "4.7.1", "<Ann@gmail.com>: try later")
    bounce = response(550, "5.1.1", "ann@gmail.com unknown")
    reading = Reading("kumomta").take(
        [
            record("TransientFailure", response=said, num_attempts=2),
            record("Bounce", response=bounce),
            record("OOB", response=response(550, None, "gone")),
        ]
    )
    deferred, bounced, late = reading.events
    assert isinstance(deferred, MessageDeferred)
    assert (deferred.attempt, deferred.smtp_code, deferred.enhanced_code) == (3, 451, "4.7.1")
    assert deferred.response == "451 4.7.1 <address>: try later"
    assert isinstance(bounced, MessageBounced)
    assert bounced.response == "550 5.1.1 <address> unknown"
    assert isinstance(late, MessageBounced)
    assert (bounced.is_async, late.is_async) == (False, True)


def test_several_recipients_are_events_of_their_own_and_times_may_be_finer() -> None:
    several = record(
        "Reception", recipient=["a@gmail.com", "b@gmail.com"], event_time="2026-09-04T16:36:13.250Z"
    )
    reading = Reading("kumomta").take(several)
    assert [event.recipient_hash for event in reading.events] == [
        hashed("a@gmail.com"),
        hashed("b@gmail.com"),
    ]
    assert len({event.event_id for event in reading.events}) == 2
    assert reading.events[0].occurred_at % 1000 == 250


def test_an_event_time_of_null_is_none() -> None:
    reading = Reading("kumomta").take(record("Delivery", event_time=None))
    assert "MessageDelivered" in reading.kinds()


@pytest.mark.parametrize(
    "named",
    [
        {"original_rcpto_to": ["<bob@example.org>"]},
        {"original_rcpt_to": ["bob@example.org"]},
        {"original_rcpto_to": [], "supplemental_trace": {"_@_": "\\_/", "recipient": "bob@example.org"}},
        {
            "original_rcpto_to": ["redacted@example.org"],
            "supplemental_trace": {"recipient": ["bob@example.org"]},
        },
    ],
)
def test_a_complaint_is_the_original_recipient_s(named: dict[str, Any]) -> None:
    report = {"feedback_type": "abuse", "user_agent": "FBL/1.0", "incidents": 2, **named}
    (complaint,) = (
        Reading("kumomta")
        .take(record("Feedback", recipient="fbl@news.example", feedback_report=report))
        .events
    )
    assert isinstance(complaint, ComplaintReceived)
    assert (complaint.feedback_type, complaint.user_agent, complaint.incidents) == ("abuse", "FBL/1.0", 2)
    assert complaint.recipient_hash == hashed("bob@example.org")


def test_a_report_s_own_headers_are_not_the_message_s() -> None:
    report = {
        "feedback_type": "abuse",
        "original_rcpto_to": ["<bob@example.org>"],
        "original_mail_from": "<b-1@bounce.brand.example>",
        "original_message": "Received: from x\r\nMessage-ID:\r\n <7@brand.example>\r\nFrom: Brand <hi@brand.example>\r\n\r\nHi",
    }
    its_own = {"From": "feedback@arf.mail.example", "Message-ID": "<report@arf.mail.example>"}
    complaint, bounce = (
        Reading("kumomta")
        .take(
            [
                record("Feedback", recipient="fbl@news.example", headers=its_own, feedback_report=report),
                record(
                    "OOB", recipient="bob@example.org", sender="postmaster@mx.example.org", headers=its_own
                ),
            ]
        )
        .events
    )
    assert (complaint.from_domain, complaint.message_id) == ("brand.example", "<7@brand.example>")
    assert complaint.mail_from_domain == "bounce.brand.example"
    assert (bounce.from_domain, bounce.mail_from_domain, bounce.message_id) == ("news.example", None, None)


def test_nobody_complains_where_the_report_names_nobody() -> None:
    told = record("Feedback", recipient="fbl@news.example", feedback_report={"feedback_type": "abuse"})
    (complaint,) = Reading("kumomta").take([told]).events
    assert (complaint.recipient_hash, complaint.recipient_domain) == (None, None)


def test_ids_are_the_facts_own() -> None:
    lines = [record("TransientFailure", num_attempts=n) for n in range(3)]
    first, again = (Reading("kumomta").take(lines).events for _ in range(2))
    assert [event.event_id for event in first] == [event.event_id for event in again]
    assert len({event.event_id for event in first}) == 3


@pytest.mark.parametrize(
    "damaged",
    [
        "{", "[]", "1", "null", '"Delivery"', '{"type": "Delivery"}', record("Delivery")[:200], record("Other"),
        record("Delivery", recipient=7), record("Delivery", recipient=[7]), record("Delivery", timestamp="x"),
        record("Delivery", timestamp=None), record("Delivery", timestamp=1e300), record("Delivery", response=3),
        record("Delivery", headers="x" * 70_000), record("Bounce", response={"enhanced_code": {"class": 5}}),
        record("Delivery", type=["Delivery"]),
    ],
)  # fmt: skip
def test_damaged_records_are_told_apart(damaged: str) -> None:
    reading = Reading("kumomta").take([record("Delivery"), damaged, record("Bounce")])
    assert reading.counts["damaged"] == 1
    assert len(reading.events) == 2


def test_what_is_no_text_is_made_one() -> None:
    odd = {
        "meta": {"campaign": ["spring", "x"]},
        "headers": {"From": ["A <a@brand.example>", "b@other.example"]},
        "egress_pool": 5,
    }
    (event,) = Reading("kumomta").take(record("Delivery", **odd)).events
    assert (event.campaign, event.from_domain, event.pool) == ("spring", "brand.example", "5")
    (event,) = (
        Reading("kumomta")
        .take(record("Delivery", meta={"campaign": {"a": 1}}, queue=None, egress_pool=None))
        .events
    )
    assert (event.campaign, event.pool) == ("{'a': 1}", None)
    (event,) = (
        Reading("kumomta")
        .take(record("Delivery", meta=None, queue="gmail.com", headers=None, sender=None))
        .events
    )
    assert (event.campaign, event.from_domain, event.mail_from_domain) == (None, None, None)


def test_ways_are_told_apart_and_remembered() -> None:
    hosts = ["gmail-smtp-in.l.google.com", "mx.example.org"] * 2
    records = [
        record("Delivery", id=str(number), peer_address={"name": host}) for number, host in enumerate(hosts)
    ]
    assert [event.provider for event in Reading("kumomta").take(records).events] == ["gmail", "other"] * 2
