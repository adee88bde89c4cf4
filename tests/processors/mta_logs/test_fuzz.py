"""Ten thousand damaged lines of each format: each has one outcome, and what is told is an event, whatever it was."""

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
        test_postfix.in_docker(test_postfix.attempt("c@d.example", "sent", "250 2.0.0 ok")),
        f"2026-11-29T10:20:31.25Z stdout F {test_postfix.attempt('e@f.example', 'sent', '250 2.0.0 ok')}",
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


def smtp(words: str) -> str:
    return test_postfix.line("smtp", f"{test_postfix.ID}: {words}")


def answered(words: str) -> str:
    return smtp(f"to=<a@b.example>, relay=none, delay=1, dsn=4.0.0, status=deferred ({words})")


HOSTILE: dict[str, Callable[[], str]] = {
    "long": lambda: "x" * 200_000,
    "brackets": lambda: "[" * 60_000,
    "an attempt that never ends": lambda: test_postfix.line("smtp", f"{test_postfix.ID}: to=<" + ">, relay=" * 7_000),
    "an attempt with many ends": lambda: smtp("to=<a" + ">, orig_to=<b" * 400 + ">, relay=c" * 400 + ", d" * 2_000),
    "an attempt of many relays": lambda: smtp("to=<a@b.example>, relay=" + "[" * 16_000 + ", delay=1, dsn=2.0.0, status=sent (250 ok)"),
    "TLS with many hosts": lambda: smtp("Trusted TLS connection established to " + "a[b]:1: " * 2_000),
    "TLS with many brackets": lambda: smtp("Trusted TLS connection established to " + "[" * 16_000),
    "a host of brackets": lambda: answered("host " + "[" * 16_000),
    "a From of many froms": lambda: test_postfix.line("cleanup", f"{test_postfix.ID}: warning: header From: " + " from x" * 2_300),
    "names without values": lambda: test_haraka.outbound("delivered file=x " + "a" * 64_000),
    "reject that never ends": lambda: test_postfix.line("submission/smtpd", "NOQUEUE: reject: RCPT from " + ": ; from=<" * 1_500),
    "nested": lambda: '{"type":' * 8_000,
    "quotes": lambda: 'd,"' + '""' * 30_000,
    "pairs": lambda: test_haraka.outbound("delivered file=" + 'a="\\' * 15_000),
    "nulls": lambda: "\0" * 60_000,
    "blanks": lambda: " " * 60_000,
}  # fmt: skip


MOST_CPU_S = 0.5
"""Of a line, which takes a few milliseconds; one that is gone through again from each of its places takes more."""


@contextmanager
def little_cpu() -> Iterator[None]:
    """Ends what takes much more of the processor than a line may, whatever else runs on it."""

    def too_much(*_: object) -> None:
        raise AssertionError(f"a line took more than {MOST_CPU_S} s of CPU")

    before = signal.signal(signal.SIGVTALRM, too_much)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_lines_are_bounded(name: str, kind: str) -> None:
    reading = Reading(name)
    line = HOSTILE[kind]()
    with little_cpu():
        reading.take([line])
    assert reading.counts["told"] == 0 or kind in ("pairs", "a host of brackets")
