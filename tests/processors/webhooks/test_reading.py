"""What holds for every provider: ids, what is not understood, addresses, times."""

import json
from dataclasses import replace
from typing import Any

import pytest
from webhook_case import ANN, JO, JO_HASH, RECEIVED, origin, read

from processors.webhooks.read import read_webhook
from processors.webhooks.tables import InvalidTable, read_table
from schemas.mail import MessageBounced, MessageDelivered, MessageOpened


def delivered(**more: Any) -> dict[str, Any]:
    return {
        "event": "delivered",
        "email": JO,
        "timestamp": 1_767_603_600,
        "sg_event_id": "one",
        "response": "250 OK",
        **more,
    }


def test_the_same_fact_by_sns_and_eventbridge_is_one() -> None:
    mail = {"timestamp": "2026-01-05T09:00:00.000Z", "messageId": "0102", "destination": [JO]}
    bounce = {
        "bounceType": "Permanent",
        "timestamp": "2026-01-05T09:00:01.000Z",
        "bouncedRecipients": [{"emailAddress": JO}],
    }
    event = {"eventType": "Bounce", "mail": mail, "bounce": bounce}
    told = [
        read("ses", body, channel).events[0].event_id
        for channel, body in (
            ("sns", {"Type": "Notification", "Message": json.dumps(event)}),
            ("eventbridge", {"detail-type": "Email Bounced", "detail": event}),
            ("sns", event),
            (
                "sns",
                {
                    "Type": "Notification",
                    "Message": json.dumps({**event, "notificationType": "Bounce", "eventType": ""}),
                },
            ),
        )
    ]
    assert told == [MessageBounced.id_of("acme", f"0102/Bounce/{JO_HASH}/1767603601000")] * 4


def test_a_batch_told_again_in_other_order_and_company_gives_the_same_ids() -> None:
    batch = [delivered(sg_event_id=str(number)) for number in range(20)]
    whole = {event.event_id for event in read("sendgrid", batch).events}
    assert len(whole) == 20
    assert {
        event.event_id for part in (batch[13:], batch[:13][::-1]) for event in read("sendgrid", part).events
    } == whole


def test_what_has_no_id_is_known_by_what_it_says() -> None:
    without = {name: value for name, value in delivered().items() if name != "sg_event_id"}
    (one,), (same,), (other,) = (
        read("sendgrid", [each]).events for each in (without, without, {**without, "response": "250 yes"})
    )
    assert one.event_id == same.event_id != other.event_id


def test_mailguns_ids_are_of_a_day() -> None:
    about = {"event": "delivered", "id": "abc", "recipient": JO}
    today, tomorrow = (
        read("mailgun", {"event-data": {**about, "timestamp": at}}).events[0]
        for at in (1767603600.0, 1767690000.0)
    )
    assert (today.source_event_id, tomorrow.source_event_id) == ("abc/2026-01-05", "abc/2026-01-06")


def test_an_id_with_an_address_in_it_goes_by_its_hash() -> None:
    (event,) = read("sendgrid", [delivered(sg_event_id=f"for-{JO}")]).events
    assert event.source_event_id is not None
    assert "@" not in event.source_event_id
    assert len(event.source_event_id) == 64


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"event": "teleported"}, "event 1: type 'teleported' is unknown"),
        ({"event": f"for {JO}"}, "event 1: type 'for <address>' is unknown"),
        ({"event": "x" * 500}, f"event 1: type {'x' * 64!r} is unknown"),
        ({"email": JO}, "event 1: it names no type (event)"),
        ({"event": ["delivered"]}, "event 1: it names no type (event)"),
        (5, "event 1: it is no object"),
        (delivered(timestamp="yesterday"), "event 1: delivered: occurred_at wants seconds since the epoch"),
        (delivered(timestamp=10**14), "event 1: delivered: MessageDelivered.occurred_at wants less than or equal to 10413791999999"),
        (delivered(email=5.5j.imag), "event 1: delivered: recipient wants an address"),
        (delivered(email={"a": 1}), "event 1: delivered: recipient wants an address"),
        ({**delivered(), "event": "deferred", "attempt": "many"}, "event 1: deferred: attempt wants a whole number"),
        ({**delivered(), "event": "open", "sg_machine_open": "perhaps"}, "event 1: open: is_machine wants true or false"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_named_and_hurts_no_other(wrong: Any, why: str) -> None:
    reading = read("sendgrid", [delivered(), wrong, delivered(sg_event_id="two")])
    assert reading.not_understood == (why,)
    assert [event.source_event_id for event in reading.events] == ["one", "two"]


def test_a_type_with_conditions_that_none_of_its_rows_has() -> None:
    reading = read(
        "postmark",
        {"RecordType": "Bounce", "Type": "Telepathy", "Email": JO, "BouncedAt": "2026-01-05T09:00:00Z"},
    )
    assert reading.not_understood == ("event 0: type 'Bounce' is unknown with such Type",)


def test_what_is_passed_over_says_why() -> None:
    reading = read("resend", {"type": "domain.created", "created_at": "2026-01-05T09:00:00Z", "data": {}})
    assert reading.ignored == (
        "event 0: domain.created: about a contact, a domain, a list or an inbox, not about a message that was sent",
    )


def test_a_line_that_is_broken_hurts_no_other() -> None:
    line = json.dumps(
        {"event": "delivery", "event_id": "1", "email": JO, "timestamp": 1_767_603_600}
    ).encode()
    reading = read("mailtrap", line + b"\n{broken\n" + line)
    assert len(reading.events) == 2
    assert reading.not_understood == ("event 1: it is no object",)


def test_a_body_that_is_none() -> None:
    assert read("sendgrid", b"{broken").not_understood[0].startswith("body: it is no JSON")
    assert read("mandrill", b"a=b").not_understood == ("body: it is no form with mandrill_events",)


def test_what_has_no_time_happened_when_it_came() -> None:
    (event,) = read("sendgrid", [{"event": "delivered", "email": JO, "sg_event_id": "one"}]).events
    assert event.occurred_at == RECEIVED


@pytest.mark.parametrize(
    ("response", "kept"),
    [
        (f"550 5.1.1 <{JO}> unknown", "550 5.1.1 <address> unknown"),
        (f"550 5.1.1 {JO.lower()} and {ANN} unknown", "550 5.1.1 <address> and <address> unknown"),
        ("550 see https://x.example/?to=Jo.Doe%40Gmail.com now", "550 see https://x.example/?to=<address> now"),
        ("550 see https://x.example/?to=jo.doe%40gmail.com now", "550 see https://x.example/?to=<address> now"),
    ],
)  # fmt: skip
def test_addresses_in_responses_are_replaced(response: str, kept: str) -> None:
    (event,) = read("sendgrid", [{**delivered(), "event": "bounce", "reason": response}]).events
    assert isinstance(event, MessageBounced)
    assert event.response == kept


def test_an_address_of_letters_beyond_ascii_is_replaced_too() -> None:
    who = "用户@例子.测试"
    (event,) = read(
        "sendgrid", [{**delivered(email=who), "event": "bounce", "reason": f"550 {who} unknown"}]
    ).events
    assert isinstance(event, MessageBounced)
    assert event.response == "550 <address> unknown"
    assert event.recipient_domain == "xn--fsqu00a.xn--0zwm56d"


def test_no_half_address_stays_where_a_long_response_is_cut() -> None:
    for shift in range(40):
        words = "x" * shift + " " + "jo.doe@gmail.com " * 600
        (event,) = read("sendgrid", [{**delivered(), "event": "bounce", "reason": words}]).events
        assert isinstance(event, MessageBounced)
        assert event.response is not None
        assert len(event.response) <= 4096
        assert "jo" not in event.response


def test_without_keys_two_recipients_of_one_event_stay_two() -> None:
    body = {
        "type": "email.sent",
        "created_at": "2026-01-05T09:00:00Z",
        "data": {"email_id": "e", "to": [JO, ANN]},
    }
    gone = replace(origin("resend"), hashed=lambda _: None)
    events = read_webhook("resend", json.dumps(body).encode(), gone).events
    assert [event.recipient_hash for event in events] == [None, None]
    assert [event.recipient_domain for event in events] == ["gmail.com", "example.org"]
    assert len({event.event_id for event in events}) == 2


def test_a_recipient_that_is_no_address_is_warned_of() -> None:
    reading = read("sendgrid", [delivered(email="nobody")])
    assert reading.events[0].recipient_hash is None
    assert reading.warnings == ("event 0: delivered: its recipient is no address",)


def test_milliseconds_where_seconds_are_documented() -> None:
    (event,) = read("sendgrid", [delivered(timestamp=1_767_603_600_250)]).events
    assert event.occurred_at == 1_767_603_600_250


def test_brevos_first_opening_told_as_unique_too_is_one() -> None:
    about = {"email": JO, "message-id": "<1@x.example>", "ts_epoch": 1_767_603_600_250}
    ids = {read("brevo", {**about, "event": kind}).events[0].event_id for kind in ("opened", "unique_opened")}
    assert len(ids) == 1


def test_origin_is_taken_over() -> None:
    (event,) = read_webhook("sendgrid", json.dumps([delivered()]).encode(), origin("sendgrid", "hook")).events
    assert isinstance(event, MessageDelivered)
    assert (event.tenant, event.source, event.channel) == ("acme", "sendgrid", "hook")


@pytest.mark.parametrize(
    ("response", "codes"),
    [
        ("550 5.1.1 unknown", (550, "5.1.1")),
        ("550-5.7.26 This mail", (550, "5.7.26")),
        ("smtp; 554 5.7.1 <x>: refused", (554, "5.7.1")),
        ("smtp;452-4.2.2 full", (452, "4.2.2")),
        ("host mx.example[198.51.100.254] said: 550 5.1.10 x", (550, "5.1.10")),
        ("Exim 4.92.3 said no", (None, None)),
        ("sent in 2026, ab550", (None, None)),
    ],
)
def test_codes_in_responses(response: str, codes: tuple[int | None, str | None]) -> None:
    (event,) = read("sendgrid", [{**delivered(), "event": "bounce", "reason": response}]).events
    assert isinstance(event, MessageBounced)
    assert (event.smtp_code, event.enhanced_code) == codes


GOOD_TABLE = """
title = "X"
source = "https://x.example"
body = "one or many"
type = "event"
id = ["id"]
[fields]
recipient = "to as address"
[[events]]
type = "open"
record = "MessageOpened"
"""


def test_a_table() -> None:
    assert read_table("x", GOOD_TABLE).rules["open"][0].record is MessageOpened


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"MessageOpened"', '"MessageLost"', "MessageLost"),
        ('type = "open"', 'type = "open"\ncolour = "red"', "no such key: colour"),
        ('type = "open"', 'type = "open"\nfields = { mood = "x" }', "MessageOpened has no mood"),
        ('"to as address"', '"to as a star"', "no reading 'a star'"),
        ('"one or many"', '"by pigeon"', "by pigeon"),
        ('record = "MessageOpened"', "", "wants a `why`"),
        ("[fields]", '[streams]\nx = "warm"\n[fields]', "streams: there are cold"),
        ('title = "X"', "title =", "TOMLDecodeError"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_table_is_named(old: str, new: str, says: str) -> None:
    with pytest.raises(InvalidTable, match=r"x\.toml") as caught:
        read_table("x", GOOD_TABLE.replace(old, new))
    assert says in str(caught.value)


def test_a_bounce_of_nobody_is_not_understood() -> None:
    told = [delivered(), {"event": "bounce", "timestamp": 1_767_603_600}]
    reading = read("sendgrid", told)
    assert len(reading.events) == 1
    assert reading.not_understood == ("event 1: bounce: it names no recipient (email)",)
