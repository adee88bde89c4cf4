"""Codes in texts, and numbers that are none."""

import pytest

from processors.classification.codes import enhanced_code_in, reply_code_in
from processors.classification.reply import LONGEST, Reply, hear


@pytest.mark.parametrize(
    ("text", "code", "enhanced"),
    [
        ("550 5.1.1 user unknown", 550, "5.1.1"),
        ("smtp; 550 5.1.1 user unknown", 550, "5.1.1"),
        ("smtp;550-5.1.1 the email account", 550, "5.1.1"),
        ("x-postfix; host mx[10.1.2.3] said: 452 4.2.2 full (in reply to rcpt to command)", 452, "4.2.2"),
        ("host mx.example.com[10.5.1.1] said: 554 no", 554, None),
        ("(550 5.7.1 refused)", 550, "5.7.1"),
        ("553 sorry, that domain isn't here (#5.7.1)", 553, "5.7.1"),
        ("550 #5.1.0 address rejected", 550, "5.1.0"),
        ("<<< 550 no such user", 550, None),
        ("remote host said: 550 5.5.0 mailbox unavailable", 550, "5.5.0"),
        ("user unknown (5.1.1)", None, "5.1.1"),
        ("status: 5.2.2", None, "5.2.2"),
        (
            "smtp error from remote mail server after rcpt to:<a@b.example>: host mx [10.4.1.1]: 550 no",
            550,
            None,
        ),
        ("421-4.7.0 [10.1.1.1] try again", 421, "4.7.0"),
        ("250 2.1.5 ok", 250, "2.1.5"),
        ("5.1.2 host unknown", None, "5.1.2"),
    ],
)
def test_codes_are_found_where_they_are_written(text: str, code: int | None, enhanced: str | None) -> None:
    assert (reply_code_in(text), enhanced_code_in(text)) == (code, enhanced)


@pytest.mark.parametrize(
    "text",
    [
        "exim 4.94.2 refused",
        "postfix 2.5.1 is too old",
        "connect to 10.4.2.2 failed",
        "connect to mx[4.2.2.1]:25",
        "version 5.1.1 of the scanner",
        "message of 5500 bytes, limit is 450 kb",
        "took 421 ms on port 587",
        "v5.1.1",
        "",
    ],
)
def test_numbers_that_are_no_codes(text: str) -> None:
    assert (reply_code_in(text), enhanced_code_in(text)) == (None, None)


def test_a_reply_of_several_lines_is_one() -> None:
    heard = hear(
        Reply(
            "550-5.1.1 The email account that you tried to\r\n550-5.1.1 reach does not exist. Try\r\n550 5.1.1 again"
        )
    )
    assert heard.text == "550 5.1.1 the email account that you tried to reach does not exist. try again"
    assert (heard.smtp_code, heard.enhanced_code) == (550, "5.1.1")


def test_what_the_receiver_said_is_told_from_the_account_of_it() -> None:
    heard = hear(
        Reply("SMTP error from remote mail server:\nhost mx.example.com [10.1.1.1]:\n550 user unknown")
    )
    assert heard.reply == "550 user unknown"


def test_codes_given_win_but_for_a_vague_one() -> None:
    assert hear(Reply("550 5.1.1 no", smtp_code=450, enhanced_code="4.2.0")).smtp_code == 450
    assert hear(Reply("550 5.1.1 no", enhanced_code="4.2.0")).enhanced_code == "4.2.0"
    assert hear(Reply("550 5.1.1 no", enhanced_code="5.0.0")).enhanced_code == "5.1.1"
    assert hear(Reply("no", enhanced_code="5.0.0")).enhanced_code == "5.0.0"


def test_only_so_much_of_a_text_is_looked_at() -> None:
    assert len(hear(Reply("550 " + "a b" * 100_000)).text) <= LONGEST
    assert hear(Reply("\ud800 550 5.1.1 \x00")).enhanced_code == "5.1.1"
    assert hear(Reply(None)).text == ""


def test_texts_that_differ_by_addresses_and_ids_are_heard_alike() -> None:
    one = hear(Reply("550 5.1.1 <jane@example.com>: user unknown 3F2A91C0B2D [10.9.8.7]"))
    two = hear(Reply("550 5.1.1 <joe@example.org>: user unknown 88AB91C0B2D [10.1.2.3]"))
    assert one == two
