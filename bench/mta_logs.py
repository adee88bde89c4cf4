"""How fast logs of mail servers are read: parsed, joined, and durable in a log in SQLite.

    .venv/bin/python bench/mta_logs.py [--messages 60000] [--only postfix]

Each message is another recipient's, with a Message-ID and an answer of its own: nothing is remembered from one to the next. Nine in
ten are delivered; the rest bounces or is put off. Postfix logs seven lines of a message, Haraka three, the others one or two.
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from processors.mta_logs.formats import reader_of
from processors.mta_logs.taking import LogSettings
from schemas.recipient import RecipientHashes
from sources.mta_logs.ahead import read_ahead
from sources.mta_logs.appending import PlainAppends
from sources.mta_logs.following import Following
from sources.mta_logs.framing import Labels
from sources.mta_logs.piece_readers import Recipe
from sources.mta_logs.places import Places
from sources.mta_logs.tail import Tail
from streams.running.workers import seldom_collecting
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

ALPHABET = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxy"
HOSTS = {
    "gmail.com": "gmail-smtp-in.l.google.com",
    "yahoo.com": "mta5.am0.yahoodns.net",
    "outlook.com": "outlook-com.olc.protection.outlook.com",
    "example.org": "mx.example.org",
}
BEGIN = 1_795_946_400
KEY = b"k" * 32


class Message:
    """What happens to one message."""

    def __init__(self, number: int, draw: random.Random) -> None:
        self.number, self.at = number, BEGIN + number // 50
        self.identity = (
            "4" + "".join(draw.choices(ALPHABET, k=9)) + "z" + "".join(draw.choices(ALPHABET, k=4))
        )
        self.domain = draw.choice(list(HOSTS))
        self.host, self.address = HOSTS[self.domain], f"user{draw.randrange(10**7)}@{self.domain}"
        self.fate = draw.choices(("sent", "bounced", "deferred"), (90, 5, 5))[0]
        self.answer = {
            "sent": f"250 2.0.0 OK  {draw.randrange(10**10)} d2e1a72fcca58-{draw.randrange(10**10)}si1234567pfb.{number} - gsmtp",
            "bounced": f"550 5.1.1 <{self.address}>: Recipient address rejected: User unknown",
            "deferred": "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents it",
        }[self.fate]
        self.micros = draw.randrange(10**6)


def postfix(messages: Iterator[Message]) -> Iterator[str]:
    """Seven lines of each."""
    for m in messages:
        head = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(m.at))}.{m.micros:06d}+00:00 mx1 postfix"
        words = (
            m.answer
            if m.fate == "sent"
            else f"host {m.host}[192.0.2.1] said: {m.answer} (in reply to RCPT TO command)"
        )
        dsn = m.answer.split()[1] if m.fate != "sent" else "2.0.0"
        yield f"{head}/smtpd[2001]: connect from app.example[10.0.0.5]"
        yield f"{head}/smtpd[2001]: {m.identity}: client=app.example[10.0.0.5]"
        yield f"{head}/cleanup[2101]: {m.identity}: message-id=<{m.number}.{m.micros}@news.example>"
        yield f"{head}/qmgr[900]: {m.identity}: from=<bounce+{m.number}@news.example>, size={m.micros}, nrcpt=1 (queue active)"
        yield f"{head}/smtpd[2001]: disconnect from app.example[10.0.0.5] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"
        yield (
            f"{head}/smtp[3001]: {m.identity}: to=<{m.address}>, relay={m.host}[192.0.2.{m.number % 250}]:25, delay=1.2, "
            f"delays=0.01/0/0.5/0.7, dsn={dsn}, status={m.fate} ({words})"
        )
        if m.fate != "deferred":
            yield f"{head}/qmgr[900]: {m.identity}: removed"


def kumomta(messages: Iterator[Message]) -> Iterator[str]:
    """A reception and what came of it."""
    kinds = {"sent": "Delivery", "bounced": "Bounce", "deferred": "TransientFailure"}
    for m in messages:
        code, status, words = m.answer.split(" ", 2)
        parts = dict(zip(("class", "subject", "detail"), map(int, status.split(".")), strict=True))
        record = {
            "type": "Reception", "id": m.identity, "sender": f"bounce+{m.number}@news.example", "recipient": m.address,
            "queue": f"spring:acme@{m.domain}", "site": "", "size": m.micros, "response": {"code": 250, "content": ""},
            "peer_address": {"name": "app", "addr": "10.0.0.5"}, "timestamp": m.at, "created": m.at, "num_attempts": 0,
            "bounce_classification": "Uncategorized", "egress_pool": None, "egress_source": None, "feedback_report": None,
            "meta": {}, "headers": {"From": "News <hello@news.example>", "Message-ID": f"<{m.number}.{m.micros}@news.example>"},
            "delivery_protocol": None, "reception_protocol": "ESMTP", "nodeid": "557f3ad4-2c8c-11ee-976e-782d7e12e173",
        }  # fmt: skip
        yield json.dumps(record)
        yield json.dumps({
            **record, "type": kinds[m.fate], "site": f"source2->{m.host}", "timestamp": m.at + 1, "egress_pool": "pool0",
            "response": {"code": int(code), "enhanced_code": parts, "content": words, "command": "."},
            "peer_address": {"name": m.host, "addr": "192.0.2.1"}, "source_address": {"address": "192.0.2.7:53210"},
        })  # fmt: skip


def powermta(messages: Iterator[Message]) -> Iterator[str]:
    """One record of each, behind a header."""
    yield (
        "type,timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,dsnMta,bounceCat,srcType,srcMta,dlvType,"
        "dlvSourceIp,dlvDestinationIp,dlvSize,vmta,jobId,envId,header_Message-Id"
    )
    kinds = {"sent": "d", "bounced": "b", "deferred": "t"}
    for m in messages:
        at = time.strftime("%Y-%m-%d %H:%M:%S+0000", time.gmtime(m.at))
        yield (
            f"{kinds[m.fate]},{at},{at},bounce+{m.number}@news.example,{m.address},,relayed,{m.answer.split()[1]},"
            f"smtp;{m.answer},{m.host} (192.0.2.1),,smtp,app (10.0.0.5),smtp,192.0.2.7,192.0.2.1,{m.micros},vmta1,spring,"
            f"{m.identity},<{m.number}.{m.micros}@news.example>"
        )


def haraka(messages: Iterator[Message]) -> Iterator[str]:
    """Sender, recipient and what came of it."""
    for m in messages:
        head = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(m.at))}.{m.micros // 1000:03d}Z [NOTICE]"
        uuid = f"F22D0113-65FC-41ED-9584-{m.number:012X}.1"
        yield f'{head} [{uuid}] [core] sender <bounce+{m.number}@news.example> code=CONT msg=""'
        yield f'{head} [{uuid}] [core] recipient <{m.address}> code=OK msg="" sender="bounce+{m.number}@news.example"'
        if m.fate == "sent":
            yield (
                f'{head} [{uuid}.1] [outbound] delivered file=1475326098686_0_3512_{m.number}.smtp domain="{m.domain}" '
                f'host="{m.host}" ip=192.0.2.1 port=25 mode=SMTP tls=Y auth=N response="{m.answer}" delay=1.2 fails=0 rcpts=1/0/0'
            )
        elif m.fate == "bounced":
            yield f"{head} [{uuid}.1] [outbound] recipient <{m.address}> rejected: {m.answer}"
        else:
            yield f"{head} [{uuid}.1] [outbound] Temp failing {m.number}.smtp for 64 seconds: Upstream error: {m.answer}"


WRITERS: dict[str, Callable[[Iterator[Message]], Iterator[str]]] = {
    "postfix": postfix,
    "kumomta": kumomta,
    "powermta": powermta,
    "haraka": haraka,
}


def measured(name: str, messages: int, processes: int, folder: Path) -> tuple[int, int, float, float]:
    """Lines, events, seconds on the wall, seconds of CPU of all processes."""
    draw = random.Random(1)
    path = folder / f"{name}.log"
    with path.open("w") as file:
        file.writelines(line + "\n" for line in WRITERS[name](Message(n, draw) for n in range(messages)))
    log = SqliteLog.open(folder / f"{name}.db", TOPICS)
    places = Places(log, "default", name)
    settings = LogSettings(from_domain="news.example")
    reader = reader_of(name, settings, RecipientHashes(KEY))
    labels = Labels("default", name)
    ahead = read_ahead(name, lambda: Recipe(name, settings, labels, KEY), processes)
    following = Following([str(path)], places.places, places.looked_at)
    tail = Tail(name, reader, following, places, labels, ahead=ahead)
    appends, wall, cpu = PlainAppends(log), time.perf_counter(), spent()
    with seldom_collecting():
        while tail.step(appends):
            pass
    wall = time.perf_counter() - wall
    assert not tail.summary.lines["damaged"]
    tail.close()
    cpu = spent() - cpu
    log.close()
    return tail.summary.lines.total(), tail.summary.events.total(), wall, cpu


def spent() -> float:
    """Seconds of CPU of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--messages", type=int, default=60_000)
    arguments.add_argument("--only", choices=WRITERS, action="append")
    arguments.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    given = arguments.parse_args()
    print(
        "| format | lines | events | lines/s | events/s | CPU us a line |\n| --- | --- | --- | --- | --- | --- |"
    )
    for name in given.only or WRITERS:
        with tempfile.TemporaryDirectory() as folder:
            lines, events, wall, cpu = measured(name, given.messages, given.processes, Path(folder))
        print(
            f"| {name} | {lines:,} | {events:,} | {lines / wall:,.0f} | {events / wall:,.0f} | {cpu / lines * 1e6:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
