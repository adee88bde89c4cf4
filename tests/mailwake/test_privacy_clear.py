"""Events that hold the address of somebody who is erased are said."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mailwake.cli.app import app
from mailwake.keyring.opening import open_keyring
from mailwake.opening import open_log
from mailwake.privacy import clear
from mailwake.settings import load_settings
from schemas.codec import encode
from schemas.mail import MessageOpened
from schemas.suppression import SuppressionEvidence
from streams.keys import key_of
from streams.log import Record
from streams.sqlite.log import SqliteLog

ADDRESS = "j@example.com"


def emit(*texts: str) -> None:
    log = open_log(load_settings())
    for text in texts:
        event = MessageOpened(user_agent=text)
        log.append("mail.events", [Record(key_of(event), encode(event), event.recorded_at)])
    note = SuppressionEvidence(kind="manual", recipient_hash="0" * 32, note="asked").model_copy(
        update={"note": f"{ADDRESS} asked"}
    )
    log.append("suppressions.evidence", [Record(key_of(note), encode(note), note.recorded_at)])
    log.close()


def make_keys(*tenants: str) -> None:
    log = open_log(load_settings())
    keyring = open_keyring(load_settings(), log)
    assert all(keyring.hashing_key(tenant) for tenant in tenants)
    log.close()


def test_they_are_counted_by_topic_and_said_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = [f"{'-' * length} {ADDRESS}" for length in range(70)]
    emit(ADDRESS, *texts, "j%40EXAMPLE.com", f"x{ADDRESS}", "another")
    said = CliRunner().invoke(app, ["privacy", "erase", ADDRESS, "--json"])
    assert said.exit_code == 1
    assert json.loads(said.stdout)["in_clear"] == {"mail.events": 72, "suppressions.evidence": 1}
    assert "NOT ERASED: events hold the address in clear: 72 of mail.events" in said.stderr
    monkeypatch.setattr(clear, "LOOKED_AT", 2)
    said = CliRunner().invoke(app, ["privacy", "erase", ADDRESS, "--json"])
    assert json.loads(said.stdout)["in_clear"] == {"suppressions.evidence": 1}
    said = CliRunner().invoke(app, ["privacy", "erase", "k@example.com", "--json"])
    assert json.loads(said.stdout)["in_clear"] == {} and "NOT ERASED" not in said.stderr
    assert said.exit_code == 0


def test_every_tenant_is_gone_through_whatever_is_left_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    emit(ADDRESS)
    make_keys("acme", "zoo")
    monkeypatch.setattr(SqliteLog, "settle", lambda _: False)
    said = CliRunner().invoke(app, ["privacy", "erase", ADDRESS, "--all-tenants", "--json"])
    assert said.exit_code == 1 and "Do it again" in said.stderr
    assert [json.loads(line)["tenant"] for line in said.stdout.splitlines()] == ["acme", "zoo"]


def test_a_tenant_that_is_not_known_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one that is mistyped would be told forgotten, and the one that was meant goes on."""
    monkeypatch.chdir(tmp_path)
    emit("x")
    make_keys("acme")
    said = CliRunner().invoke(app, ["privacy", "forget-tenant", "acmee", "--yes"])
    assert said.exit_code != 0 and "acmee is not known" in str(said.exception)
    for _ in range(2):
        assert CliRunner().invoke(app, ["privacy", "forget-tenant", "acme", "--yes"]).exit_code == 0
