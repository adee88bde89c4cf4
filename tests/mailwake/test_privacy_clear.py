"""Events that hold the address of somebody who is erased are said."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mailwake.cli.app import app
from mailwake.opening import open_log
from mailwake.privacy import clear
from mailwake.settings import load_settings
from schemas.codec import encode
from schemas.mail import MessageOpened
from schemas.suppression import SuppressionEvidence
from streams.keys import key_of
from streams.log import Record

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


def test_they_are_counted_by_topic_and_said_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = [f"{'-' * length} {ADDRESS}" for length in range(70)]
    emit(ADDRESS, *texts, "j%40EXAMPLE.com", f"x{ADDRESS}", "another")
    said = CliRunner().invoke(app, ["privacy", "erase", ADDRESS, "--json"])
    assert said.exit_code == 0
    assert json.loads(said.stdout)["in_clear"] == {"mail.events": 72, "suppressions.evidence": 1}
    assert "NOT ERASED: events hold the address in clear: 72 of mail.events" in said.stderr
    monkeypatch.setattr(clear, "LOOKED_AT", 2)
    said = CliRunner().invoke(app, ["privacy", "erase", ADDRESS, "--json"])
    assert json.loads(said.stdout)["in_clear"] == {"suppressions.evidence": 1}
    said = CliRunner().invoke(app, ["privacy", "erase", "k@example.com", "--json"])
    assert json.loads(said.stdout)["in_clear"] == {} and "NOT ERASED" not in said.stderr
