"""Codes in a receiver's words."""

import pytest

from processors.mails.told import codes_of


@pytest.mark.parametrize(
    ("words", "status", "smtp", "enhanced"),
    [
        ("550 5.1.1 user unknown", "5.1.1", 550, "5.1.1"),
        ("550-5.1.1 The email account does not exist", None, 550, "5.1.1"),
        ("550 user unknown", "5.0.0", 550, "5.0.0"),
        ("550 5.2.2 over quota", "5.0.0", 550, "5.2.2"),
        ("host mx.example[192.0.2.1] said: 421-4.7.0 try later", "4.7.0", 421, "4.7.0"),
        ("Remote host said: 554 delivery error", None, 554, None),
        ("Sorry, no mailbox here by that name. (#5.1.1)", None, None, "5.1.1"),
        ("#550 5.7.1 RESOLVER.RST.AuthRequired; authentication required", None, 550, "5.7.1"),
        ("452-4.2.2 The email account is over quota", "5.0.0", 452, "4.2.2"),
        ("Exceeded maximum size", "553 Exceeded maximum size", 553, None),
        ("英文说明:550 User not found", "5.0.0", 550, "5.0.0"),
        ("id:550-5 at 10:45:550 and mx:550", None, None, None),
        ("call (480) 624-2500 for help", None, None, None),
        ("mx.example.net (Exim 4.2.1) closed the connection", None, None, None),
        ("running version 5.6.7 of the server", None, None, None),
        ("connect to 5.1.1.7: timed out", "4.4.1", None, "4.4.1"),
        ("rejected by the remote server: 5.7.1 no", None, None, "5.7.1"),
        ("at 17:45:21 the mailbox was full", None, None, None),
        (None, "5.1.1 (bad destination)", None, "5.1.1"),
        (None, "2.0.0", None, None),
    ],
)
def test_codes_are_found_and_nothing_else(
    words: str | None, status: str | None, smtp: int | None, enhanced: str | None
) -> None:
    codes = codes_of(words, status, "failed")
    assert (codes.smtp, codes.enhanced) == (smtp, enhanced)
