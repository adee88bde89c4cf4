"""Ten thousand damaged lines of each format: each has one outcome, and what is told is an event, whatever it was."""

import random
from collections.abc import Callable

import pytest
import test_haraka
import test_kumomta
import test_postfix
import test_powermta
from log_reading import Reading

from processors.mta_logs.formats import FORMATS

CASES = 10_000

SEEDS = {
    "postfix": [
        *test_postfix.accepted(),
        test_postfix.attempt("a@b.example", "sent", "250 2.0.0 ok"),
        test_postfix.attempt("a@b.example", "deferred", "host mx.example[192.0.2.1] said: 451 4.7.1 later", "4.7.1"),
        test_postfix.line("qmgr", f"{test_postfix.ID}: from=<a@b.example>, status=expired, returned to sender"),
        f"<22>1 2026-11-29T10:20:31.25Z mx1 postfix/smtp 9 - - {test_postfix.ID}: removed",
        test_postfix.line("submission/smtpd", "NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 5.7.1 no; from=<a@b.example> to=<c@d.example> proto=ESMTP"),
    ],
    "kumomta": [test_kumomta.record(kind) for kind in ("Delivery", "Bounce", "TransientFailure", "Feedback", "Expiration")],
    "powermta": [test_powermta.HEADER, test_powermta.DELIVERED, test_powermta.BOUNCED],
    "haraka": [
        *test_haraka.transaction("a@gmail.com"),
        test_haraka.outbound(test_haraka.DELIVERED),
        test_haraka.outbound("Temp failing x for 64 seconds: Upstream error: 451 4.7.1 busy"),
        __import__("json").dumps(test_haraka.LOGGED),
    ],
}  # fmt: skip

ODD = ["\0", "\r", "\ufffd", "<", ">", "@", "[", "]", "(", '"', "{", "}", ",", ":", "9" * 30, "é", "\x1b[31m", " ", "\u2028", "z" * 300, "to=<", "-", "]:25", "1e999", "null"]  # fmt: skip


def damaged(line: str, draw: random.Random) -> str:
    for _ in range(draw.randrange(1, 4)):
        at, to = sorted((draw.randrange(len(line) + 1), draw.randrange(len(line) + 1)))
        way = draw.randrange(5)
        if way == 0:
            line = line[:at] + draw.choice(ODD) + line[at:]
        elif way == 1:
            line = line[:at] + line[min(to, at + 20) :]
        elif way == 2:
            line = line[:at]
        elif way == 3:
            line = line[:at] + line[at:to][:40] * 2 + line[to:]
        else:
            line = line[:at] + chr(draw.randrange(1, 0xD7FF)) + line[at + 1 :]
    return line.replace("\n", " ")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_damaged_lines_are_counted_and_what_is_told_is_an_event(name: str) -> None:
    draw = random.Random(name)
    reading = Reading(name)
    for _ in range(CASES // 100):
        lines = [damaged(draw.choice(SEEDS[name]), draw) for _ in range(100)]
        if name == "powermta":
            lines.insert(0, test_powermta.HEADER)
        reading.take(lines)
    assert reading.counts["damaged"] > CASES // 100
    assert reading.counts["told"] > CASES // 100


HOSTILE: dict[str, Callable[[], str]] = {
    "long": lambda: "x" * 200_000,
    "brackets": lambda: "[" * 60_000,
    "an attempt that never ends": lambda: test_postfix.line("smtp", f"{test_postfix.ID}: to=<" + ">, relay=" * 7_000),
    "reject that never ends": lambda: test_postfix.line("submission/smtpd", "NOQUEUE: reject: RCPT from " + ": ; from=<" * 1_500),
    "nested": lambda: '{"type":' * 8_000,
    "quotes": lambda: 'd,"' + '""' * 30_000,
    "pairs": lambda: test_haraka.outbound("delivered file=" + 'a="\\' * 15_000),
    "nulls": lambda: "\0" * 60_000,
    "blanks": lambda: " " * 60_000,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_lines_are_bounded(name: str, kind: str) -> None:
    reading = Reading(name).take([HOSTILE[kind]()])
    assert reading.counts["told"] == 0 or kind == "pairs"
