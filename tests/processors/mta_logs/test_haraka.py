"""Haraka's own lines, and those of outbound loggers."""

import json
from typing import Any

import pytest
from log_reading import NOW, Reading, hashed

from schemas.mail import MessageBounced, MessageDeferred, MessageDelivered, MessageExpired, MessageSent

UUID = "F22D0113-65FC-41ED-9584-E1CBCCF0465F.1"
HEAD = "2026-11-29T10:20:{:02d}.000Z "
DELIVERED = (
    'delivered file=1475326098686_0_3512_7395.smtp domain="gmail.com" host="gmail-smtp-in.l.google.com" ip=173.194.79.27 '
    'port=25 mode=SMTP tls=Y auth=N response="OK 1475326098 lm4si25087753wjb.248 - gsmtp" delay=0.246 fails=0 rcpts=1/0/0'
)


def core(words: str, second: int = 18) -> str:
    return f"{HEAD.format(second)}[NOTICE] [{UUID}] [core] {words}"


def outbound(words: str, number: int = 1, second: int = 19) -> str:
    return f"{HEAD.format(second)}[NOTICE] [{UUID}.{number}] [outbound] {words}"


def transaction(*recipients: str) -> list[str]:
    return [
        core('sender <bounce@mail.news.example> code=CONT msg=""'),
        *(core(f'recipient <{to}> code=OK msg="" sender="bounce@mail.news.example"') for to in recipients),
    ]


def test_a_delivery_is_told_for_each_recipient_of_its_domain() -> None:
    reading = Reading("haraka").take(
        [*transaction("Ann@gmail.com", "bob@gmail.com", "c@example.org"), outbound(DELIVERED)]
    )
    assert reading.kinds() == ["MessageSent", "MessageDelivered"] * 2
    sent, delivered = reading.events[:2]
    assert isinstance(sent, MessageSent)
    assert isinstance(delivered, MessageDelivered)
    assert delivered.recipient_hash == hashed("ann@gmail.com")
    assert (delivered.mx_host, delivered.provider, delivered.latency_ms) == (
        "gmail-smtp-in.l.google.com",
        "gmail",
        246,
    )
    assert delivered.response == "OK 1475326098 lm4si25087753wjb.248 - gsmtp"
    assert delivered.mail_from_domain == "mail.news.example"
    assert delivered.occurred_at - sent.occurred_at == 1000


@pytest.mark.parametrize(
    "style",
    [
        "[NOTICE] [{u}] [{o}] {w}",
        "Oct  1 14:48:18 smtp haraka[3512]: [NOTICE] [{u}] [{o}] {w}",
        "Oct  1 14:48:18 <mail.notice> smtp haraka[3512]: [NOTICE] [{u}] [{o}] {w}",
        "2026-11-29T10:20:18.123Z [NOTICE] [{u}] [{o}] {w}",
        "level=NOTICE uuid={u} source={o} message={w}",
    ],
)
def test_every_style_is_read(style: str) -> None:
    lines = [
        style.format(u=UUID, o="core", w='recipient <a@gmail.com> code=OK msg="" sender="b@news.example"'),
        style.format(u=UUID + ".1", o="outbound", w=DELIVERED),
    ]
    reading = Reading("haraka").take(lines)
    assert reading.kinds() == ["MessageSent", "MessageDelivered"]
    assert reading.events[0].recipient_hash == hashed("a@gmail.com")
    assert style[:1].isdigit() or style[:3] == "Oct" or reading.events[0].occurred_at == NOW


@pytest.mark.parametrize("logged", ["<1.a@news.example>", '"<1.a@news.example>"'])
def test_the_message_id_is_that_of_the_line_that_names_it(logged: str) -> None:
    named = core(f'message mid={logged} size=451 rcpts=1/0/0 delay=0.009 code=CONT msg=""')
    reading = Reading("haraka").take([*transaction("a@gmail.com"), named, outbound(DELIVERED)])
    told = [event for event in reading.events if isinstance(event, MessageSent | MessageDelivered)]
    assert [event.message_id for event in told] == ["<1.a@news.example>"] * 2
    assert not any(reading.reader.changes().values())


def test_a_bounce_may_be_told_with_a_capital_letter() -> None:
    lines = [*transaction("a@gmail.com"), outbound("Bouncing mail: 550 5.1.1 unknown")]
    reading = Reading("haraka").take(lines)
    assert reading.kinds() == ["MessageSent", "MessageBounced"]
    assert reading.events[1].recipient_hash == hashed("a@gmail.com")


def test_a_temporary_failure_is_counted_and_too_many_expire() -> None:
    later = "Temp failing 1475326098686_0_3512_7395.smtp for 64 seconds: Upstream error: 451 4.7.1 busy"
    lines = [*transaction("a@example.org"), outbound(later), outbound(later, second=30)]
    lines.append(outbound("bouncing mail: Too many failures (Upstream error: 451 4.7.1 busy)", second=40))
    reading = Reading("haraka").take(lines)
    assert reading.kinds() == ["MessageSent", "MessageDeferred", "MessageDeferred", "MessageExpired"]
    second = reading.events[2]
    assert isinstance(second, MessageDeferred)
    assert (second.attempt, second.smtp_code, second.enhanced_code) == (2, 451, "4.7.1")
    assert isinstance(reading.events[3], MessageExpired)
    assert not any(reading.reader.changes().values())


def test_one_recipient_s_rejection_is_its_own() -> None:
    lines = [
        *transaction("ann@gmail.com", "bob@gmail.com"),
        outbound("recipient <bob@gmail.com> rejected: 550 5.1.1 <bob@gmail.com> unknown"),
        outbound("bouncing mail: Some recipients failed: <bob@gmail.com>"),
        outbound(DELIVERED),
    ]
    reading = Reading("haraka").take(lines)
    assert reading.kinds() == ["MessageSent", "MessageBounced", "MessageSent", "MessageDelivered"]
    bounced = reading.events[1]
    assert isinstance(bounced, MessageBounced)
    assert bounced.recipient_hash == hashed("bob@gmail.com")
    assert bounced.response == "550 5.1.1 <address> unknown"
    assert reading.events[3].recipient_hash == hashed("ann@gmail.com")


def test_lines_are_joined_across_a_restart() -> None:
    first = Reading("haraka").take(transaction("a@gmail.com"))
    assert first.restarted().take(outbound(DELIVERED)).events[0].recipient_hash == hashed("a@gmail.com")


LOGGED: dict[str, Any] = {
    "level": "info",
    "time": "2023-01-11T11:13:35.987Z",
    "name": "outbound_logger",
    "type": "delivered",
    "job_id": "B3D5DE63-94AB-4825-B43F-2FB11E89261B.1.1",
    "queue_time": "2023-01-11T11:13:33.726Z",
    "smtp_host": "aspmx.l.google.com",
    "smtp_response": "OK  1673435615 q65-20020a632a44000000b - gsmtp",
    "smtp_delay": 2.26,
    "recipient": "user@example.com",
    "from": "test@smtp.example.net",
    "subject": "Test",
}


def test_an_outbound_logger_s_json_is_read() -> None:
    failed = {
        **LOGGED,
        "dsn_status": "5.1.2",
        "undelivered_reason": "550 5.1.2 user@example.com has no mailbox",
    }
    lines = [json.dumps(LOGGED), *(json.dumps({**failed, "type": kind}) for kind in ("deferred", "bounced"))]
    reading = Reading("haraka").take(lines)
    assert reading.kinds() == [
        "MessageSent",
        "MessageDelivered",
        "MessageDeferred",
        "MessageSent",
        "MessageBounced",
    ]
    assert reading.events[0].event_id == reading.events[3].event_id
    delivered, bounced = reading.events[1], reading.events[4]
    assert isinstance(delivered, MessageDelivered)
    assert (delivered.latency_ms, delivered.provider) == (2261, "gmail")
    assert isinstance(bounced, MessageBounced)
    assert (bounced.enhanced_code, bounced.response) == ("5.1.2", "550 5.1.2 <address> has no mailbox")


def test_lines_that_say_nothing_are_passed_over_and_damaged_ones_are_kept() -> None:
    reading = Reading("haraka").take(
        [
            core("connect ip=172.16.15.11 port=62967 local_ip=172.16.15.9 local_port=25"),
            "2026-11-29T10:20:18.123Z [INFO] [-] [core] worker 2 listening on 0.0.0.0:49630",
            "    at TCP.onread (net.js:563:26)",
            "Oct  1 14:48:18 smtp sshd[1]: hello",
            outbound("delivered file=x"),
            json.dumps({**LOGGED, "type": "else"}),
            json.dumps(LOGGED)[:150],
        ]
    )
    assert reading.counts == {"told": 0, "joined": 0, "noted": 2, "skipped": 2, "damaged": 3}


def test_an_answer_that_names_a_domain_is_no_field_of_the_line() -> None:
    for answer in ("250 OK domain=other.example delay=9", r"250 \"OK\" domain=other.example delay=9"):
        line = DELIVERED.replace('response="OK', f'response="{answer}')
        reading = Reading("haraka").take([*transaction("ann@gmail.com"), outbound(line)])
        delivered = reading.events[1]
        assert isinstance(delivered, MessageDelivered)
        assert (delivered.recipient_domain, delivered.latency_ms) == ("gmail.com", 246)
        assert delivered.response is not None and delivered.response.startswith(answer)
