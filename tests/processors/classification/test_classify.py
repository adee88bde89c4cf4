"""What replies mean: layers, flags, and the replies that are taken for dead addresses and are not."""

import random

import pytest

from processors.classification.classify import NO_RULE, Reply, Verdict, active_ruleset, classify


def verdict(text: str | None, **given: object) -> Verdict:
    return classify(Reply(text, **given), active_ruleset())  # type: ignore[arg-type]


def meaning(text: str | None, **given: object) -> str:
    found = verdict(text, **given)
    return f"{found.bounce_class}.{found.leaf}"


@pytest.mark.parametrize(
    "text",
    [
        "550 5.7.1 Service unavailable; client [10.1.1.1] blocked using zen.spamhaus.org (user unknown)",
        "550 5.7.1 Unable to relay for unknown user",
        "535 5.7.8 Authentication failed: user unknown",
        "552 5.2.2 user unknown or over quota",
        "450 Requested mail action not taken: mailbox unavailable",
        "450 4.1.1 <address>: Recipient address rejected: User unknown in virtual mailbox table",
        "550 5.7.1 <address>: Sender address rejected: User unknown in virtual mailbox table",
        "550 Sender unknown",
        "550 Verification failed for <address>: Sender verify failed, no such user here",
        "421 4.7.0 Too many invalid recipients",
        "550 5.7.1 Access denied, account does not meet our policy",
        "550 5.7.511 Access denied, banned sender",
        "550 5.4.4 SERVFAIL for example.com: host unknown for now",
        "451 4.4.3 Host not found, try again",
        "554 5.7.1 <address>: Recipient address rejected: Access denied",
        "554 5.4.4 Unable to route",
        "550 5.1.8 Domain of sender address example.com does not exist",
        "550 5.1.1 refused due to recipient preferences",
        "550 5.0.0",
        "550",
        "",
        None,
        "550 5.1.0 rejected",
        "550 Ihre IP-Adresse wurde gesperrt",
        "550 Konto vorübergehend gesperrt",
        "550 该帐号暂时被冻结",
        "550 アカウントは一時停止中です",
        "550 Почтовый ящик временно заблокирован",
        "553 Domena nadawcy nie istnieje",
        "550 발신자 메일 주소가 존재하지 않습니다",
        "535 usuario no existe o clave incorrecta",
        "550 callback to <address> gave 550 no such user",
        "550 5.1.7 Invalid address <address>",
        "550 No external mail for this account",
        "550 Your mail server's hostname does not exist in DNS",
        "554 5.3.0 mailbox not found due to internal error",
        "450 casella di posta non disponibile",
    ],
)
def test_addresses_are_not_dead_for_that(text: str | None) -> None:
    found = verdict(text)
    assert not found.address_fatal, found
    assert found.after == 1
    assert found.action != "suppress"


def test_what_sendmail_adds_below_a_program_s_words_is_not_the_reason() -> None:
    added = "554 <someone@example.com>... Service unavailable"
    assert meaning(f"mail.local: /var/mail/someone: Disc quota exceeded\n{added}") == "bad_mailbox.quota"
    assert meaning(added) == "transient.system"


def test_what_was_heard_of_the_sender_s_own_host_is_not_the_recipient_s() -> None:
    asked = "550-Postmaster verification failed while checking <someone@example.org>"
    assert meaning(f"{asked}\n550-Response: 550 user unknown") == "policy.sender"
    asked = "550-Callout verification failed: 550"
    assert meaning(f"{asked} 550 5.1.1 <someone@example.org>: User unknown") == "bad_mailbox.unknown"


@pytest.mark.parametrize(
    ("text", "leaf"),
    [
        ("550 5.1.1 <address>: Recipient address rejected: User unknown in local recipient table", "bad_mailbox.unknown"),
        ("550 No such user here", "bad_mailbox.unknown"),
        ("550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", "bad_mailbox.unknown"),
        ("550 Requested action not taken: mailbox unavailable", "bad_mailbox.unknown"),
        ("556 5.1.10 Recipient address has a null MX", "bad_mailbox.null_mx"),
        ("Host or domain name not found. Name service error for name=a.invalid type=A: Host not found", "bad_mailbox.bad_domain"),
        ("550 5.1.1 Empfänger unbekannt", "bad_mailbox.unknown"),
        ("550 Пользователь не найден", "bad_mailbox.unknown"),
        ("550 用户不存在", "bad_mailbox.unknown"),
        ("550 宛先のアドレスは存在しません", "bad_mailbox.unknown"),
        ("550 Usuário desconhecido", "bad_mailbox.unknown"),
        ("550 El usuario no existe", "bad_mailbox.unknown"),
        ("550 L'utilisateur est inconnu", "bad_mailbox.unknown"),
        ("550 Utente sconosciuto", "bad_mailbox.unknown"),
        ("550 邮箱名不正确：someone@example.com", "bad_mailbox.unknown"),
        ("550 宛先someone@example.jpが存在しません", "bad_mailbox.unknown"),
        ("550 Azione richiesta non eseguita: casella di posta non disponibile", "bad_mailbox.unknown"),
        ("550 Nie ma takiej domeny", "bad_mailbox.bad_domain"),
        ("550 Ο παραλήπτης δεν βρέθηκε", "bad_mailbox.unknown"),
        ("551 5.1.6 no", "bad_mailbox.moved"),
    ],
)  # fmt: skip
def test_addresses_are_dead_for_that(text: str, leaf: str) -> None:
    found = verdict(text)
    assert f"{found.bounce_class}.{found.leaf}" == leaf
    assert found.address_fatal
    assert found.message_fatal
    assert found.action == "suppress"


def test_a_closed_mailbox_is_fatal_when_it_was_closed_often_enough() -> None:
    found = verdict("554 delivery error: dd This mailbox is disabled (554.30)")
    assert (found.leaf, found.address_fatal, found.after) == ("disabled", True, 3)


def test_a_full_mailbox_is_fatal_only_where_the_provider_says_for_good() -> None:
    assert not verdict("452 4.2.2 https://support.google.com/mail/?p=OverQuotaTemp").address_fatal
    assert not verdict("552 5.2.2 mailbox full").message_fatal
    perm = verdict("552 5.2.2 https://support.google.com/mail/?p=OverQuotaPerm")
    assert (perm.leaf, perm.address_fatal, perm.action) == ("quota", True, "suppress")


@pytest.mark.parametrize(
    "text",
    [
        "421 4.7.0 [TSS04] Messages from 10.1.1.1 temporarily deferred due to user complaints",
        "421 4.7.0 [TSS09] Messages from 10.1.1.1 temporarily deferred",
        "451 4.7.650 The mail server [10.1.1.1] has been temporarily rate limited due to IP reputation",
    ],
)
def test_cause_and_action_are_kept_apart(text: str) -> None:
    found = verdict(text)
    assert (found.bounce_class, found.action, found.message_fatal) == ("reputation", "throttle", False)


def test_a_providers_own_code_beats_the_registry() -> None:
    assert meaning("550 5.4.1 no", mx="example-com.mail.protection.outlook.com") == "bad_mailbox.unknown"
    assert meaning("550 5.4.1 no", mx="mx.example.com") == "transient.network"
    assert meaning("550 5.1.10 no", provider="microsoft") == "bad_mailbox.unknown"
    assert meaning("550 5.1.10 no") == "bad_mailbox.null_mx"


def test_layers_are_asked_in_their_order() -> None:
    assert verdict("421 4.7.0 [TSS04] user unknown").layer == "token"
    assert verdict("550 5.5.0 Requested action not taken: mailbox unavailable", mx="hotmail-com.olc.protection.outlook.com").layer == "scoped"  # fmt: skip
    assert verdict("550 5.7.1 user unknown").layer == "text"
    assert verdict("550 5.1.1 no").layer == "enhanced"
    assert verdict("550 5.7.1 refused").layer == "hint"
    assert verdict("550 no").layer == "basic"
    assert verdict("no").layer == verdict("no").rule == NO_RULE


@pytest.mark.parametrize(
    ("text", "leaf"),
    [
        ("421 burst exceeded", "throttling.rate"),
        ("554 garbage in MIME structure", "content.format"),
        ("554 5.7.1 your neighbourhood is bad", "reputation.ip"),
        ("550 your letter is overweight", "content.size"),
        ("host mx.example.com[10.1.1.1] said: 550 5.7.1 Message rejected", "policy.generic"),
        ("SMTP error from remote mail server: host mx.example.com [10.1.1.1]: 554 blocked", "policy.generic"),
        ("5.1.1 the burst of a header", "bad_mailbox.unknown"),
    ],
)
def test_what_it_speaks_of_counts_where_nothing_else_is_known(text: str, leaf: str) -> None:
    assert meaning(text) == leaf


@pytest.mark.parametrize(
    "said", ["550 5.7.1 Message rejected", "554 5.7.1 Access denied", "550 5.1.1 User unknown"]
)
@pytest.mark.parametrize(
    "around",
    [
        "SMTP error from remote mail server after end of data: host mx.example.com [10.1.1.1]: {}",
        "SMTP error from remote mailer after RCPT TO:<someone@example.org>: host mx.example.com [10.1.1.1]: {}",
        "host mx.example.com[10.1.1.1] said: {} (in reply to end of DATA command)",
        "10.1.1.1 does not like recipient. Remote host said: {} Giving up on 10.1.1.1.",
        "Can't send mail - all recipients were rejected: {}",
        "mx.example.com[10.1.1.1]: SMTP DATA-Dot command failed: {}",
        "Mailbox unavailable. The server response was: {}",
        "SMTP Error: data not accepted. SMTP server error: DATA END command failed Detail: {}",
        "javax.mail.SendFailedException: Invalid Addresses; nested exception is: "
        "com.sun.mail.smtp.SMTPAddressFailedException: {}",
        "failure: 10.1.1.1_does_not_like_recipient./Remote_host_said:_{}/Giving_up_on_10.1.1.1./",
        "Google tried to deliver your message, but it was rejected by the server for the recipient domain "
        "example.org by mx.example.org. [10.1.1.1]. The error that the other server returned was: {}",
    ],
)
def test_what_programs_write_around_a_reply_does_not_change_it(around: str, said: str) -> None:
    alone, inside = verdict(said), verdict(around.format(said))
    assert (inside.bounce_class, inside.leaf, inside.address_fatal) == (
        alone.bounce_class,
        alone.leaf,
        alone.address_fatal,
    )


POSTFIX = """I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<someone@example.org>: host mx.example.org[192.0.2.7] said: {}
    (in reply to RCPT TO command)
Reporting-MTA: dns; mail.example.net
X-Postfix-Sender: rfc822; me@example.net
Final-Recipient: rfc822; someone@example.org
Status: 5.0.0
Diagnostic-Code: smtp; {}"""
EXIM = """A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  someone@example.org
    SMTP error from remote mail server after RCPT TO:<someone@example.org>:
    {}

------ This is a copy of the message, including all the headers. ------

Received: from spam-filter.example.net with esmtpa
X-Spam-Status: No, score=-1.9
DKIM-Signature: v=1; a=rsa-sha256"""
QMAIL = """<someone@example.org>:
192.0.2.7 does not like recipient.
Remote host said: {}
Giving up on 192.0.2.7.

--- Below this line is a copy of the message.

X-Spam-Flag: NO
Subject: our policy on viruses"""
EXCHANGE = """Diagnostic information for administrators:

Generating server: EXCH01.example.net

mx.example.org #<mx.example.org #5.0.0 smtp;{}> #SMTP#

Original message headers:

Received: from EXCH01.example.net with Microsoft SMTP Server (TLS)
X-Spam: no"""
MAIL_RU = """Ваше письмо не может быть доставлено:

someone@example.org host mx.example.org: {}

Если Вы хотите пожаловаться на спам, напишите в службу поддержки."""


@pytest.mark.parametrize(
    "said",
    [
        "550 5.1.1 <someone@example.org>: User unknown",
        "550 Mailbox disabled",
        "552 5.2.2 Over quota",
        "421 4.7.0 Too many connections from your IP",
        "451 4.3.0 Temporary lookup failure",
        "554 5.7.1 <someone@example.org>: Relay access denied",
    ],
)
@pytest.mark.parametrize("bounce", [POSTFIX, EXIM, QMAIL, EXCHANGE, MAIL_RU])
def test_what_stands_below_a_reply_is_not_its_reason(bounce: str, said: str) -> None:
    alone = verdict(said)
    for inside in (
        verdict(bounce.replace("{}", said)),
        verdict("> " + bounce.replace("{}", said).replace("\n", "\n> ")),
    ):
        assert (inside.bounce_class, inside.leaf, inside.address_fatal) == (
            alone.bounce_class,
            alone.leaf,
            alone.address_fatal,
        )


def test_the_link_in_every_notice_of_gmail_s_kills_nobody() -> None:
    notice = "** Message not delivered **\n\nLearn more here: https://support.google.com/mail/answer/6596\n\nThe response was:\n\n"
    assert meaning(f"{notice}Email rejected per DMARC policy of example.com") == "policy.auth"
    assert not verdict(f"{notice}something odd").address_fatal


def test_advice_below_a_notice_without_a_code_neither_decides_nor_doubts() -> None:
    advice = (
        "How to Fix It\nThe address may be misspelled. Try again later, or ask whether a spam policy applies."
    )
    found = verdict(f"Your message couldn't be delivered.\n\nThe user is unknown at this domain.\n\n{advice}")
    assert (found.bounce_class, found.address_fatal) == ("bad_mailbox", True)
    found = verdict(f"Your message couldn't be delivered.\n\nThe mailbox is full.\n\n{advice}")
    assert (found.bounce_class, found.leaf) == ("bad_mailbox", "quota")
    fields = (
        "Final-Recipient: rfc822; a@example.org\nOriginal-Recipient: rfc822; a@example.org\nStatus: 5.4.4"
    )
    assert (
        meaning(f"{fields}\nDiagnostic-Code: X-Postfix; Host not found", enhanced_code="5.4.4")
        == "bad_mailbox.bad_domain"
    )


def test_every_rule_s_examples_are_found_inside_bounces() -> None:
    replies = [
        example.text
        for rule in active_ruleset().rules
        for example in rule.positive
        if example.text[:4].rstrip("- ").isdigit()
        and not (example.mx or example.provider or example.smtp_code)
    ]
    wrapped = [
        (verdict(said), verdict(bounce.replace("{}", said)))
        for said in replies
        for bounce in (EXIM, QMAIL, EXCHANGE)
    ]
    assert len(wrapped) > 4_000
    assert sum(alone.bounce_class != inside.bounce_class for alone, inside in wrapped) < len(wrapped) / 100
    assert sum(inside.address_fatal and not alone.address_fatal for alone, inside in wrapped) <= 5


@pytest.mark.parametrize(
    "text",
    [
        "450-4.2.1 The user you are trying to contact is receiving\n450-4.2.1 mail at a rate that prevents\n450-4.2.1 more",
        r"450-4.2.1 The user you are trying to contact is receiving\n450-4.2.1 mail at a rate that prevents\n450-4.2.1 more",
        "450-4.2.1 The user you are trying to contact is receiving 450-4.2.1 mail at a rate that prevents 450 4.2.1 more",
    ],
)
def test_lines_of_a_reply_are_one_however_a_log_joins_them(text: str) -> None:
    assert meaning(text) == "throttling.rate"


def test_a_log_without_blanks_is_read() -> None:
    assert (
        meaning("delivery 3: failure: Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/")
        == "bad_mailbox.unknown"
    )
    assert meaning("delivery 245: failure: Unable_to_run_qmail-remote./") == "transient.system"


def test_codes_beside_the_text_count() -> None:
    assert meaning("no", smtp_code=552) == "bad_mailbox.quota"
    assert meaning("no", enhanced_code="5.1.1") == "bad_mailbox.unknown"
    assert meaning(None, smtp_code=550, enhanced_code="5.7.26") == "policy.auth"


def test_what_will_be_tried_again_is_fatal_to_nothing() -> None:
    found = verdict("550 5.1.1 user unknown", is_temporary=True)
    assert (found.address_fatal, found.message_fatal, found.action) == (False, False, "retry")


def test_a_temporary_refusal_given_up_is_fatal_to_the_message_alone() -> None:
    found = verdict("450 4.1.1 user unknown", is_temporary=False)
    assert (found.address_fatal, found.message_fatal) == (False, True)


def test_hostile_texts_are_answered() -> None:
    for begun in ("a", "user ", "550 ", "mailbox is ", "(", "\x00", "🙈", "<a@", "5.1.1 ", "sender " * 3):
        assert verdict(begun * 50_000).rule
    assert verdict("\ud800\udfff user unknown").bounce_class == "bad_mailbox"


def test_nothing_that_was_said_before_changes_a_verdict() -> None:
    texts = [f"550 5.{subject}.{detail} no" for subject in range(8) for detail in range(10)]
    assert [verdict(text) for text in texts] == [verdict(text) for text in reversed(texts)][::-1]


def test_whatever_is_said_has_a_meaning_of_the_ruleset() -> None:
    chance = random.Random(3)
    ruleset = active_ruleset()
    said = [example.text for rule in ruleset.rules for example in (*rule.positive, *rule.negative)]
    for _ in range(10_000):
        text = "".join(
            chance.choice((
                chance.choice(said)[chance.randrange(20) : chance.randrange(20, 90)],
                "".join(chr(chance.choice((32, 45, 46, 53, 64, 127, 0x3042, 0xD800, 0x1F648))) for _ in range(8)),
                f"\r\n{chance.randrange(100, 700)}-{chance.randrange(9)}.{chance.randrange(9)}.{chance.randrange(900)} ",
            ))
            for _ in range(chance.randrange(5))
        )  # fmt: skip
        found = classify(Reply(text, smtp_code=chance.choice((None, 250, 421, 550, 999))), ruleset)
        leaf = f"{found.bounce_class}.{found.leaf}"
        assert leaf in ruleset.leaves
        assert not found.address_fatal or found.bounce_class == "bad_mailbox"
        assert found.after >= 1
