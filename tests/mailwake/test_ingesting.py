"""Ingesting what is no file, and while nobody processes it."""

import json
import os
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from worlds import World

from mailwake import ingestion
from mailwake.pipeline import Pipeline, opened
from mailwake.settings import Settings, load_settings


def test_a_pipe_is_neither_a_file_nor_a_folder(empty: World, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    said = empty.run("inspect", tmp_path / "pipe", expect=2)
    assert "neither a file nor a folder" in said.err


def test_ingest_says_at_once_that_the_stage_is_paused(empty: World) -> None:
    (empty.folder / "one.xml").write_bytes(b"no report")
    empty.run("run", "--until-idle")
    empty.run("pause", "documents")
    said = empty.run("ingest", "one.xml", expect=3)
    assert "mailwake resume documents" in said.err
    assert not said.out
    empty.run("resume", "documents")
    assert empty.run("run", "--until-idle").out.startswith("documents 1 records")


def test_a_folder_with_no_file_says_that_there_was_nothing(empty: World) -> None:
    (empty.folder / "in").mkdir()
    said = empty.run("ingest", "in")
    assert said.err == "mailwake: no file in in: there was nothing to take\n" and not said.out


def test_of_a_mailbox_each_mail_is_named_by_its_number(empty: World) -> None:
    mails = "".join(
        f"From a@b.example Sun Nov  1 09:00:00 2026\nSubject: {n}\n\nHello.\n\n" for n in range(2)
    )
    (empty.folder / "box").write_text(mails)
    for command in ("inspect", "ingest"):
        said = empty.run(command, "box", "--json", expect=1)
        assert [json.loads(line)["path"] for line in said.out.splitlines()] == ["box#1", "box#2"]


def test_of_many_documents_it_says_how_many_came_to_what_and_lists_what_is_wrong(empty: World) -> None:
    reply = "From a@b.example Sun Nov  1 09:00:00 2026\nFrom: a@b.example\nAuto-Submitted: auto-replied\nSubject: {}\n\nAway.\n\n"
    letter = "From a@b.example Sun Nov  1 09:00:00 2026\nSubject: hello\n\nHello.\n\n"
    (empty.folder / "box").write_text("".join(map(reply.format, range(200))) + letter)
    head, *rows = empty.run("ingest", "box", expect=1).out.splitlines()
    assert head.split() == ["kind", "outcome", "documents", "records"]
    assert [row.split()[:4] for row in rows[:2]] == [
        ["auto-reply", "parsed", "200", "200"],
        ["mail", "rejected", "1", "0"],
    ]
    assert [row.split()[:3] for row in rows[2:4]] == [
        ["path", "member", "kind"],
        ["box#201", "mail", "rejected"],
    ]


def test_one_pipeline_takes_all_groups_and_lets_the_log_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = [tmp_path / f"{number}.eml" for number in range(5)]
    for file in files:
        file.write_text(f"From: a@b.example\nAuto-Submitted: auto-replied\nSubject: {file.name}\n\nAway.\n")
    pipelines: list[Settings] = []

    def counted(settings: Settings) -> AbstractContextManager[Pipeline]:
        pipelines.append(settings)
        return opened(settings)

    monkeypatch.setattr(ingestion, "TOGETHER", 2)
    monkeypatch.setattr(ingestion, "opened", counted)
    settings = load_settings()
    found = [processed.outcome["outcome"] for processed in ingestion.ingest_files(settings, files)]
    assert found == ["parsed"] * 5 and len(pipelines) == 1
    with opened(settings) as pipeline:
        assert pipeline.lag() == 0
