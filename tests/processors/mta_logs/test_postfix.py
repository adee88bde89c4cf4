"""Postfix's log, in the styles of its versions and of those who write it down."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from log_reading import NOW, Reading, hashed

from processors.mta_logs.postfix import SHORT_IDS
from processors.mta_logs.taking import LogSettings
from schemas.mail import (
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    MessageDropped,
    MessageExpired,
    MessageSent,
)

ID = "4bXy2Q6Z1hz9rVT"
AT = datetime(2026, 11, 29, 10, 20, 30, tzinfo=UTC).timestamp() * 1000
TRADITIONAL = "Nov 29 10:20:{:02d} mx1 "
MX = "gmail-smtp-in.l.google.com[142.250.110.27]:25"


def line(program: str, words: str, second: int = 30) -> str:
    return f"{TRADITIONAL.format(second)}postfix/{program}[4711]: {words}"


def accepted(identity: str = ID) -> list[str]:
    return [
        line("smtpd", "connect from app.example[192.0.2.7]"),
        line("smtpd", f"{identity}: client=app.example[192.0.2.7], sasl_method=PLAIN, sasl_username=news"),
        line("cleanup", f"{identity}: message-id=<1@news.example>"),
        line("qmgr", f"{identity}: from=<bounce@mail.news.example>, size=2891, nrcpt=2 (queue active)"),
        line(
            "smtpd",
            "disconnect from app.example[192.0.2.7] ehlo=1 auth=1 mail=1 rcpt=2 data=1 quit=1 commands=7",
        ),
    ]


def attempt(to: str, status: str, words: str, dsn: str = "2.0.0", relay: str = MX, second: int = 31) -> str:
    return line(
        "smtp",
        f"{ID}: to=<{to}>, relay={relay}, delay=1.2, delays=0.05/0.01/0.5/0.64, dsn={dsn}, status={status} ({words})",
        second,
    )


def test_what_was_accepted_is_told_as_sent_and_delivered() -> None:
    said = "250 2.0.0 OK  1795947631 ffacd0b85a97d-42b5c6eb4f1si1234567f8f.123 - gsmtp"
    reading = Reading("postfix").take(
        [*accepted(), attempt("Ann@gmail.com", "sent", said), line("qmgr", f"{ID}: removed")]
    )
    sent, delivered = reading.events
    assert isinstance(sent, MessageSent)
    assert isinstance(delivered, MessageDelivered)
    assert sent.occurred_at == AT
    assert delivered.occurred_at == AT + 1000
    assert sent.size == 2891
    for event in (sent, delivered):
        assert event.message_id == "<1@news.example>"
        assert event.provider_message_id == ID
        assert event.recipient_hash == hashed("ann@gmail.com")
        assert event.recipient_domain == "gmail.com"
        assert event.mail_from_domain == "mail.news.example"
        assert event.from_domain == "news.example"
        assert event.mx_host == "gmail-smtp-in.l.google.com"
        assert event.provider == "gmail"
    assert (delivered.smtp_code, delivered.response, delivered.latency_ms) == (250, said, 1200)
    assert reading.counts == {"told": 1, "joined": 4, "noted": 2, "skipped": 0, "damaged": 0}


def in_docker(given: str) -> str:
    return json.dumps({"log": given + "\n", "stream": "stdout", "time": "2026-11-29T10:20:31Z"})


@pytest.mark.parametrize(
    "wrap",
    [
        in_docker,
        lambda given: f"2026-11-29T10:20:31.123456789Z stdout F {given}",
        lambda given: f"2026-11-29T10:20:31.123456789Z {given}",
        lambda given: f"postfix-1  | {given}",
        lambda given: f"mail  | 2026-11-29T10:20:31.123456789Z {given}",
        lambda given: f"mail | {in_rfc5424(given)}",
        lambda given: given.replace("mx1 ", "mx1 mail.info "),
        lambda given: given.replace("mx1 ", "<mail.info> mx1 "),
        lambda given: given.replace("[4711]: ", "[4711]: [ID 197553 mail.info] "),
    ],
)  # fmt: skip
def test_what_containers_and_other_daemons_put_around_a_line_is_taken_away(
    wrap: Callable[[str], str],
) -> None:
    lines = [*accepted(), attempt("Ann@gmail.com", "sent", "250 2.0.0 ok"), line("qmgr", f"{ID}: removed")]
    plain, wrapped = Reading("postfix").take(lines), Reading("postfix").take(map(wrap, lines))
    assert wrapped.events == plain.events
    assert wrapped.counts == plain.counts


def in_rfc5424(given: str) -> str:
    program, _, words = given.removeprefix(TRADITIONAL.format(int(given[13:15]))).partition("[4711]: ")
    return f"<22>1 2026-11-29T{given[7:15]}Z mx1 {program} 4711 - - {words}"


@pytest.mark.parametrize(
    "odd", ['{"log":"x"}', '{"log":', '{"log":["x"]}', "a | b", "2026-11-29T10:20:31Z stdout P Nov 29", "mail | mail.info | "]
)  # fmt: skip
def test_what_is_around_no_line_of_syslog_is_damaged(odd: str) -> None:
    assert Reading("postfix").take([odd]).damaged == ["no line of syslog"]


def test_deferrals_are_counted_and_the_message_is_sent_once() -> None:
    busy = "host mx.example[192.0.2.9] said: 451 4.7.1 <bob@example.org>: greylisted, come back (in reply to RCPT TO command)"
    reading = Reading("postfix").take(accepted())
    for second in (31, 40, 50):
        reading.take(
            attempt("bob@example.org", "deferred", busy, "4.7.1", "mx.example[192.0.2.9]:25", second)
        )
    reading.take(attempt("bob@example.org", "sent", "250 ok", relay="mx.example[192.0.2.9]:25", second=59))
    assert reading.kinds() == ["MessageSent", *["MessageDeferred"] * 3, "MessageDelivered"]
    deferred = [event for event in reading.events if isinstance(event, MessageDeferred)]
    assert [event.attempt for event in deferred] == [1, 2, 3]
    assert deferred[0].smtp_code == 451
    assert deferred[0].enhanced_code == "4.7.1"
    assert deferred[0].response == "451 4.7.1 <address>: greylisted, come back"
    assert deferred[0].mx_host == "mx.example"


@pytest.mark.parametrize(
    ("words", "dsn", "relay", "code", "response", "mx_host"),
    [
        (
            "host mx.example[192.0.2.9] said: 550 5.1.1 <bob@example.org>: unknown (in reply to RCPT TO command)",
            "5.1.1", "mx.example[192.0.2.9]:25", 550, "550 5.1.1 <address>: unknown", "mx.example",
        ),
        (
            "host mx.example[2001:db8::9] refused to talk to me: 554 5.7.1 listed",
            "5.7.1", "mx.example[2001:db8::9]:25", 554, "554 5.7.1 listed", "mx.example",
        ),
        (
            "Host or domain name not found. Name service error for name=gone.example type=A: Host not found",
            "5.4.4", "none", None,
            "Host or domain name not found. Name service error for name=gone.example type=A: Host not found", None,
        ),
        (
            "delivery temporarily suspended: host mx.example[192.0.2.9] refused to talk to me: 421 4.7.0 [TSS04] later",
            "4.7.0", "none", 421, "421 4.7.0 [TSS04] later", "mx.example",
        ),
        (
            "delivery temporarily suspended: connect to mx.example[192.0.2.9]:25: Connection refused", "4.4.1", "none", None,
            "delivery temporarily suspended: connect to mx.example[192.0.2.9]:25: Connection refused", "mx.example",
        ),
        (
            "connect to mx.example[192.0.2.9]:25: Connection refused", "5.4.1", "none", None,
            "connect to mx.example[192.0.2.9]:25: Connection refused", "mx.example",
        ),
    ],
)  # fmt: skip
def test_what_a_server_said_is_taken_apart(
    words: str, dsn: str, relay: str, code: int | None, response: str, mx_host: str | None
) -> None:
    reading = Reading("postfix").take([*accepted(), attempt("bob@example.org", "bounced", words, dsn, relay)])
    bounced = reading.events[-1]
    assert isinstance(bounced, MessageBounced)
    assert (bounced.smtp_code, bounced.enhanced_code) == (code, dsn)
    assert bounced.response == response
    assert bounced.mx_host == mx_host
    assert not bounced.is_async


def test_a_message_that_expires_has_expired_for_those_who_wait() -> None:
    reading = Reading("postfix").take(
        [
            *accepted(),
            attempt("ann@example.org", "sent", "250 ok"),
            attempt(
                "bob@example.org",
                "deferred",
                "connect to mx.example[192.0.2.9]:25: timed out",
                "4.4.1",
                "none",
            ),
            line("qmgr", f"{ID}: from=<bounce@mail.news.example>, status=expired, returned to sender", 50),
            line("bounce", f"{ID}: sender non-delivery notification: 4bXy2Q6Z1hz9rVV", 50),
            line("qmgr", f"{ID}: removed", 50),
        ]
    )
    expired = reading.events[-1]
    assert isinstance(expired, MessageExpired)
    assert expired.recipient_hash == hashed("bob@example.org")
    assert expired.attempts == 1
    assert reading.kinds().count("MessageExpired") == 1
    assert not reading.reader.changes()


def test_lines_are_joined_across_a_restart() -> None:
    first = Reading("postfix").take(
        [*accepted(), attempt("bob@example.org", "deferred", "451 later", "4.0.0")]
    )
    secured = (
        "Trusted TLS connection established to {}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
    )
    first.take(line("smtp", secured.format(MX)))
    second = first.restarted().take([attempt("bob@example.org", "sent", "250 ok", second=40)])
    (delivered,) = second.events
    assert isinstance(delivered, MessageDelivered)
    assert delivered.message_id == "<1@news.example>"
    assert delivered.tls_version == "TLSv1.3"
    undisturbed = Reading("postfix").take(
        [*accepted(), attempt("bob@example.org", "deferred", "451 later", "4.0.0"), line("smtp", secured.format(MX)),
         attempt("bob@example.org", "sent", "250 ok", second=40)]
    )  # fmt: skip
    assert first.events + second.events == undisturbed.events


def test_tls_of_another_server_is_not_this_one_s() -> None:
    secured = "Untrusted TLS connection established to other.example[192.0.2.1]:25: TLSv1.2 with cipher X (256/256 bits)"
    reading = Reading("postfix").take(
        [*accepted(), line("smtp", secured), attempt("a@gmail.com", "sent", "250 ok")]
    )
    delivered = reading.events[-1]
    assert isinstance(delivered, MessageDelivered)
    assert delivered.tls_version is None


@pytest.mark.parametrize(
    ("style", "milliseconds"),
    [
        ("Nov 29 10:20:31 mx1 postfix/smtp[9]: {}", AT + 1000),
        ("Nov  9 10:20:31 mx1 postfix/smtp[9]: {}", AT + 1000 - 20 * 86_400_000),
        ("<22>Nov 29 10:20:31 mx1 postfix/smtp[9]: {}", AT + 1000),
        ("2026-11-29T10:20:31.250000+00:00 mx1 postfix/smtp[9]: {}", AT + 1250),
        ("2026-11-29T11:20:31.250+01:00 mx1 postfix-out/smtp[9]: {}", AT + 1250),
        ("2026-11-29T10:20:31Z mx1 postfix/relay/smtp[9]: {}", AT + 1000),
        ("2026-11-29T10:20:31+0000 mx1 postfix/smtp[9]: {}", AT + 1000),
        ("<22>1 2026-11-29T10:20:31.250Z mx1 postfix/smtp 9 - - {}", AT + 1250),
        ('1 2026-11-29T10:20:31Z mx1 postfix/smtp 9 - [a@1 b="c"] {}', AT + 1000),
    ],
)
def test_every_style_of_syslog_is_read(style: str, milliseconds: float) -> None:
    words = f"{ID}: to=<a@gmail.com>, relay={MX}, delay=1.2, dsn=2.0.0, status=sent (250 ok)"
    reading = Reading("postfix").take(style.format(words))
    assert reading.kinds() == ["MessageSent", "MessageDelivered"]
    assert reading.events[1].occurred_at == milliseconds
    assert reading.events[0].occurred_at == milliseconds - 1200


def test_an_old_postfix_without_dsn_and_ports_is_read() -> None:
    words = "7B69D240FF0: to=<a@gmail.com>, orig_to=<root>, relay=mx.google.com[192.0.2.1], delay=2, status=sent (250 ok)"
    reading = Reading("postfix").take(line("smtp", words))
    assert reading.kinds() == ["MessageSent", "MessageDelivered"]
    assert reading.events[0].mx_host == "mx.google.com"


def test_short_queue_ids_are_warned_of_once() -> None:
    reading = Reading("postfix").take([*accepted("7B69D240FF0"), *accepted("7B69D240FF1")])
    assert reading.warnings == [SHORT_IDS]
    assert Reading("postfix").take(accepted()).warnings == []


def test_the_year_is_told_by_the_line_before_and_by_now() -> None:
    new_year = datetime(2027, 1, 1, 0, 0, 30, tzinfo=UTC).timestamp() * 1000
    words = f"postfix/smtp[9]: {ID}: to=<a@gmail.com>, relay={MX}, delay=0, dsn=2.0.0, status=sent (250 ok)"
    lines = [f"Dec 31 23:59:59 mx1 {words}", f"Jan  1 00:00:00 mx1 {words}", f"Dec 31 23:59:59 mx1 {words}"]
    reading = Reading("postfix").take(lines, now=int(new_year))
    times = [
        datetime.fromtimestamp(e.occurred_at / 1000, UTC)
        for e in reading.events
        if isinstance(e, MessageDelivered)
    ]
    assert [time.year for time in times] == [2026, 2027, 2026]


def test_a_leap_day_is_read_after_its_year() -> None:
    words = f"postfix/smtp[9]: {ID}: to=<a@gmail.com>, relay={MX}, delay=0, dsn=2.0.0, status=sent (250 ok)"
    reading = Reading("postfix").take(f"Feb 29 12:00:00 mx1 {words}")
    assert (
        datetime.fromtimestamp(reading.events[0].occurred_at / 1000, UTC).date().isoformat() == "2024-02-29"
    )


def test_times_without_a_zone_are_the_log_s() -> None:
    settings = LogSettings(zone=ZoneInfo("Europe/Berlin"))
    reading = Reading("postfix", settings).take(attempt("a@gmail.com", "sent", "250 ok"))
    assert reading.events[1].occurred_at == AT + 1000 - 3_600_000


def test_instances_with_the_same_queue_ids_are_kept_apart() -> None:
    lines = [line_.replace("postfix/", "postfix-in/") for line_ in accepted()]
    reading = Reading("postfix").take([*lines, attempt("a@gmail.com", "sent", "250 ok")])
    assert reading.events[0].message_id is None


@pytest.mark.parametrize(
    "words",
    [
        "postfix/local[9]: {}: to=<root@mx1.example>, relay=local, delay=0.1, dsn=2.0.0, status=sent (delivered to mailbox)",
        "postfix/virtual[9]: {}: to=<a@b.example>, relay=virtual, delay=0.1, dsn=2.0.0, status=sent (delivered to maildir)",
        "postfix/lmtp[9]: {}: to=<a@b.example>, relay=mx1[private/dovecot-lmtp], delay=0, dsn=2.0.0, status=sent (250 Saved)",
        "postfix/smtp[9]: {}: to=<a@b.example>, relay=127.0.0.1[127.0.0.1]:10024, delay=0, dsn=2.0.0, status=sent (250 queued)",
        "postfix/smtp[9]: {}: to=<a@b.example>, relay=mx.example[192.0.2.1]:25, delay=0, dsn=2.1.5, status=deliverable (250 ok)",
    ],
)
def test_what_stays_on_the_server_is_no_mail_that_was_sent(words: str) -> None:
    reading = Reading("postfix").take(f"Nov 29 10:20:30 mx1 {words.format(ID)}")
    assert reading.events == []
    assert reading.counts["skipped"] == 1


def test_deliveries_on_the_spot_are_told_where_that_is_wanted() -> None:
    words = f"{ID}: to=<a@b.example>, relay=virtual, delay=0.1, dsn=2.0.0, status=sent (delivered to maildir)"
    reading = Reading("postfix", LogSettings(with_local=True)).take(line("virtual", words))
    assert reading.kinds() == ["MessageSent", "MessageDelivered"]


def test_a_filter_that_refuses_bounces_the_message() -> None:
    reading = Reading("postfix").take(
        attempt("a@b.example", "bounced", "554 5.6.0 virus", "5.6.0", "127.0.0.1[127.0.0.1]:10024")
    )
    assert reading.kinds() == ["MessageSent", "MessageBounced"]


def test_the_from_header_is_taken_where_it_is_logged_and_dkim_where_it_signs() -> None:
    header = f'{ID}: warning: header From: "News, Inc" <hello@brand.example> from app[192.0.2.7]; from=<b@mail.news.example> to=<a@gmail.com> proto=ESMTP helo=<app>'
    signed = f"Nov 29 10:20:30 mx1 opendkim[77]: {ID}: DKIM-Signature field added (s=s1, d=brand.example)"
    reading = Reading("postfix").take(
        [*accepted(), line("cleanup", header), signed, attempt("a@gmail.com", "sent", "250 ok")]
    )
    assert reading.events[0].from_domain == "brand.example"
    assert (reading.events[0].dkim_domain, reading.events[0].dkim_selector) == ("brand.example", "s1")


def test_the_from_domain_is_the_envelope_s_where_that_is_wanted_and_no_notification_s() -> None:
    sent = attempt("a@gmail.com", "sent", "250 ok")
    reading = Reading("postfix", LogSettings(from_envelope=True)).take([*accepted(), sent])
    assert reading.events[0].from_domain == "mail.news.example"
    notification = line("qmgr", f"{ID}: from=<>, size=2891, nrcpt=1 (queue active)")
    assert Reading("postfix").take([notification, sent]).events[0].from_domain is None


def test_rejections_at_submission_are_dropped_messages_and_strangers_are_not() -> None:
    reject = "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <a@b.example>: Relay access denied; from=<me@news.example> to=<a@b.example> proto=ESMTP helo=<x>"
    reading = Reading("postfix").take([line("smtpd", reject), line("submission/smtpd", reject)])
    (dropped,) = reading.events
    assert isinstance(dropped, MessageDropped)
    assert dropped.reason == "policy"
    assert dropped.recipient_hash == hashed("a@b.example")
    assert dropped.mail_from_domain == "news.example"
    assert reading.counts["skipped"] == 1


def test_a_milter_s_rejection_and_a_discard_are_dropped_messages() -> None:
    milter = f"{ID}: milter-reject: END-OF-MESSAGE from app[192.0.2.7]: 5.7.1 Blocked; from=<b@mail.news.example> to=<a@b.example> proto=ESMTP helo=<x>"
    discard = f"{ID}: to=<a@b.example>, relay=none, delay=0, dsn=2.0.0, status=sent (test mail)"
    reading = Reading("postfix").take([*accepted(), line("cleanup", milter)])
    assert reading.kinds() == ["MessageDropped"]
    assert reading.events[0].message_id == "<1@news.example>"
    assert Reading("postfix").take(line("discard", discard)).kinds() == ["MessageDropped"]


def test_the_same_lines_give_the_same_ids() -> None:
    lines = [*accepted(), attempt("a@gmail.com", "sent", "250 ok")]
    assert [e.event_id for e in Reading("postfix").take(lines).events] == [
        e.event_id for e in Reading("postfix").take(lines).events
    ]


def test_lines_of_others_are_skipped_and_damaged_ones_are_kept() -> None:
    reading = Reading("postfix").take(
        [
            "Nov 29 10:20:30 mx1 dovecot: imap-login: Login: user=<a>, method=PLAIN",
            "Nov 29 10:20:30 mx1 systemd[1]: Started Session 1 of User root.",
            "Nov 29 10:20:30 mx1 last message repeated 2 times",
            "",
            "\0\0\0",
            line("smtp", f"{ID}: to=<a@gmail.com>, relay={MX}, delay=1.2, dsn=2.0.0, sta"),
            line("smtp", f"{ID}: to=<a@gmail.com>, relay={MX}, delay=1.2, dsn=2.0.0, status=lost (?)"),
            "gmail.com>, relay=x, status=sent (250 ok)",
            line(
                "smtp",
                f"{ID}: host mx.example[192.0.2.1] said: 421 try again (in reply to MAIL FROM command)",
            ),
        ]
    )
    assert reading.counts == {"told": 0, "joined": 0, "noted": 2, "skipped": 4, "damaged": 3}


def test_open_messages_are_kept_within_a_bound_and_an_age() -> None:
    reading = Reading("postfix", LogSettings(most_open=10, longest_open_ms=86_400_000))
    reading.take(
        line("cleanup", f"4bXy2Q6Z1hz{i:05d}".replace("1", "B").replace("0", "C") + f": message-id=<{i}@x>")
        for i in range(50)
    )
    kept = reading.reader.changes()
    assert kept
    reading.take(TRADITIONAL.replace("29", "28").format(1) + "postfix/qmgr[1]: 4bXy2Q6Z1hzVVVV: removed")
    reading.take(
        "Dec  5 10:20:30 mx1 postfix/qmgr[1]: 4bXy2Q6Z1hzVVVV: from=<a@b.example>, size=1, nrcpt=1 (queue active)",
        NOW + 7 * 86_400_000,
    )
    assert sum(value is not None for value in reading.reader.changes().values()) == 1
