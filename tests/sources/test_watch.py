import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sources.documents import DocumentIntake
from sources.watch import WatchedFolder
from streams.blobs import Blobs
from streams.log import LogFull, TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    opened = SqliteLog.open(tmp_path / "log.db", TOPICS)
    yield opened
    opened.close()


@pytest.fixture
def folder(log: SqliteLog, tmp_path: Path) -> WatchedFolder:
    return WatchedFolder(tmp_path / "in", DocumentIntake(log, Blobs(tmp_path / "blobs")))


def dropped(folder: Path, name: str, age_s: float = 10) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_bytes(b"<feedback/>")
    os.utime(file, (time.time() - age_s,) * 2)
    return file


def test_a_dropped_file_is_appended_and_then_moved(log, folder):
    file = dropped(folder.folder, "r.xml")
    assert folder.step() == 1
    assert (
        not file.exists()
        and (folder.folder / "taken/r.xml").exists()
        and log.end(TopicPartition("documents")) == 1
    )


def test_a_file_that_is_still_being_written_is_left_alone(folder):
    file = dropped(folder.folder, "r.xml", age_s=0)
    assert folder.step() == 0 and file.exists()


def test_a_file_stays_where_it_is_when_the_log_is_full(folder, monkeypatch):
    file = dropped(folder.folder, "r.xml")

    def full(*_: object) -> None:
        raise LogFull("no room")

    monkeypatch.setattr(SqliteLog, "append", full)
    with pytest.raises(LogFull):
        folder.step()
    assert file.exists()


def test_two_files_of_one_name_are_both_kept(folder):
    for _ in range(2):
        dropped(folder.folder, "r.xml")
        folder.step()
    assert len(list((folder.folder / "taken").iterdir())) == 2
