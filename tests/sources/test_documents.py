import os
from pathlib import Path

import pytest

from schemas.codec import decode
from sources.documents import DocumentIntake
from streams.blobs import INLINE_LIMIT, Blobs
from streams.log import TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

DOCUMENTS = TopicPartition("documents")


@pytest.fixture
def intake(tmp_path: Path):
    log = SqliteLog.open(tmp_path / "log.db", TOPICS)
    yield DocumentIntake(log, Blobs(tmp_path / "blobs"))
    log.close()


def received(intake: DocumentIntake) -> list:
    return [decode(value) for value in intake.log.read(DOCUMENTS, 0, 1000).values]


def test_a_small_document_travels_in_its_record(intake):
    said = intake.receive(b"<feedback/>", "r.xml")
    (document,) = received(intake)
    assert document == said and document.content == b"<feedback/>" and document.size == 11


def test_a_large_document_is_in_the_blob_store_before_its_record(intake):
    content = os.urandom(INLINE_LIMIT + 1)
    intake.receive(content, "large.bin")
    (document,) = received(intake)
    assert document.content is None
    assert intake.blobs.get(document.tenant, document.sha256) == content
