"""Delivery status notifications: recipients, actions, words, ids."""

import pytest
from made_mails import ORIGIN, hash_of, mail, report

from processors.classification.classify import active_ruleset
from processors.classification.stage import verdict_on
from processors.mails.read import read_mail
from schemas.mail import MessageBounced, MessageDeferred, MessageDelivered


def test_a_failed_recipient_is_an_asynchronous_bounce() -> None:
    reading = read_mail(report(failed="user@example.net"), ORIGIN)
    (event,) = reading.events
    assert reading.kind == "dsn"
    assert isinstance(event, MessageBounced)
    assert event.is_async
    assert event.recipient_hash == hash_of("user@example.net")
    assert event.recipient_domain == "example.net"
    assert event.enhanced_code == "5.1.1"
    assert event.smtp_code == 550
    assert event.response == "550 5.1.1 <address>: no such user"
    assert event.mx_host == "mx.example.net"
    assert event.message_id == "<m1@news.example.com>"
    assert event.from_domain == "news.example.com"
    assert event.dkim_domain == "example.com"
    assert event.dkim_selector == "s1"
    assert event.mail_from_domain == "bounce.example.com"
    assert event.occurred_at == 1_793_523_605_000


def test_actions_become_events_of_their_kind() -> None:
    status = """Reporting-MTA: dns; mta.example.com

Final-Recipient: rfc822; late@example.net
Action: delayed
Status: 4.4.1

Final-Recipient: rfc822; there@example.net
Action: delivered
Status: 2.1.5

Final-Recipient: rfc822; list@example.net
Action: expanded
Status: 2.1.5
"""
    events = read_mail(report(status=status), ORIGIN).events
    assert [type(event) for event in events] == [MessageDeferred, MessageDelivered, MessageDelivered]


def test_the_original_recipient_counts_where_the_mail_was_forwarded() -> None:
    status = """Reporting-MTA: dns; mta.example.com

Final-Recipient: rfc822; other@elsewhere.example
Original-Recipient: rfc822;user@example.net
Action: failed
Status: 5.1.1
"""
    (event,) = read_mail(report(status=status), ORIGIN).events
    assert event.recipient_hash == hash_of("user@example.net")


@pytest.mark.parametrize(
    "fields",
    [
        "Original-Recipient: rfc822;user+2Bnews@example.net\nFinal-Recipient: rfc822; user+news@example.net",
        'Final-Recipient: rfc822; "A User" <user+news@example.net>',
        "Final-Recipient: rfc822;mailto:user+news@example.net",
    ],
)
def test_an_address_may_be_written_as_no_standard_has_it(fields: str) -> None:
    status = f"Reporting-MTA: dns; mta.example.com\n\n{fields}\nAction: failed\nStatus: 5.1.1\n"
    (event,) = read_mail(report(status=status), ORIGIN).events
    assert event.recipient_hash == hash_of("user+news@example.net")


def test_the_same_told_twice_in_one_mail_is_one_event() -> None:
    group = "\nFinal-Recipient: rfc822; user@example.net\nAction: failed\nStatus: 5.1.1\n"
    assert len(read_mail(report(status="Reporting-MTA: dns; a.example\n" + 3 * group), ORIGIN).events) == 1


def test_the_same_notification_by_another_channel_is_the_same_event() -> None:
    (first,) = read_mail(report(failed="user@example.net"), ORIGIN).events
    again = mail({"Delivered-To": "bounces@example.com"}, report(failed="user@example.net"))
    (second,) = read_mail(again, ORIGIN).events
    assert first.event_id == second.event_id


def test_recipients_that_no_blank_line_divides_are_told_apart() -> None:
    status = """Reporting-MTA: dns; mta.example.com
Final-Recipient: rfc822; a@example.net
Action: failed
Status: 5.1.1
Final-Recipient: rfc822; b@example.net
Action: failed
Status: 5.2.2
"""
    events = read_mail(report(status=status), ORIGIN).events
    assert [event.recipient_hash for event in events] == [hash_of("a@example.net"), hash_of("b@example.net")]


def test_a_field_is_taken_to_the_letter() -> None:
    for address in (
        "user.@example.net",
        "-user..name@example.net",
        "recipient@#example.net",
        '"a b"@example.net',
    ):
        status = f"Reporting-MTA: dns; a.example\n\nFinal-Recipient: rfc822; <{address}>\nAction: failed\n"
        (event,) = read_mail(report(status=status), ORIGIN).events
        assert event.recipient_hash == hash_of(address)


def test_the_returned_message_says_whom_a_recipient_of_another_kind_is() -> None:
    status = "Reporting-MTA: dns; a.example\n\nFinal-Recipient: x400; /S=user/O=example/\nAction: failed\nStatus: 5.1.1\n"
    (event,) = read_mail(report(status=status), ORIGIN).events
    assert event.recipient_hash == hash_of("user@example.net")


def test_fields_may_come_before_the_recipient() -> None:
    status = """Reporting-MTA: dns; a.example

Diagnostic-Code: smtp; 550 5.1.1 one
Status: 5.1.1
Final-Recipient: rfc822; one@example.net
Action: failed

Diagnostic-Code: smtp; 552 5.2.2 two
Status: 5.2.2
Final-Recipient: rfc822; two@example.net
Action: failed
"""
    events = read_mail(report(status=status), ORIGIN).events
    assert [event.recipient_hash for event in events] == [
        hash_of("one@example.net"),
        hash_of("two@example.net"),
    ]
    assert [getattr(event, "smtp_code", None) for event in events] == [550, 552]


def test_a_report_within_another_mail_is_read() -> None:
    outer = (
        b"From: postmaster@gw.example\nTo: b@example.com\nSubject: x\nContent-Type: multipart/mixed; "
        b'report-type=delivery-status; boundary="o"\n\n--o\nContent-Type: message/rfc822\n\n'
    )
    whole = (
        outer
        + report(failed="user@example.net")
        + b"\n--o\nContent-Type: text/plain\n\nConfidential.\n--o--\n"
    )
    reading = read_mail(whole, ORIGIN)
    assert reading.kind == "dsn"
    assert reading.events[0].recipient_hash == hash_of("user@example.net")


STATUS = "Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; user@example.net\nAction: failed\nStatus: 5.1.1\n"


def passed_on(sender: str, note: str, **header: str) -> bytes:
    """A mail with a note and a notification that came to b-17@bounce.example.com."""
    fields = {"From": sender, "To": "owner@example.com", "Subject": "Undelivered: our mail", **header}
    head = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in fields.items())
    outer = (
        f'{head}Content-Type: multipart/mixed; boundary="o"\n\n--o\nContent-Type: text/plain\n\n{note}\n'
        "--o\nContent-Type: message/rfc822\n\n"
    )
    return outer.encode() + report(status=STATUS) + b"\n--o--\n"


@pytest.mark.parametrize(
    "whole",
    [
        passed_on("mailman@lists.example", "This is a bounce action notice:\n\n  Member: user@example.net\n  Reason: Fatal bounces.\n",
                  Precedence="bulk"),
        passed_on("MAILER-DAEMON@gw.example", "----- The following addresses had permanent delivery errors -----\n\n"),
    ],
)  # fmt: skip
def test_a_notification_that_a_machine_passes_on_is_about_its_recipient(whole: bytes) -> None:
    reading = read_mail(whole, ORIGIN)
    assert reading.kind == "dsn"
    assert [event.recipient_hash for event in reading.events] == [hash_of("user@example.net")]


def test_a_notification_that_bounced_or_that_a_person_asks_about_says_nothing_of_whom_it_was_to() -> None:
    asked = passed_on("Sue <sue@example.com>", "My mail to user@example.net could not be delivered. Why?\n")
    assert read_mail(asked, ORIGIN).kind == "mail"
    elsewhere = (
        "The mail could not be delivered to the following recipients:\n\n<forged@example.org>: user unknown\n"
    )
    bounced = read_mail(passed_on("MAILER-DAEMON@mx.example.org", elsewhere), ORIGIN)
    assert [event.recipient_hash for event in bounced.events] == [hash_of("forged@example.org")]
    nobody = passed_on("postmaster@gw.example", "A mail could not be delivered. Ask help@gw.example.\n")
    assert [event.recipient_hash for event in read_mail(nobody, ORIGIN).events] == [None]


def test_an_address_in_xtext_is_whom_the_message_was_to() -> None:
    status = STATUS.replace("Final-", "Original-Recipient: rfc822; us+2Ber+3D1@example.net\nFinal-")
    for to, whom in (
        ("us+er=1@example.net", "us+er=1@example.net"),
        ("x@example.net", "us+2ber+3d1@example.net"),
    ):
        (event,) = read_mail(
            report(status=status, returned=f"From: a@example.com\nTo: {to}\n"), ORIGIN
        ).events
        assert event.recipient_hash == hash_of(whom)


def test_an_internationalised_address_is_read_in_either_form() -> None:
    for written in ("utf-8; jörg@exämple.de", r"utf-8; j\x{F6}rg@ex\x{E4}mple.de"):
        status = (
            f"Reporting-MTA: dns; a.example\n\nFinal-Recipient: {written}\nAction: failed\nStatus: 5.1.1\n"
        )
        (event,) = read_mail(report(status=status, part="message/global-delivery-status"), ORIGIN).events
        assert event.recipient_hash == hash_of("jörg@exämple.de")
        assert event.recipient_domain == "xn--exmple-cua.de"


WARNED = "a recipient has neither an Action nor a Status: went by what else the mail says"
CUT = "Reporting-MTA: dns; mta.example.com\n\nFinal-Recipient: rfc822; "


def test_of_a_block_that_is_cut_the_note_tells_and_nothing_is_taken_for_fatal() -> None:
    reading = read_mail(report(status=CUT + "user@example.net\nOrig"), ORIGIN)
    (event,) = reading.events
    assert reading.is_partial and reading.warnings == (WARNED,)
    assert isinstance(event, MessageBounced)
    assert event.recipient_hash == hash_of("user@example.net")
    assert not verdict_on(event, active_ruleset()).address_fatal
    assert not read_mail(report(failed="user@example.net"), ORIGIN).is_partial


def test_what_the_note_says_of_another_is_not_said_of_a_recipient_that_is_cut() -> None:
    note = "<first@example.net>: host mx.example.net said: 550 5.1.1 no such user\n"
    whole = "first@example.net\nAction: failed\nStatus: 5.1.1\n\nFinal-Recipient: rfc822; second@exam"
    first, second = read_mail(report(status=CUT + whole, note=note), ORIGIN).events
    assert isinstance(first, MessageBounced) and isinstance(second, MessageBounced)
    fatal = [verdict_on(event, active_ruleset()).address_fatal for event in (first, second)]
    assert (fatal, second.response) == ([True, False], None)


def test_an_address_that_is_cut_is_the_one_that_the_mail_has_whole() -> None:
    note = "<user@example.net>: host mx.example.net said: 550 5.1.1 no such user\n"
    for said in (note, "It failed.\n"):
        (event,) = read_mail(report(status=CUT + "user@exam", note=said), ORIGIN).events
        assert event.recipient_hash == hash_of("user@example.net")


def test_a_block_that_is_cut_in_a_mail_about_a_delay_is_a_delay() -> None:
    note = "Your message to <user@example.net> is delayed. It will be retried for 5 days.\n"
    (event,) = read_mail(report(status=CUT + "user@example.net\nOrig", note=note), ORIGIN).events
    assert isinstance(event, MessageDeferred)
