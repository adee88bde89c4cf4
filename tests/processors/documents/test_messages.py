"""What documents tell of messages: mails and webhooks, whoever brings them, by the tenant's key."""

from collections.abc import Sequence
from functools import partial

import orjson
import pytest
from reports import document, report, slice_of, zipped
from stage_conformance import MakeStage, StageConformance, run

from processors.documents.inspect import inspect
from processors.documents.reading import MOST_WARNINGS, hasher
from processors.documents.stage import DocumentStage
from processors.stage import Emission, Slice
from schemas.codec import decode
from schemas.documents import DocumentProcessed, DocumentReceived
from schemas.keyring import TenantKeys
from schemas.mail import MailEvent, MessageBounced, MessageDelivered
from schemas.recipient import recipient_hash
from schemas.sealing import document_place, seal

KEY, DATA = b"k" * 32, b"d" * 32

DSN = b"""Return-Path: <>
From: MAILER-DAEMON@mx.example.net
To: bounces@news.example.com
Subject: Undelivered Mail Returned to Sender
Message-ID: <dsn-1@mx.example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I could not deliver your message.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Thu, 26 Nov 2026 10:00:00 +0000

Final-Recipient: rfc822; ada@example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <ada@example.org>: user unknown
--b
Content-Type: text/rfc822-headers

From: News <news@news.example.com>
Message-ID: <m-1@news.example.com>
Subject: hello
--b--
"""
PLAIN = b"From: ada@example.org\nTo: news@news.example.com\nSubject: Lunch?\n\nAt noon?\n"


class Keys:
    """Everybody's keys but those of who is forgotten."""

    def hashing_key(self, tenant: str) -> bytes | None:
        return None if tenant == "gone" else KEY

    def data_key(self, tenant: str) -> bytes | None:
        return None if tenant == "gone" else DATA


KEYS: TenantKeys = Keys()


def delivery(recipient: str, message: str = "ses-1") -> bytes:
    mail = {
        "messageId": message,
        "timestamp": "2026-11-26T10:00:00.000Z",
        "source": "news@news.example.com",
        "destination": [recipient],
    }
    told = {"timestamp": "2026-11-26T10:00:01.000Z", "recipients": [recipient], "smtpResponse": "250 ok"}
    message_text = orjson.dumps({"eventType": "Delivery", "mail": mail, "delivery": told}).decode()
    return orjson.dumps({"Type": "Notification", "MessageId": "sns-1", "Message": message_text})


def hook(content: bytes, receipt: str = "hook-1", **fields: object) -> DocumentReceived:
    return document(content, receipt, source="ses", channel="sns", **fields)


def no_blob(tenant: str, sha256: str) -> None:
    return None


def emitted(*documents: DocumentReceived) -> list[Emission]:
    return run(DocumentStage(no_blob, keys=KEYS), [slice_of(list(documents))])


def outcomes(emissions: Sequence[Emission]) -> list[DocumentProcessed]:
    told = [decode(emission.value) for emission in emissions]
    return [event for event in told if isinstance(event, DocumentProcessed)]


def events(emissions: Sequence[Emission]) -> list[MailEvent]:
    told = [decode(emission.value) for emission in emissions if emission.topic == "mail.events"]
    return [event for event in told if isinstance(event, MailEvent)]


class TestContract(StageConformance):
    @pytest.fixture
    def make_stage(self) -> MakeStage:
        return lambda: DocumentStage(no_blob, keys=KEYS)

    @pytest.fixture
    def slices(self) -> Sequence[Slice]:
        documents = [
            document(DSN, "one"),
            hook(delivery("ada@example.org"), "two"),
            document(report().encode(), "three"),
            document(PLAIN, "four"),
            hook(b"{}", "five"),
        ]
        return [slice_of(documents[:2]), slice_of(documents[2:4], 2), slice_of(documents[4:], 4)]


def test_a_bounce_is_told_under_its_sending_domain_and_by_the_tenants_key() -> None:
    emissions = emitted(document(DSN, tenant="acme"))
    (outcome,) = outcomes(emissions)
    assert (outcome.kind, outcome.outcome, outcome.records) == ("dsn", "parsed", 1)
    (event,) = events(emissions)
    assert isinstance(event, MessageBounced)
    assert event.recipient_hash == recipient_hash(KEY, "ada@example.org")
    assert (event.from_domain, event.message_id) == ("news.example.com", "<m-1@news.example.com>")
    assert (event.tenant, event.source, event.channel) == ("acme", "file", "upload")
    assert [e.key for e in emissions if e.topic == "mail.events"] == [b"acme/news.example.com"]


def test_a_webhook_is_read_as_its_provider_writes_it_and_as_nothing_else() -> None:
    emissions = emitted(hook(delivery("ada@example.org")))
    assert [(o.kind, o.outcome) for o in outcomes(emissions)] == [("webhook", "parsed")]
    (event,) = events(emissions)
    assert isinstance(event, MessageDelivered)
    assert event.recipient_hash == recipient_hash(KEY, "ada@example.org")
    (uploaded,) = outcomes(emitted(document(delivery("ada@example.org"))))
    assert (uploaded.kind, uploaded.outcome) == ("unknown", "rejected")


def test_what_a_webhook_says_and_nobody_knows_is_named_and_kept() -> None:
    (outcome,) = outcomes(emitted(hook(b'{"eventType": "Teleport", "mail": {}}')))
    assert (outcome.kind, outcome.outcome) == ("webhook", "rejected")
    assert "Teleport" in (outcome.reason or "")


def test_an_ordinary_mail_says_why_it_gives_nothing() -> None:
    (outcome,) = outcomes(emitted(document(PLAIN)))
    assert (outcome.kind, outcome.outcome) == ("mail", "rejected")
    assert (outcome.reason or "").endswith("a mail that tells nothing of another mail's delivery")


def test_mails_in_an_archive_are_each_read() -> None:
    packed = zipped(
        ("one.eml", DSN), ("two.eml", DSN.replace(b"ada@", b"bob@")), ("r.xml", report().encode())
    )
    emissions = emitted(document(packed))
    assert [(o.member, o.kind) for o in outcomes(emissions)] == [
        ("one.eml", "dsn"),
        ("two.eml", "dsn"),
        ("r.xml", "dmarc-aggregate"),
    ]
    assert [event.recipient_hash for event in events(emissions)] == [
        recipient_hash(KEY, "ada@example.org"),
        recipient_hash(KEY, "bob@example.org"),
    ]


def test_the_same_mail_twice_gives_the_same_facts() -> None:
    told = events(emitted(document(DSN, "one"), document(DSN, "two")))
    assert len({event.event_id for event in told}) == 1


def test_what_names_no_from_domain_takes_the_intakes() -> None:
    bare = DSN.replace(b"From: News <news@news.example.com>\nMessage-ID", b"Message-ID")
    (event,) = events(emitted(document(bare, from_domain="fallback.example")))
    assert event.from_domain == "fallback.example"


def test_sealed_documents_are_read_and_those_of_a_forgotten_tenant_are_not() -> None:
    def sealed(tenant: str) -> DocumentReceived:
        plain = document(DSN, "sealed", tenant=tenant)
        return plain.model_copy(
            update={"content": seal(DATA, document_place(tenant, "sealed"), DSN, bytes(12))}
        )

    emissions = emitted(sealed("acme"), sealed("gone"))
    assert [(o.kind, o.outcome) for o in outcomes(emissions)] == [("dsn", "parsed"), ("unknown", "forgotten")]
    assert len(events(emissions)) == 1


def test_a_copy_from_which_somebody_was_taken_out_tells_nothing_of_messages_again() -> None:
    emissions = emitted(document(DSN.replace(b"ada@example.org", b"erased@invalid"), is_copy=True, erased=1))
    assert [(o.kind, o.outcome) for o in outcomes(emissions)] == [("dsn", "parsed")]
    assert events(emissions) == []


def test_a_forgotten_tenants_recipients_stay_unnamed() -> None:
    (event,) = events(emitted(document(DSN, tenant="gone")))
    assert event.recipient_hash is None


def test_inspecting_tells_what_ingesting_would() -> None:
    (found,) = inspect(DSN, "bounce.eml", hashing=partial(hasher, KEYS)).documents
    assert found.outcome.kind == "dsn"
    (event,) = found.events
    assert isinstance(event, MessageBounced)
    assert event.enhanced_code == "5.1.1"


def test_a_notification_that_is_cut_amid_a_recipient_is_partial() -> None:
    head, found, _ = DSN.partition(b"\nAction:")
    assert found
    (outcome,) = outcomes(emitted(document(head)))
    assert (outcome.kind, outcome.outcome, outcome.records) == ("dsn", "partial", 1)
    assert any("neither an Action nor a Status" in warning for warning in outcome.warnings)


def test_warnings_of_a_flood_are_bounded() -> None:
    body = orjson.dumps([{"event": f"unheard-of-{n}", "sg_event_id": str(n)} for n in range(1_000)])
    good = orjson.loads(body)
    good.append(
        {"event": "delivered", "email": "ada@example.org", "timestamp": 1_790_000_000, "sg_event_id": "d"}
    )
    (outcome,) = outcomes(emitted(document(orjson.dumps(good), source="sendgrid", channel="hook")))
    assert (outcome.outcome, outcome.records) == ("partial", 1)
    assert len(outcome.warnings) == MOST_WARNINGS + 1


class Away(Keys):
    """Keys that answer so many times, and then are away."""

    def __init__(self, answers: int) -> None:
        self.answers = answers

    def hashing_key(self, tenant: str) -> bytes | None:
        self._answer()
        return super().hashing_key(tenant)

    def data_key(self, tenant: str) -> bytes | None:
        self._answer()
        return super().data_key(tenant)

    def _answer(self) -> None:
        if not self.answers:
            raise TimeoutError("the keys are away")
        self.answers -= 1


@pytest.mark.parametrize("answers", range(4))
def test_while_the_keys_can_not_be_asked_nothing_is_taken(answers: int) -> None:
    keys = Away(answers)
    stage = DocumentStage(no_blob, keys=keys)
    sealed = document(DSN, "two", tenant="acme").model_copy(
        update={"content": seal(DATA, document_place("acme", "two"), DSN, b"n" * 12)}
    )
    records = slice_of([document(report().encode(), "one"), sealed])
    with pytest.raises(TimeoutError):
        stage.take(records)
    assert not stage.flush().emissions
    keys.answers = 4
    stage.take(records)
    assert [(o.kind, o.outcome) for o in outcomes(stage.flush().emissions)] == [
        ("dmarc-aggregate", "parsed"),
        ("dsn", "parsed"),
    ]
