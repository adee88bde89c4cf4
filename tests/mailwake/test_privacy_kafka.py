"""Erasing on a log in Kafka: copies take the places, and what stays until compaction is said."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from mailwake.keyring.opening import open_keyring
from mailwake.opening import open_any_log
from mailwake.privacy.changes import TOLD_AGAIN_MS
from mailwake.privacy.documents import held, readable
from mailwake.privacy.erasure import erase, forget
from mailwake.privacy.export import export
from mailwake.privacy.holdings import Holdings
from mailwake.settings import Settings
from schemas.documents import DocumentReceived
from sources.documents import DocumentIntake
from streams.blobs import Blobs
from streams.kafka.log import KafkaLog
from streams.keyring.keyring import NoKeyring, OtherKeyring
from streams.log import Record, TopicPartition

DOCUMENTS = TopicPartition("documents")
ADDRESS, OTHER = "john@example.com", "jane@example.org"


@pytest.fixture
def settings(kafka: Broker, tmp_path: Path) -> Settings:
    return Settings(
        log=f"kafka://{kafka.address}/p{time.time_ns()}",
        keyring=f"file:///{tmp_path}/keys",
        blobs=tmp_path / "blobs",
    )


@pytest.fixture
def holdings(settings: Settings) -> Iterator[Holdings]:
    log = open_any_log(settings)
    assert isinstance(log, KafkaLog)
    yield Holdings(log, Blobs(settings.blobs), open_keyring(settings, create=True))
    log.close()


def taken(holdings: Holdings, content: bytes) -> str:
    intake = DocumentIntake(holdings.log, holdings.blobs, keys=holdings.keyring)
    return intake.receive(content, "a.eml").receipt_id


def unwatched(name: str, more: int) -> None:
    """Nobody watches."""


def now(later_ms: int = 0) -> int:
    return time.time_ns() // 1_000_000 + later_ms


def latest(holdings: Holdings) -> list[tuple[DocumentReceived, bytes | None]]:
    """What is in the place of each document once Kafka has compacted, and what it holds."""
    events = [one.event for one in held(holdings.log, "documents", superseded=False)]
    documents = [event for event in events if isinstance(event, DocumentReceived)]
    return [(document, readable(document, holdings.blobs, holdings.keyring)) for document in documents]


def test_a_keyring_is_not_made_by_whoever_comes_first(settings: Settings) -> None:
    with pytest.raises(NoKeyring, match="mailwake keyring init"):
        open_keyring(settings)


def test_another_keyring_than_the_logs_is_refused(settings: Settings, holdings: Holdings) -> None:
    other = settings.model_copy(update={"keyring": f"{settings.keyring}-mistyped"})
    assert open_keyring(other, create=True, insist=True).identity() != holdings.keyring.identity()
    assert open_keyring(settings, insist=True).identity() == holdings.keyring.identity()
    taken(holdings, b"to <john@example.com>")
    with pytest.raises(OtherKeyring, match=rf"the log {settings.log} was hashed .* than .*-mistyped"):
        open_keyring(other)
    assert open_keyring(settings).identity() == holdings.keyring.identity()
    assert holdings.log.noted("keyring") == str(holdings.keyring.identity()).encode()
    with_spool = other.model_copy(update={"spool": "sqlite:///spool.db"})
    assert open_keyring(with_spool).identity(), "the log may be away: nobody is asked"


def test_a_copy_takes_the_place_and_what_waits_is_said(holdings: Holdings) -> None:
    receipt = taken(holdings, b"to <john@example.com> and jane@example.org")
    other = taken(holdings, b"to jane@example.org")
    done = erase(holdings, "default", ADDRESS, now(), unwatched)
    assert done.documents == [receipt] and done.waiting == ["documents/0/0"] and done.settled
    documents = {document.receipt_id: (document, content) for document, content in latest(holdings)}
    copy, content = documents[receipt]
    assert copy.erased == 1 and not copy.is_copy and content is not None
    assert ADDRESS.encode() not in content and b"and jane@example.org" in content
    assert documents[other][0].erased == 0


def test_a_second_recipient_is_taken_out_of_the_copy(holdings: Holdings) -> None:
    taken(holdings, b"to <john@example.com> and jane@example.org")
    erase(holdings, "default", ADDRESS, now(), unwatched)
    erase(holdings, "default", OTHER, now(), unwatched)
    ((copy, content),) = latest(holdings)
    assert copy.erased == 2 and content is not None
    assert ADDRESS.encode() not in content and OTHER.encode() not in content


def test_what_came_long_ago_is_not_told_again(holdings: Holdings) -> None:
    taken(holdings, b"to <john@example.com>")
    erase(holdings, "default", ADDRESS, now(TOLD_AGAIN_MS + 60_000), unwatched)
    ((copy, _),) = latest(holdings)
    assert copy.is_copy


def test_export_reads_what_is_there_now(holdings: Holdings) -> None:
    taken(holdings, b"to <john@example.com>")
    lines = list(export(holdings, "default", ADDRESS, contents=False, advance=unwatched))
    assert [line["is"] for line in lines] == ["recipient", "document"]
    erase(holdings, "default", ADDRESS, now(), unwatched)
    lines = list(export(holdings, "default", ADDRESS, contents=False, advance=unwatched))
    assert [line["is"] for line in lines] == ["recipient"]


def test_what_nobody_understood_stays_and_is_said(holdings: Holdings) -> None:
    holdings.log.append("documents", [Record(b"default/x", b"no document: john@example.com", now())])
    done = erase(holdings, "default", ADDRESS, now(), unwatched)
    assert done.waiting == ["documents/0/0"] and done.masked == []


def test_a_forgotten_tenant_is_read_by_nobody(holdings: Holdings) -> None:
    taken(holdings, b"to <john@example.com>")
    forget(holdings, "default", now(), unwatched)
    assert [content for _, content in latest(holdings)] in ([None], [b""])
