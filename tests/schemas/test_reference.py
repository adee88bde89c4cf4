"""docs/events.md is what the models say, and its test vectors hold for another's arithmetic."""

import hashlib
import hmac
import uuid
from typing import Any

import pytest

from schemas.catalog import RECORDS, TOPICS, latest
from schemas.classification import BounceClassified
from schemas.codec import decode, encode
from schemas.dmarc import DmarcReportParsed
from schemas.documents import DeadLetter, DocumentProcessed, DocumentReceived
from schemas.mail import MessageBounced, MessageOpened
from schemas.recipient import InvalidAddress, recipient_hash
from schemas.record import Event
from schemas.reference import EXAMPLE, ID_VECTORS, KEYS, PAGE, page
from schemas.reputation import ReputationBuckets, ReputationDeltas, ReputationScored
from schemas.suppression import RecipientSuppressed, SuppressionEvidence
from schemas.tail import TailPlace
from streams.keys import key_of

SHA = "0" * 64
ONE_OF_EACH: dict[str, Event] = {
    "documents": DocumentReceived(tenant="t", receipt_id="r", sha256=SHA, size=0),
    "documents.outcomes": DocumentProcessed(
        tenant="t", receipt_id="r", sha256=SHA, kind="unknown", outcome="parsed", parser_version=1
    ),
    "mail.events": MessageBounced(tenant="t", from_domain="example.com"),
    "mail.classified": BounceClassified(
        tenant="t",
        from_domain="example.com",
        classified_event_id=str(uuid.UUID(int=1)),
        classified_kind="bounced",
        ruleset="2026-11-30",
        bounce_class="unknown",
        leaf="unknown",
        address_fatal=False,
        message_fatal=True,
        scope="message",
        action="review",
        rule="basic-5",
    ),
    "suppressions.evidence": SuppressionEvidence(tenant="t", kind="bounce", recipient_hash="h"),
    "suppressions": RecipientSuppressed(tenant="t", recipient_hash="h", reason="bounce", since=0),
    "dmarc.records": DmarcReportParsed(
        tenant="t", report_id="r", policy_domain="example.com", begin=0, end=1, content_hash=SHA
    ),
    "reputation.deltas": ReputationDeltas(watermark=0),
    "reputation.buckets": ReputationBuckets(watermark=0),
    "reputation.scores": ReputationScored(
        kind="ip", identity="::1", provider="gmail", score=1, confidence=1, evidence=1, model_version=1
    ),
    "dead.letters": DeadLetter(
        origin_topic="mail.events",
        origin_partition=1,
        origin_offset=2,
        stage="s",
        reason="r",
        size=0,
        content=b"",
    ),
    "tail.places": TailPlace(
        tenant="t", tail="mx1", part="f", path="", device=0, inode=0, head_size=0, head_sha256="", offset=0
    ),
}


def test_the_page_is_what_the_models_say() -> None:
    assert PAGE.read_text() == page(), "run python -m schemas.reference"


def test_the_page_tells_every_record_its_id_and_every_field() -> None:
    text = page()
    for record in RECORDS.values():
        assert f"### {record.__name__}\n" in text
        assert f"Schema id {latest(record).id}, version" in text
        for name in record.model_fields:
            assert f"\n| `{name}` | " in text


@pytest.mark.parametrize("topic", TOPICS)
def test_the_keys_it_tells_are_the_keys_used(topic: str) -> None:
    event = ONE_OF_EACH[topic]
    assert "/".join(str(getattr(event, part)) for part in KEYS[topic].split("/")) == key_of(event).decode()


def test_published_ids_by_hand() -> None:
    root = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    namespace = _uuid5(root, b"events.mailwake")
    for record, tenant, key in ID_VECTORS:
        name = b"\x1f".join(part.encode() for part in (record.__name__, tenant, key))
        said = str(_uuid5(namespace, name))
        assert f"`{said}`" in PAGE.read_text()
        assert record(tenant=tenant, source_event_id=key).event_id == said


def _uuid5(namespace: uuid.UUID, name: bytes) -> uuid.UUID:
    digest = bytearray(hashlib.sha1(namespace.bytes + name).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return uuid.UUID(bytes=bytes(digest))


def test_published_ids_stay_what_they_are() -> None:
    assert MessageBounced.id_of(*ID_VECTORS[0][1:]) == "19ce88d6-8c9a-51a3-a522-e12773618077"
    assert MessageOpened.id_of("ünï", "ключ") == "231a61b4-7d8d-59ff-8344-4c3011d4bdb5"


def test_the_published_record() -> None:
    block = PAGE.read_text().split("```")[1].replace("\n", "")
    assert bytes.fromhex(block) == encode(EXAMPLE)
    assert decode(bytes.fromhex(block)) == EXAMPLE


@pytest.mark.parametrize(
    ("key", "address", "normal", "digest"),
    [
        (b"key", "someone@example.com", "someone@example.com", "c8acd56a2d51d2152d063b4f76b74add"),
        (b"key", "SomeOne@EXAMPLE.com", "someone@example.com", "c8acd56a2d51d2152d063b4f76b74add"),
        (b"key", "some.one+tag@example.com", "some.one+tag@example.com", "55ab7094c47167f6bcd10a7651325931"),
        (b"another key", "someone@example.com", "someone@example.com", "0254c91c9367b7e1c8724b8d4cdea33b"),
        (
            bytes(range(32)),
            "Ju\u0308rgen@Bu\u0308cher.example",
            "jürgen@xn--bcher-kva.example",
            "de7a55220b77938d7676ddd031946f21",
        ),
        (
            bytes(range(32)),
            "用户@例子.测试",
            "用户@xn--fsqu00a.xn--0zwm56d",
            "98ea8077623a489d439b000b331ec7b4",
        ),
    ],
)
def test_published_recipient_hashes(key: bytes, address: str, normal: str, digest: str) -> None:
    assert hmac.new(key, normal.encode(), "sha256").hexdigest()[:32] == digest
    assert recipient_hash(key, address) == digest
    assert digest in PAGE.read_text()


@pytest.mark.parametrize(
    "address", ["", "someone", "@example.com", "a@", "a@\u00fc..example", "a@xn--\u00fc.example"]
)
def test_what_is_no_address_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(InvalidAddress) as raised:
        recipient_hash(b"key", address)
    assert not address or address not in str(raised.value).split()


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="empty key"):
        recipient_hash(b"", "a@example.com")


def test_nothing_is_stripped_and_a_quoted_at_sign_is_the_local_parts() -> None:
    hashes: list[Any] = [
        recipient_hash(b"k", address)
        for address in ("a.b@x.de", "ab@x.de", "ab+c@x.de", " ab@x.de", '"ab@y.de"@x.de', "ab@[192.0.2.1]")
    ]
    assert len(set(hashes)) == len(hashes)
