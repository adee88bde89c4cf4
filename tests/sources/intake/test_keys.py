"""The file of keys: hashes only, its owner's only, changed by one at a time."""

import stat
import threading
from pathlib import Path

import pytest

from sources.intake import kept_file
from sources.intake.keys import InvalidKeys, KeyFile


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyFile:
    monkeypatch.setattr(kept_file, "LOOK_AGAIN_S", 0)
    return KeyFile(tmp_path / "keys.toml")


def test_at_rest_there_is_only_a_hash(keys: KeyFile) -> None:
    key, token = keys.create("billing", "acme", ["read", "emit"])
    text = keys.path.read_text()
    assert token.startswith("mwk_") and token.rpartition("_")[2] not in text and key.sha256 in text
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    caller = KeyFile(keys.path).caller(token)
    assert caller is not None and (caller.tenant, caller.scopes, caller.key) == (
        "acme",
        {"emit", "read"},
        key.id,
    )


def test_a_revoked_key_is_listed_and_opens_nothing(keys: KeyFile) -> None:
    key, token = keys.create("one", "default", ["emit"])
    keys.revoke(key.id)
    assert keys.keys()[key.id].revoked and keys.caller(token) is None
    with pytest.raises(InvalidKeys, match="no key one"):
        keys.revoke("one")


def test_of_two_keys_of_one_name_it_must_be_said_which(keys: KeyFile) -> None:
    for _ in range(2):
        keys.create("one", "default", ["emit"])
    with pytest.raises(InvalidKeys, match="several"):
        keys.revoke("one")


@pytest.mark.parametrize(
    ("name", "tenant", "scopes"),
    [
        ("x", "default", []),
        ("x", "default", ["admin"]),
        ("", "default", ["emit"]),
        ('a"b', "default", ["emit"]),
        ("x", "a/b", ["emit"]),
        ("x\n", "default", ["emit"]),
    ],
)
def test_a_key_that_can_not_be_is_not_made(keys: KeyFile, name: str, tenant: str, scopes: list[str]) -> None:
    with pytest.raises(InvalidKeys):
        keys.create(name, tenant, scopes)
    assert not keys.path.exists()


def test_many_may_make_keys_at_once(keys: KeyFile) -> None:
    threads = [
        threading.Thread(target=lambda at=at: KeyFile(keys.path).create(f"k{at}", "default", ["emit"]))  # type: ignore[misc]
        for at in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in keys.keys().values()} == {f"k{at}" for at in range(8)}


@pytest.mark.parametrize(
    "text", ["no toml [", "[[key]]\nid = 1\n", "key = 3\n", '[[key]]\nid = "a"\nnonsense = 1\n']
)
def test_a_broken_file_is_named_at_first_and_later_leaves_what_was_read(keys: KeyFile, text: str) -> None:
    _, token = keys.create("one", "default", ["emit"])
    assert keys.caller(token) is not None
    keys.path.write_text(text)
    assert keys.caller(token) is not None
    with pytest.raises(InvalidKeys):
        KeyFile(keys.path).keys()
