"""PowerMTA's accounting files."""

import pytest
from log_reading import Reading, hashed

from schemas.mail import ComplaintReceived, MessageBounced, MessageDeferred, MessageDelivered, MessageSent

HEADER = (
    "type,timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,dsnMta,bounceCat,srcType,srcMta,dlvType,"
    "dlvSourceIp,dlvDestinationIp,dlvEsmtpAvailable,dlvSize,vmta,jobId,envId,queue,vmtaPool,header_From,header_Message-Id"
)
DELIVERED = (
    "d,2026-01-15 14:23:11+0100,2026-01-15 14:23:08+0100,bounce@mail.news.example,Ann@gmail.com,,relayed,2.0.0 (success),"
    '"smtp;250 2.0.0 OK  1757003773, thanks",gmail-smtp-in.l.google.com (142.250.110.27),,smtp,app (192.0.2.1),smtp,'
    '192.0.2.7,142.250.110.27,"ENHANCEDSTATUSCODES,PIPELINING",2891,vmta1,spring,env1,gmail.com/vmta1,pool1,'
    '"News <hello@brand.example>",<1@brand.example>'
)
BOUNCED = (
    "b,1768483391,1768483388,bounce@mail.news.example,bob@example.org,,failed,5.1.1 (bad destination mailbox address),"
    '"smtp;550 5.1.1 <bob@example.org>: ""unknown""",mx.example.org (192.0.2.9),bad-mailbox,smtp,app (192.0.2.1),smtp,'
    "192.0.2.7,192.0.2.9,PIPELINING,2891,vmta1,spring,env2,example.org/vmta1,,,"
)


def test_a_delivery_is_sent_and_delivered() -> None:
    reading = Reading("powermta").take([HEADER, DELIVERED])
    sent, delivered = reading.events
    assert isinstance(sent, MessageSent)
    assert isinstance(delivered, MessageDelivered)
    assert sent.size == 2891
    assert delivered.occurred_at - sent.occurred_at == 3000 == delivered.latency_ms
    assert (delivered.smtp_code, delivered.response) == (250, "250 2.0.0 OK  1757003773, thanks")
    assert (delivered.mx_host, delivered.provider) == ("gmail-smtp-in.l.google.com", "gmail")
    assert (delivered.ip, delivered.pool, delivered.campaign) == ("192.0.2.7", "pool1", "spring")
    assert (delivered.from_domain, delivered.mail_from_domain) == ("brand.example", "mail.news.example")
    assert delivered.message_id == "<1@brand.example>"
    assert delivered.recipient_hash == hashed("ann@gmail.com")
    assert reading.counts == {"told": 1, "noted": 1, "skipped": 0, "damaged": 0}


def test_a_bounce_carries_its_codes_and_no_address() -> None:
    _, bounced = Reading("powermta").take([HEADER, BOUNCED]).events
    assert isinstance(bounced, MessageBounced)
    assert bounced.occurred_at == 1_768_483_391_000
    assert (bounced.smtp_code, bounced.enhanced_code) == (550, "5.1.1")
    assert bounced.response == '550 5.1.1 <address>: "unknown"'
    assert (bounced.pool, bounced.from_domain, bounced.is_async) == ("vmta1", "news.example", False)


def test_columns_come_in_any_order_and_may_be_few() -> None:
    reading = Reading("powermta").take(["rcpt,type,timeLogged", "a@gmail.com,d,1768483391"])
    assert reading.counts["damaged"] == 2, "the first column names the record's type"
    reading = Reading("powermta").take(
        [
            "type,rcpt,dsnDiag,timeLogged",
            "t,a@gmail.com,smtp;451 4.7.1 later,1768483391",
            "rb,a@gmail.com,550 gone,1768483392",
        ]
    )
    deferred, bounced = reading.events
    assert isinstance(deferred, MessageDeferred)
    assert (deferred.smtp_code, deferred.enhanced_code) == (451, "4.7.1")
    assert isinstance(bounced, MessageBounced)
    assert bounced.is_async


def test_the_header_may_change_within_a_file_and_is_known_when_it_is_gone_on_with() -> None:
    reading = Reading("powermta").take(
        [HEADER, DELIVERED, "type,timeLogged,rcpt,orig", "d,1768483391,a@b.example,x@y.example"]
    )
    assert len(reading.events) == 4
    following = Reading("powermta", file=reading.file).take("d,1768483392,c@b.example,x@y.example")
    assert len(following.events) == 2


def test_other_records_become_what_they_say() -> None:
    expired = BOUNCED.replace("5.1.1 (bad destination mailbox address)", "4.4.7 (delivery time expired)")
    reading = Reading("powermta").take(
        [HEADER, expired, *(f"{kind},1768483391" + "," * 23 for kind in ("r", "tq", "rs"))]
    )
    assert reading.kinds() == ["MessageSent", "MessageExpired"]
    assert reading.counts["noted"] == 4
    feedback = Reading("powermta").take(
        ["type,timeLogged,rcpt,userAgent,feedbackType", "f,1768483391,a@yahoo.com,Yahoo!/2,abuse"]
    )
    (complaint,) = feedback.events
    assert isinstance(complaint, ComplaintReceived)
    assert (complaint.user_agent, complaint.feedback_type) == ("Yahoo!/2", "abuse")


@pytest.mark.parametrize(
    "damaged",
    [
        DELIVERED[:60], DELIVERED + ",more", DELIVERED.replace("2026-01-15 14:23:11", "yesterday"), "x" + DELIVERED,
        BOUNCED.replace('""unknown"""', "unknown"), DELIVERED.replace("Ann@gmail.com", ""), "d" * 70_000,
    ],
)  # fmt: skip
def test_damaged_lines_are_told_apart(damaged: str) -> None:
    reading = Reading("powermta").take([HEADER, DELIVERED, damaged, BOUNCED])
    assert reading.counts["damaged"] == 1
    assert len(reading.events) == 4


def test_a_file_without_a_header_is_damaged_line_by_line() -> None:
    assert (
        Reading("powermta").take([DELIVERED, BOUNCED]).damaged == ["no line before it names the columns"] * 2
    )


def test_a_time_in_the_queue_that_can_t_be_read_is_in_the_way_of_those_only_that_tell_it() -> None:
    put_off = BOUNCED.replace("b,1768483391,1768483388,", "t,1768483391,yesterday,")
    reading = Reading("powermta").take([HEADER, put_off, BOUNCED.replace("1768483388", "yesterday")])
    assert [type(event) for event in reading.events] == [MessageDeferred]
    assert reading.counts == {"told": 1, "noted": 1, "skipped": 0, "damaged": 1}
