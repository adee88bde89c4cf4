"""Complaints, in the forms they come in."""

import pytest
from made_mails import ORIGIN, RETURNED, hash_of, mail

from processors.mails.read import read_mail
from processors.mails.settings import MailSettings
from schemas.mail import ComplaintReceived, RecipientUnsubscribed


def arf(
    report: str, returned: str = RETURNED, sender: str = "fbl@isp.example", part: str = "message/rfc822"
) -> bytes:
    """A feedback report of these fields."""
    return mail(
        {
            "From": sender,
            "To": "abuse@example.com",
            "Subject": "FW: Our offers",
            "Date": "Sun, 1 Nov 2026 10:00:00 +0000",
            "MIME-Version": "1.0",
            "Content-Type": 'multipart/report; report-type=feedback-report; boundary="f"',
        },
        f"--f\nContent-Type: text/plain\n\nThis is an email abuse report.\n\n--f\nContent-Type: message/feedback-report\n\n"
        f"{report}\n--f\nContent-Type: {part}\n\n{returned}\nHello.\n--f--\n",
    )


FULL = """Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <b-17@bounce.example.com>
Original-Rcpt-To: <user@example.net>
Arrival-Date: Sun, 1 Nov 2026 07:00:00 +0000
Reporting-MTA: dns; mx.example.net
Source-IP: 192.0.2.1
Incidents: 3
"""


def test_a_complaint_tells_all_it_can() -> None:
    reading = read_mail(arf(FULL), ORIGIN)
    assert reading.kind == "feedback-report"
    (event,) = reading.events
    assert isinstance(event, ComplaintReceived)
    assert event.feedback_type == "abuse"
    assert event.recipient_hash == hash_of("user@example.net")
    assert event.recipient_domain == "example.net"
    assert event.message_id == "<m1@news.example.com>"
    assert event.mail_from_domain == "bounce.example.com"
    assert event.from_domain == "news.example.com"
    assert event.dkim_domain == "example.com"
    assert event.user_agent == "SomeGenerator/1.0"
    assert event.ip == "192.0.2.1"
    assert event.incidents == 3
    assert event.occurred_at == 1_793_527_200_000


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("abuse", "abuse"), ("fraud", "fraud"), ("virus", "virus"), ("other", "other"), ("not-spam", "not-spam"),
        ("auth-failure", "auth-failure"), ("miscategorized", "miscategorized"), ("ABUSE", "abuse"), ("made-up", "other"),
    ],
)  # fmt: skip
def test_feedback_types_are_the_registered_ones(kind: str, told: str) -> None:
    (event,) = read_mail(arf(FULL.replace(": abuse", f": {kind}")), ORIGIN).events
    assert isinstance(event, ComplaintReceived)
    assert event.feedback_type == told


def test_an_opt_out_is_an_unsubscription_too() -> None:
    report = "Feedback-Type: opt-out\nUser-Agent: G/1\nVersion: 0.1\nRemoval-Recipient: user@example.net\n"
    complaint, unsubscribed = read_mail(arf(report, part="text/rfc822-header"), ORIGIN).events
    assert isinstance(complaint, ComplaintReceived)
    assert isinstance(unsubscribed, RecipientUnsubscribed)
    assert complaint.recipient_hash == unsubscribed.recipient_hash == hash_of("user@example.net")


@pytest.mark.parametrize(
    "redacted",
    ["redacted@example.net", "xxxxx@example.net", "*****@example.net", "undisclosed recipient <redacted@example.net>",
     "db0552085c94f7bc605b02cf12c0535a@example.net"],
)  # fmt: skip
def test_a_redacted_recipient_is_nobody_at_a_domain(redacted: str) -> None:
    report = FULL.replace("<user@example.net>", redacted)
    (event,) = read_mail(
        arf(report, RETURNED.replace("user@example.net", "undisclosed-recipients:;")), ORIGIN
    ).events
    assert event.recipient_hash is None
    assert event.recipient_domain == "example.net"


def test_the_returned_message_names_whom_the_report_does_not() -> None:
    report = "Feedback-Type: abuse\nUser-Agent: AOL SComp\nVersion: 0.1\nSource-IP: 192.0.2.1\n"
    (event,) = read_mail(arf(report), ORIGIN).events
    assert event.recipient_hash == hash_of("user@example.net")


def test_a_postmaster_in_the_returned_message_is_nobody_who_complains() -> None:
    returned = RETURNED.replace("To: user@example.net", 'To: "REDACTED" <postmaster@example.net>')
    (event,) = read_mail(
        arf(FULL.replace("Original-Rcpt-To: <user@example.net>\n", ""), returned), ORIGIN
    ).events
    assert event.recipient_hash is None


def test_yahoo_names_them_by_x_apparently_to() -> None:
    report = "Feedback-Type: abuse\nUser-Agent: Yahoo!-Mail-Feedback/1.0\nVersion: 0.1\n"
    returned = "X-Apparently-To: user@yahoo.example via 192.0.2.1; Sun, 1 Nov 2026\n" + RETURNED
    (event,) = read_mail(arf(report, returned), ORIGIN).events
    assert event.recipient_hash == hash_of("user@yahoo.example")


def test_several_recipients_are_several_complaints() -> None:
    report = FULL + "Original-Rcpt-To: <other@example.net>\n"
    events = read_mail(arf(report), ORIGIN).events
    assert [event.recipient_hash for event in events] == [
        hash_of("user@example.net"),
        hash_of("other@example.net"),
    ]
    assert len({event.event_id for event in events}) == 2


def test_verp_names_whom_the_report_redacts() -> None:
    report = FULL.replace("<user@example.net>", "redacted@example.net").replace(
        "b-17@", "b+user=example.net@"
    )
    returned = RETURNED.replace("b-17@", "b+user=example.net@").replace(
        "To: user@example.net", "To: redacted"
    )
    settings = MailSettings(verp=("b+{local}={domain}@bounce.example.com",))
    (event,) = read_mail(arf(report, returned), ORIGIN, settings).events
    assert event.recipient_hash == hash_of("user@example.net")


def test_microsofts_form_has_no_report() -> None:
    returned = "X-HmXmrOriginalRecipient: user@hotmail.com\n" + RETURNED
    whole = mail(
        {
            "From": "staff@hotmail.com",
            "To": "fbl@example.com",
            "Subject": "complaint about message from 192.0.2.77",
            "Content-Type": 'multipart/mixed; boundary="m"',
        },
        f"--m\nContent-Type: message/rfc822\n\n{returned}\nHello.\n--m--\n",
    )
    (event,) = read_mail(whole, ORIGIN).events
    assert isinstance(event, ComplaintReceived)
    assert event.recipient_hash == hash_of("user@hotmail.com")
    assert event.provider == "microsoft"
    assert event.ip == "192.0.2.77"


def test_fields_in_the_text_are_a_report_too() -> None:
    text = mail(
        {"From": "abuse@isp.example", "To": "abuse@example.com", "Subject": "Abuse report"},
        f"This is a complaint.\n\n{FULL}\n----- Original message -----\n\n{RETURNED}\nHello.\n",
    )
    reading = read_mail(text, ORIGIN)
    (event,) = reading.events
    assert reading.kind == "feedback-report"
    assert event.recipient_hash == hash_of("user@example.net")
    assert event.message_id == "<m1@news.example.com>"


def test_a_report_without_the_part_that_tells_is_a_complaint_where_it_says_that_it_is_a_report() -> None:
    parts = f"--f\nContent-Type: text/plain\n\nAn abuse report.\n--f\nContent-Type: message/rfc822\n\n{RETURNED}\nx\n--f--\n"
    for report_type, kind in (("feedback-report", "feedback-report"), ("x-other", "mail")):
        content_type = f'multipart/report; report-type={report_type}; boundary="f"'
        reading = read_mail(
            mail({"From": "abuse@isp.example", "Subject": "x", "Content-Type": content_type}, parts), ORIGIN
        )
        assert reading.kind == kind


def test_received_date_stands_in_for_arrival_date() -> None:
    report = FULL.replace("Arrival-Date", "Received-Date")
    without_date = arf(report).replace(b"Date: Sun, 1 Nov 2026 10:00:00 +0000\n", b"", 1)
    (event,) = read_mail(without_date, ORIGIN).events
    assert event.occurred_at == 1_793_516_400_000


def test_the_same_complaint_by_another_way_is_the_same_event() -> None:
    (first,) = read_mail(arf(FULL), ORIGIN).events
    (second,) = read_mail(mail({"Received": "from a by b"}, arf(FULL)), ORIGIN).events
    assert first.event_id == second.event_id


def test_a_complaint_that_a_host_passes_on_is_one() -> None:
    passed_on = mail(
        {
            "From": "Abuse desk <abuse@host.example>",
            "To": "abuse@example.com",
            "Subject": "Abuse message",
            "Content-Type": 'multipart/mixed; boundary="h"',
        },
        "--h\nContent-Type: text/plain\n\nWe received the attached report. Answer abuse@host.example.\n"
        f"--h\nContent-Type: message/rfc822\n\n{arf(FULL).decode()}\n--h--\n",
    )
    (direct,), (event,) = read_mail(arf(FULL), ORIGIN).events, read_mail(passed_on, ORIGIN).events
    assert isinstance(event, ComplaintReceived)
    assert event.event_id == direct.event_id
