"""No address in clear, anywhere in an event, however it is written."""

from base64 import b64encode
from dataclasses import replace

from made_mails import ORIGIN, RETURNED, hash_of, mail, report

from processors.mails.read import read_mail
from schemas.mail import MessageBounced

ADDRESS = "Some.User@example.net"


def written_by(whole: bytes) -> str:
    reading = read_mail(whole, ORIGIN)
    assert reading.events
    return "".join(event.model_dump_json() for event in reading.events)


def test_the_address_is_taken_out_of_ids_and_words() -> None:
    encoded = b64encode(ADDRESS.encode()).decode()
    status = (
        f"Reporting-MTA: dns; mta.example.com\nOriginal-Envelope-Id: env-{ADDRESS}\n\n"
        f"Final-Recipient: rfc822; {ADDRESS}\nAction: failed\nStatus: 5.1.1\n"
        f"Diagnostic-Code: smtp; 550 {ADDRESS} some.user=example.net some.user%40example.net https://x.example/?e={encoded} "
        "Another@example.org who@[192.0.2.1] josé@exämple.intern\n"
    )
    returned = (
        RETURNED.replace("<m1@news.example.com>", "<17.some.user=example.net@news.example.com>")
        .replace("user@example.net", ADDRESS)
        .replace("s=s1", "s=some.user%40example.net")
    )
    returned += f"X-Campaign: for {ADDRESS} and third@example.org\nFeedback-ID: x:{ADDRESS}:y:z\n"
    written = written_by(report(status=status, returned=returned)).lower()
    for form in (
        "some.user@",
        "some.user=",
        "some.user%40",
        encoded.lower(),
        "another@",
        "who@",
        "third@",
        "josé@",
    ):
        assert form not in written


def test_the_address_stays_out_where_the_key_is_gone() -> None:
    origin = replace(ORIGIN, hashed=lambda _: None)
    returned = RETURNED.replace("<m1@news.example.com>", f"<{ADDRESS.lower()}>")
    (event,) = read_mail(report(failed=ADDRESS, returned=returned), origin).events
    assert event.recipient_hash is None
    assert "some.user" not in event.model_dump_json().lower()


def test_a_message_id_stays_the_same_for_the_same_message() -> None:
    returned = RETURNED.replace("<m1@news.example.com>", f"<17.{ADDRESS.replace('@', '=')}@news.example.com>")
    (event,) = read_mail(report(failed=ADDRESS, returned=returned), ORIGIN).events
    assert event.message_id == f"<17.{event.recipient_hash}@news.example.com>"


def test_whom_the_message_was_sent_to_stays_out_where_another_address_failed() -> None:
    returned = RETURNED.replace("<m1@news.example.com>", "<17.user=example.net@news.example.com>")
    (event,) = read_mail(report(failed="elsewhere@other.example", returned=returned), ORIGIN).events
    assert event.message_id == f"<17.{hash_of('user@example.net')}@news.example.com>"
    assert "user=" not in event.model_dump_json()


def test_an_address_that_is_cut_at_the_end_of_long_words_is_not_there_in_part() -> None:
    note = "could not be delivered: " + "x " * 4000 + f"<{ADDRESS}>: user unknown " * 300
    whole = mail(
        {"From": "MAILER-DAEMON@x.example", "To": "b@example.com", "Subject": "failure notice"}, note
    )
    for event in read_mail(whole, ORIGIN).events:
        assert isinstance(event, MessageBounced)
        assert len(event.response or "") <= 4096
        assert "some.u" not in (event.response or "").lower()
