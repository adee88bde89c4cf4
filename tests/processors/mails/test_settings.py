"""VERP and unsubscribe patterns."""

import pytest
from made_mails import ORIGIN, hash_of, mail, report

from processors.mails.read import read_mail
from processors.mails.settings import InvalidPattern, MailSettings
from schemas.mail import MessageBounced, RecipientUnsubscribed

TEMPLATE = "bounces+{local}={domain}@bounce.example.com"


def bounced_to(address: str, note: str = "Your mail could not be delivered.\n") -> bytes:
    return mail(
        {"Return-Path": "<>", "From": "MAILER-DAEMON@x.example", "To": address, "Subject": "failure notice"},
        note,
    )


def test_a_template_names_the_recipient() -> None:
    settings = MailSettings(verp=(TEMPLATE,))
    (event,) = read_mail(bounced_to("bounces+user=example.net@bounce.example.com"), ORIGIN, settings).events
    assert event.recipient_hash == hash_of("user@example.net")


def test_a_local_part_may_hold_what_divides_it() -> None:
    settings = MailSettings(verp=(TEMPLATE,))
    assert settings.verp_of("bounces+a=b+c=example.net@bounce.example.com") == {
        "local": "a=b+c",
        "domain": "example.net",
    }


def test_a_regular_expression_names_message_and_campaign() -> None:
    pattern = r"b-(?P<campaign>\d+)-(?P<provider_message_id>[0-9a-f]+)@bounce\.example\.com"
    settings = MailSettings(verp=(pattern,))
    (event,) = read_mail(bounced_to("B-17-00ff@bounce.example.com"), ORIGIN, settings).events
    assert isinstance(event, MessageBounced)
    assert event.campaign == "17"
    assert event.provider_message_id == "00ff"


def test_a_hash_in_the_address_is_the_recipient_hash() -> None:
    settings = MailSettings(verp=("b+{recipient_hash}@bounce.example.com",))
    hashed = hash_of("user@example.net")
    (event,) = read_mail(bounced_to(f"b+{hashed}@bounce.example.com"), ORIGIN, settings).events
    assert event.recipient_hash == hashed


def test_the_mailed_address_counts_where_the_receiver_forwarded() -> None:
    whole = report(failed="elsewhere@other.example").replace(
        b"b-17@bounce", b"bounces+user=example.net@bounce"
    )
    (event,) = read_mail(whole, ORIGIN, MailSettings(verp=(TEMPLATE,))).events
    assert event.recipient_hash == hash_of("user@example.net")
    assert event.mx_host == "mx.example.net"


def test_what_looks_like_verp_is_taken_for_want_of_anything_else() -> None:
    (event,) = read_mail(bounced_to("news-bounces+user=example.net@lists.example.com"), ORIGIN).events
    assert event.recipient_hash == hash_of("user@example.net")
    note = "Your mail could not be delivered to:\n\n<other@example.net>: user unknown\n"
    (event,) = read_mail(bounced_to("news-bounces+user=example.net@lists.example.com", note), ORIGIN).events
    assert event.recipient_hash == hash_of("other@example.net")


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("bounces+{local}={domain}", "is no address"),
        ("b+{who}@bounce.example.com", r"has \{who\}"),
        ("b+{local}{local}@bounce.example.com", "twice"),
        ("(?P<local>[^@]+@x", "regular expression"),
        (r"(?P<who>.*)@x", "has"),
    ],
)
def test_a_pattern_that_cannot_be_is_refused_by_name(pattern: str, says: str) -> None:
    with pytest.raises(InvalidPattern, match=says):
        MailSettings(verp=(pattern,))


def test_a_pattern_is_linear_on_hostile_addresses() -> None:
    settings = MailSettings(verp=(r"(?P<local>(a+)+)@x",))
    assert settings.verp_of("a" * 50_000 + "@y") is None


def test_a_mail_to_an_unsubscribe_address_unsubscribes() -> None:
    settings = MailSettings(unsubscribe=("unsubscribe+{local}={domain}@example.com", "leave@example.com"))
    by_address = mail(
        {"From": "x@y.example", "To": "unsubscribe+user=example.net@example.com", "Subject": "x"}, "\n"
    )
    (event,) = read_mail(by_address, ORIGIN, settings).events
    assert isinstance(event, RecipientUnsubscribed)
    assert event.method == "mailto"
    assert event.recipient_hash == hash_of("user@example.net")
    by_sender = mail(
        {"From": "User <user@example.net>", "To": "leave@example.com", "Subject": "unsubscribe"}, "\n"
    )
    (event,) = read_mail(by_sender, ORIGIN, settings).events
    assert event.recipient_hash == hash_of("user@example.net")


def test_apple_mail_unsubscribes_by_what_looks_like_an_automatic_answer() -> None:
    apple = mail(
        {
            "From": "user@icloud.com",
            "To": "opt-out-100731.e75std@example.org",
            "Subject": "unsubscribe",
            "Auto-Submitted": "auto-replied",
            "X-Apple-Unsubscribe": "true",
        },
        "Apple Mail sent this email to unsubscribe from the message.\n",
    )
    (event,) = read_mail(apple, ORIGIN).events
    assert isinstance(event, RecipientUnsubscribed)
    assert event.recipient_hash == hash_of("user@icloud.com")


def test_an_automatic_answer_unsubscribes_nobody() -> None:
    settings = MailSettings(unsubscribe=("leave@example.com",))
    away = mail(
        {
            "From": "user@example.net",
            "To": "leave@example.com",
            "Subject": "Away",
            "Auto-Submitted": "auto-replied",
        },
        "\n",
    )
    assert read_mail(away, ORIGIN, settings).kind == "auto-reply"


def test_a_bounce_to_an_unsubscribe_address_is_a_bounce() -> None:
    settings = MailSettings(unsubscribe=("b-17@bounce.example.com",))
    assert read_mail(report(failed="user@example.net"), ORIGIN, settings).kind == "dsn"
    note = "Your mail could not be delivered to:\n\n<user@example.net>: user unknown\n"
    assert read_mail(bounced_to("b-17@bounce.example.com", note), ORIGIN, settings).kind == "bounce"
