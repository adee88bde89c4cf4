"""Bounces that are no DSN: whom they are about, and in which words."""

import pytest
from bounces_made import MADE
from made_bounce import Made
from made_mails import ORIGIN, hash_of

from processors.mails.read import read_mail
from schemas.mail import MessageBounced, MessageDeferred


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.name)
def test_a_bounce_tells_whom_and_why(made: Made) -> None:
    reading = read_mail(made.mail, ORIGIN)
    assert reading.kind == "bounce"
    told = [event.recipient_hash for event in reading.events]
    assert told == ([hash_of(one) for one in made.recipients] or [None])
    expected = MessageDeferred if made.action == "delayed" else MessageBounced
    for event in reading.events:
        assert isinstance(event, expected)
        assert made.said in (event.response or "")
        assert "@" not in (event.response or "")
    if made.code is not None:
        assert reading.events[0].smtp_code == made.code
    if made.enhanced is not None:
        assert reading.events[0].enhanced_code == made.enhanced


def test_there_are_many_formats() -> None:
    assert len({made.name for made in MADE}) >= 60


def test_a_name_of_a_directory_is_no_address() -> None:
    note = "Message not delivered to recipients below.\n\n    VNM3043:  A User@MKTG@CORP  user@example.net\n"
    made = Made("", "postmaster@example.org", "Undeliverable mail", note)
    assert [event.recipient_hash for event in read_mail(made.mail, ORIGIN).events] == [
        hash_of("user@example.net")
    ]
