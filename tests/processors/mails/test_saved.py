"""A mail that a program saved in its own way tells what it told before."""

from collections.abc import Callable

import pytest
from made_bounce import Made
from made_mails import ORIGIN, report

from processors.mails.read import read_mail

WAYS: dict[str, Callable[[bytes], bytes]] = {
    "with a byte order mark": lambda mail: b"\xef\xbb\xbf" + mail,
    "in UTF-16, as a Windows shell redirects": lambda mail: mail.decode().encode("utf-16"),
    "in UTF-16, the other way round": lambda mail: b"\xfe\xff" + mail.decode().encode("utf-16-be"),
    "with CRLF": lambda mail: mail.replace(b"\n", b"\r\n"),
    "with CR, as old Macintoshes have": lambda mail: mail.replace(b"\n", b"\r"),
    "with CR, as a mailbox": lambda mail: b"From x@y.example  Sun Nov  1 09:00:09 2026\r" + mail.replace(b"\n", b"\r"),
    "with NULs behind it, as after a crash": lambda mail: mail + b"\x00" * 4096,
}  # fmt: skip
TEXT = Made(
    "in text",
    "MAILER-DAEMON@mx.example.net",
    "Undelivered",
    "Could not deliver to:\n\nuser@example.net\n",
).mail
ORDINARY = b"From: a@b.example\nTo: c@d.example\nSubject: Your parcel\n\nIt could not be delivered, nobody was at home.\n"


@pytest.mark.parametrize("saved", WAYS.values(), ids=WAYS.keys())
def test_however_it_was_saved_it_tells_the_same(saved: Callable[[bytes], bytes]) -> None:
    for mail in (TEXT, report("user@example.net"), ORDINARY):
        before, after = read_mail(mail, ORIGIN), read_mail(saved(mail), ORIGIN)
        assert after.kind == before.kind
        assert [(type(event), event.recipient_hash, event.message_id) for event in after.events] == [
            (type(event), event.recipient_hash, event.message_id) for event in before.events
        ]
    assert read_mail(ORDINARY, ORIGIN).kind == "mail"
