import json
import logging
import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from keyring_conformance import KeyringConformance

from streams.keyring import file_keyring
from streams.keyring.file_keyring import FileKeyring
from streams.keyring.keyring import KeyringError, NoKeyring, OtherKeyring


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_keyring, "LOOK_EVERY_S", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mailwake.keys"


@pytest.fixture
def keyring(path: Path) -> FileKeyring:
    return FileKeyring.open(path, create=True)


class TestFileKeyring(KeyringConformance):
    @pytest.fixture
    def other(self, keyring: FileKeyring) -> FileKeyring:
        return FileKeyring.open(keyring.path, create=False)

    def later(self) -> None:
        """It looks at once."""


def test_only_its_owner_reads_it(keyring: FileKeyring) -> None:
    keyring.hashing_key("acme")
    assert stat.S_IMODE(keyring.path.stat().st_mode) == 0o600


def test_others_who_can_read_it_are_named(keyring: FileKeyring, caplog: pytest.LogCaptureFixture) -> None:
    keyring.path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        FileKeyring.open(keyring.path, create=False)
    assert "chmod 600" in caplog.text


def test_one_that_is_missing_is_not_made_unless_it_may_be(path: Path) -> None:
    with pytest.raises(NoKeyring, match="mailwake keyring init"):
        FileKeyring.open(path, create=False)
    assert not path.exists()


def test_one_that_vanishes_is_not_made_anew(keyring: FileKeyring) -> None:
    keyring.hashing_key("acme")
    keyring.path.unlink()
    with pytest.raises(NoKeyring, match="is gone"):
        keyring.hashing_key("acme")
    assert not keyring.path.exists()


def test_another_in_its_place_is_refused_while_it_is_in_use(keyring: FileKeyring, tmp_path: Path) -> None:
    FileKeyring.open(tmp_path / "other.keys", create=True).path.rename(keyring.path)
    with pytest.raises(OtherKeyring, match="was replaced by another"):
        keyring.hashing_key("acme")


def test_copies_of_one_that_has_no_identity_yet_get_the_same(keyring: FileKeyring, tmp_path: Path) -> None:
    keyring.hashing_key("acme"), keyring.hashing_key("bcme")
    fields = json.loads(keyring.path.read_text())
    assert fields.pop("id") == keyring.identity()
    copies = [tmp_path / "one.keys", tmp_path / "two.keys"]
    for copy in copies:
        copy.write_text(json.dumps(fields))
    opened = [FileKeyring.open(copy, create=False) for copy in copies]
    assert opened[0].identity(create=False) is None
    assert opened[0].hashing_key("later") and opened[0].identity() == opened[1].identity() is not None
    assert opened[1].hashing_key("acme") == keyring.hashing_key("acme")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"format": "mailwake keyring 9", "tenants": {}, "forgotten": {}}', "\x00" * 40,
     '{"format": "mailwake keyring 1", "tenants": {"a": {"hashing": "AAAA", "data": "AAAA", "created_at": 1}}, "forgotten": {}}',
     '{"format": "mailwake keyring 1", "tenants": {"a": 5}, "forgotten": {}}'],
)  # fmt: skip
def test_a_damaged_one_is_refused_and_left_as_it_is(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(KeyringError, match=r"no keyring that can be read.*copy"):
        FileKeyring.open(path, create=True)
    assert path.read_text() == text


def test_no_message_and_no_repr_shows_a_key(keyring: FileKeyring) -> None:
    keyring.hashing_key("acme")
    keys = json.loads(keyring.path.read_text())["tenants"]["acme"]
    shown = repr(keyring._content) + repr(keyring)
    assert keys["hashing"] not in shown and keys["data"] not in shown
    assert str(keyring.hashing_key("acme")) not in shown


def test_a_write_that_fails_leaves_it_as_it_was(
    keyring: FileKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keyring.hashing_key("acme")

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(KeyringError, match="No space left"):
        keyring.hashing_key("bcme")
    monkeypatch.undo()
    assert list(FileKeyring.open(keyring.path, create=False).tenants()) == ["acme"]
    assert keyring.hashing_key("acme") == key
    assert [p.name for p in keyring.path.parent.iterdir() if p.name.startswith(".")] == []


def asks(path: Path, results: "multiprocessing.Queue[list[bytes | None]]") -> None:
    keyring = FileKeyring.open(path, create=True)
    results.put([keyring.hashing_key(f"tenant {n}") for n in range(10)])


def test_processes_that_make_it_at_once_have_the_same_keys(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=asks, args=(path, results)) for _ in range(4)]
    for process in processes:
        process.start()
    answers = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert all(answer == answers[0] for answer in answers) and None not in answers[0]


def test_a_damaged_journal_is_named(keyring: FileKeyring) -> None:
    keyring.journal.write_text('{"tenant": "a"}\n')
    with pytest.raises(KeyringError, match=r"erasures, line 1 is damaged"):
        keyring.erasures()
