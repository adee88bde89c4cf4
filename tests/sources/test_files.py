import os
import time
from pathlib import Path

import pytest

from schemas.codec import decode
from sources import files
from sources.files import Intake, UnreadablePath, files_under, read_document
from sources.watch import WatchedFolder
from streams.blobs import INLINE_LIMIT, Blobs
from streams.log import LogFull, TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

DOCUMENTS = TopicPartition("documents")


@pytest.fixture
def intake(tmp_path: Path):
    log = SqliteLog.open(tmp_path / "log.db", TOPICS)
    yield Intake(log, Blobs(tmp_path / "blobs"))
    log.close()


def received(intake: Intake) -> list:
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


def test_blobs_of_tenants_can_not_leave_the_folder(tmp_path):
    blobs = Blobs(tmp_path / "blobs")
    digest = blobs.put("../../etc", b"x")
    assert blobs.get("../../etc", digest) == b"x"
    assert all((tmp_path / "blobs") in path.parents for path in tmp_path.rglob(digest))


def test_a_hash_that_is_none_finds_nothing(tmp_path):
    (tmp_path / "secret").write_text("x")
    assert Blobs(tmp_path / "blobs").get("default", "../../secret") is None


def test_folders_are_gone_through_in_order_and_hidden_files_left_out(tmp_path):
    for name in ("b.xml", "a.xml", ".hidden", "sub/c.xml", ".git/d.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [str(f.relative_to(tmp_path)) for f in files_under([tmp_path])] == ["a.xml", "b.xml", "sub/c.xml"]


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnreadablePath, match=r"nowhere.*no such file"):
        list(files_under([tmp_path / "nowhere"]))


def test_a_file_that_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_DOCUMENT", 10)
    (tmp_path / "big").write_bytes(b"x" * 11)
    with pytest.raises(UnreadablePath, match="11 bytes"):
        read_document(tmp_path / "big")


def dropped(folder: Path, name: str, age_s: float = 10) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_bytes(b"<feedback/>")
    os.utime(file, (time.time() - age_s,) * 2)
    return file


def test_a_dropped_file_is_appended_and_then_moved(intake, tmp_path):
    file = dropped(tmp_path / "in", "r.xml")
    assert WatchedFolder(tmp_path / "in", intake).step() == 1
    assert not file.exists() and (tmp_path / "in/taken/r.xml").exists() and len(received(intake)) == 1


def test_a_file_that_is_still_being_written_is_left_alone(intake, tmp_path):
    file = dropped(tmp_path / "in", "r.xml", age_s=0)
    assert WatchedFolder(tmp_path / "in", intake).step() == 0 and file.exists()


def test_a_file_stays_where_it_is_when_the_log_is_full(intake, tmp_path, monkeypatch):
    file = dropped(tmp_path / "in", "r.xml")

    def full(*_: object) -> None:
        raise LogFull("no room")

    monkeypatch.setattr(SqliteLog, "append", full)
    with pytest.raises(LogFull):
        WatchedFolder(tmp_path / "in", intake).step()
    assert file.exists()


def test_two_files_of_one_name_are_both_kept(intake, tmp_path):
    folder = WatchedFolder(tmp_path / "in", intake)
    for _ in range(2):
        dropped(tmp_path / "in", "r.xml")
        folder.step()
    assert len(list((tmp_path / "in/taken").iterdir())) == 2
