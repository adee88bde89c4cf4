"""What strangers send costs bounded work, and never an exception."""

import random
from pathlib import Path

import pytest
from bounces_made import MADE
from made_mails import ORIGIN, RETURNED, mail, report

from processors.mails import status as status_module
from processors.mails.read import read_mail
from schemas.codec import decode, encode
from schemas.mail import without_addresses

KINDS = {"dsn", "bounce", "feedback-report", "auto-reply", "mail"}
HEAD = b"From: MAILER-DAEMON@x.example\nTo: a@b.example\nSubject: Undeliverable\n"
MIXED = HEAD + b'Content-Type: multipart/mixed; boundary="b"\n\n'
CORPORA = Path(__file__).parents[4] / "shared" / "corpora"


def nested(depth: int) -> bytes:
    return b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (at, at) for at in range(depth)
    )


HOSTILE = {
    "100,000 fields": HEAD + b"".join(b"X-%d: v\n" % at for at in range(100_000)) + b"\nuser unknown: <u@e.example>",
    "a field of 10 MB": HEAD + b"X: " + b"a" * 10_000_000 + b"\n\nuser unknown: <u@e.example>",
    "a field of 10 MB in folds": HEAD + b"X: a\n" + b" aaaa\n" * 2_000_000 + b"\nuser unknown: <u@e.example>",
    "an attachment of 50 MB": MIXED + b"--b\n\nuser unknown: <u@e.example>\n--b\nContent-Type: application/zip\n\n"
    + (b"A" * 76 + b"\n") * 680_000 + b"--b--\n",
    "a text of 20 MB": HEAD + b"\n" + b"user unknown <u@e.example> " * 800_000,
    "nothing but boundaries": MIXED + b"--b\n" * 2_000_000,
    "nothing but dashes": MIXED.replace(b'"b"', b'"-"') + b"-" * 5_000_000,
    "200 multiparts in each other": nested(200) + b"user unknown",
    "60 mails in each other": (b"Content-Type: message/rfc822\n\n" + HEAD) * 60 + b"\nuser unknown",
    "at signs": HEAD + b"\nuser unknown " + b"@" * 200_000,
    "long local parts": HEAD + b"\nuser unknown " + (b"a" * 127 + b"@") * 2000,
    "addresses without end": HEAD + b"\nuser unknown " + b"a@a." * 50_000,
    "tags that never close": HEAD + b"Content-Type: text/html\n\nuser unknown " + b"<a " * 80_000,
    "references": HEAD + b"Content-Type: text/html\n\nuser unknown " + b"&#" * 120_000,
    "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\nFrom: " + b"=?utf-8?B?" * 5000 + b"\n\nuser unknown",
    "backslashes": b'Content-Type: multipart/mixed; a="' + b"\\" * 3000 + b"\n\nx",
    "brackets in a date": HEAD + b"Date: " + b"(" * 8000 + b"\n\nuser unknown",
    "a charset that is slow": HEAD + b"Content-Type: text/plain; charset=punycode\n\nuser unknown " + b"a-\xff" * 80_000,
    "half a surrogate pair": HEAD + b"Content-Type: text/plain; charset=utf-7\n\nuser unknown <u@e.example> +2AA- x",
    "every byte": HEAD + b"\n" + bytes(range(256)) * 2000,
    "NULs": b"\0" * 1_000_000,
}  # fmt: skip


@pytest.mark.parametrize("whole", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_mail_is_read(whole: bytes) -> None:
    assert read_mail(whole, ORIGIN).kind in KINDS


def test_what_was_not_looked_at_is_said() -> None:
    def warnings(name: str) -> str:
        return " ".join(read_mail(HOSTILE[name], ORIGIN).warnings)

    assert "header" in warnings("100,000 fields")
    assert "parts" in warnings("nothing but boundaries")
    assert "nested" in warnings("200 multiparts in each other")


def test_ten_thousand_recipients_are_ten_thousand_events() -> None:
    group = "\nFinal-Recipient: rfc822; u{}@example.net\nAction: failed\nStatus: 5.1.1\n"
    status = "Reporting-MTA: dns; x.example\n" + "".join(group.format(at) for at in range(10_000))
    events = read_mail(report(status=status), ORIGIN).events
    assert len({event.event_id for event in events}) == 10_000


def test_more_recipients_than_are_told_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_module, "RECIPIENTS", 100)
    status = "".join(f"\nFinal-Recipient: rfc822; u{at}@example.net\nAction: failed\n" for at in range(101))
    reading = read_mail(report(status=status), ORIGIN)
    assert len(reading.events) == 100
    assert any("more than 100 recipients" in warning for warning in reading.warnings)


def test_an_absurd_date_falls_back_with_a_warning() -> None:
    status = "\nFinal-Recipient: rfc822; u@example.net\nAction: failed\nLast-Attempt-Date: Sat, 1 Jan 2188 00:00:00 +0000\n"
    reading = read_mail(report(status=status), ORIGIN)
    assert reading.events[0].occurred_at == 1_793_523_605_000
    assert any("date" in warning for warning in reading.warnings)
    without = report(status=status).replace(b"Date: Sun, 1 Nov 2026 09:00:05 +0000", b"Date: soon", 1)
    assert read_mail(without, ORIGIN).events[0].occurred_at == ORIGIN.occurred_at


def seeds() -> list[bytes]:
    """Real mails where they are, made ones always."""
    real = [path.read_bytes() for path in sorted(CORPORA.glob("bounces-*/*")) if path.name != "EXPECTED.txt"]
    made = [one.mail for one in MADE] + [
        report(failed="user@example.net"),
        mail({"To": "x@y.example"}, RETURNED),
    ]
    return [one for one in real + made if len(one) < 6_000]


def mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """A mail with bytes flipped, something cut out, or a piece of another put in."""
    whole = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(whole) + 1)
        match chance.randrange(5):
            case 0:
                for _ in range(chance.randint(1, 20)):
                    if whole:
                        whole[chance.randrange(len(whole))] = chance.randrange(256)
            case 1:
                del whole[at : at + chance.randint(1, 2000)]
            case 2:
                other = chance.choice(seeds)
                start = chance.randrange(len(other))
                whole[at:at] = other[start : start + chance.randint(1, 2000)]
            case 3:
                whole = whole[:at]
            case _:
                whole[at:at] = (
                    chance.choice([b"\r", b"\n\n", b"--", b"@", b"\x00", b"=", b"\xff\xfe", b"<", b": "]) * 9
                )
    return bytes(whole)


@pytest.mark.parametrize("part", range(10))
def test_mutated_mails_are_read(part: int) -> None:
    chance, from_seeds = random.Random(part), seeds()
    for _ in range(1000):
        whole = mutated(chance, from_seeds)
        reading = read_mail(whole, ORIGIN)
        assert reading.kind in KINDS
        assert reading.events or reading.reason
        for event in reading.events:
            assert type(decode(encode(event))) is type(event)
            words = getattr(event, "response", None) or ""
            assert without_addresses(words) == words
