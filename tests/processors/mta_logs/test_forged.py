"""Lines in which a client or a server quotes a line about somebody else: nothing is told of who was not meant."""

import json

import pytest
import test_haraka
from log_reading import Reading, hashed
from test_postfix import ID, MX, accepted, attempt, line

from schemas.mail import MessageBounced, MessageDelivered, MessageDropped

VICTIM = "victim@gmail.com"
REAL = ", relay=mx.attacker.example[192.0.2.66]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"
FORGED = f"{VICTIM}>, relay={MX}, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (550 5.1.1 no such user)"


def smtp(words: str) -> str:
    return line("smtp", f"{ID}: {words}")


def names(reading: Reading, address: str) -> bool:
    return hashed(address) in {event.recipient_hash for event in reading.events}


@pytest.mark.parametrize(
    "words",
    [
        f"to=<{FORGED}@attacker.example>{REAL}",
        f"to=<{VICTIM}>, relay=gmail-smtp-in.l.google.com, delay=1, dsn=5.1.1, status=bounced (550 5.1.1 x)@attacker.example>{REAL}",
        f"to=<{VICTIM}>, orig_to=<x{FORGED.removeprefix(VICTIM)}@attacker.example>{REAL}",
        f"to=<{FORGED}@attacker.example>, orig_to=<list@attacker.example>{REAL}",
        f"to=<someone@attacker.example>, orig_to=<{FORGED}@attacker.example>{REAL}",
    ],
)
def test_an_attempt_within_an_address_without_quotes_is_damage(words: str) -> None:
    reading = Reading("postfix").take([*accepted(), smtp(words)])
    assert reading.events == []
    assert reading.damaged == ["an attempt with a second relay: which recipient is meant can't be told"]


def test_an_attempt_of_which_the_second_relay_was_cut_off_is_damage() -> None:
    words = f"to=<{FORGED.removesuffix(')')} {'x' * 3_000}"[: 2_000 - len(ID) - 2]
    assert Reading("postfix").take([*accepted(), smtp(words)]).damaged == [
        "an attempt that was cut at 2000 bytes: its end may say something else"
    ]
    wide = f"to=<{VICTIM}>{REAL.removesuffix(')')} {'€' * 3_000}".encode()[: 2_000 - len(ID) - 2]
    assert Reading("postfix").take([smtp(wide.decode(errors="ignore") + "??")]).events == []
    whole = f"to=<{VICTIM}>{REAL.removesuffix(')')} {'x' * 1_700})"
    assert Reading("postfix").take([*accepted(), smtp(whole)]).kinds() == ["MessageSent", "MessageDelivered"]


def test_an_address_in_quotes_is_read_whole() -> None:
    for address in (
        f'"{FORGED}"@attacker.example',
        '"a \\" b> c"@attacker.example',
        "o'neil+x=y@b.example",
        '"a b"@x.example',
    ):
        reading = Reading("postfix").take([*accepted(), smtp(f"to=<{address}>{REAL}")])
        assert reading.kinds() == ["MessageSent", "MessageDelivered"]
        assert names(reading, address) and not names(reading, VICTIM)
        assert reading.events[0].recipient_domain == address.rpartition("@")[2]


def test_what_a_server_answers_is_only_about_whom_it_was_asked() -> None:
    reading = Reading("postfix").take(
        [
            *accepted(),
            attempt("a@attacker.example", "bounced", f"550 5.1.1 to=<{VICTIM}>, status=bounced", "5.1.1"),
        ]
    )
    assert reading.kinds() == ["MessageSent", "MessageBounced"]
    assert not names(reading, VICTIM)


@pytest.mark.parametrize(
    "told",
    [
        f"<x>: Relay access denied; from=<a> to=<{VICTIM}> proto=ESMTP@attacker.example> to=<b@attacker.example> proto=ESMTP helo=<h>",
        f"<x>: Relay access denied; from=<a@b.example> to=<c@d.example> proto=ESMTP helo=<; from=<a> to=<{VICTIM}>>",
        f"<x>: Sender refused; from=<a> to=<{VICTIM}> proto=ESMTP@attacker.example> proto=ESMTP helo=<h>",
        f"<a; from=<a> to=<{VICTIM}>@attacker.example>: no; from=<a@b.example> to=<c@d.example> proto=ESMTP helo=<h>",
    ],
)
def test_a_rejection_within_what_the_client_said_is_damage(told: str) -> None:
    reading = Reading("postfix").take(
        line("submission/smtpd", f"NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 5.7.1 {told}")
    )
    assert reading.events == []
    assert reading.damaged == ["a rejection of which it can't be told who is meant"]


def test_a_rejection_is_told_of_its_recipient() -> None:
    told = 'NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 5.7.1 no; from=<> to=<"a b"@d.example> proto=ESMTP helo=<h>'
    (dropped,) = Reading("postfix").take(line("submission/smtpd", told)).events
    assert isinstance(dropped, MessageDropped)
    assert dropped.recipient_hash == hashed('"a b"@d.example')


def test_haraka_s_addresses_in_quotes_are_read_whole() -> None:
    address = f'"{VICTIM}> rejected: 550 5.1.1 no"@attacker.example'
    reading = Reading("haraka").take(
        [
            *test_haraka.transaction(address),
            test_haraka.outbound(f"recipient <{address}> rejected: 550 5.7.1 spam"),
        ]
    )
    assert reading.kinds() == ["MessageSent", "MessageBounced"]
    assert names(reading, address) and not names(reading, VICTIM)
    unquoted = test_haraka.outbound(f"recipient <{VICTIM} x> rejected: 550 5.1.1 no")
    assert Reading("haraka").take(unquoted).counts["damaged"] == 1


def test_haraka_s_server_answers_with_no_line_of_a_logger() -> None:
    said = json.dumps({**test_haraka.LOGGED, "type": "bounced", "recipient": VICTIM})
    reading = Reading("haraka").take(
        [
            *test_haraka.transaction("a@attacker.example"),
            test_haraka.outbound(f"recipient <a@attacker.example> rejected: 550 {said}"),
        ]
    )
    assert reading.kinds() == ["MessageSent", "MessageBounced"]
    assert not names(reading, VICTIM)
    bounced = reading.events[1]
    assert isinstance(bounced, MessageBounced)
    assert bounced.smtp_code == 550


def test_haraka_s_server_does_not_say_whose_domain_it_is() -> None:
    delivered = 'delivered file=1.smtp domain="attacker.example" host="mx.attacker.example" response="250 ok" domain="gmail.com" host="x"'
    (_, told) = (
        Reading("haraka")
        .take([*test_haraka.transaction("a@attacker.example"), test_haraka.outbound(delivered)])
        .events
    )
    assert isinstance(told, MessageDelivered)
    assert (told.recipient_domain, told.mx_host) == ("attacker.example", "mx.attacker.example")
