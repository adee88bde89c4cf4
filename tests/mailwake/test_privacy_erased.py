"""What comes of documents that somebody was taken out of: read after that, read before, copied into another log."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_privacy_commands import Here
from worlds import World

from mailwake.keyring.opening import open_keyring
from mailwake.privacy.changes import Changes
from mailwake.settings import Settings
from schemas.documents import DocumentReceived
from sources.documents import DocumentIntake
from streams.blobs import INLINE_LIMIT, Blobs
from streams.sealed_documents import content_of, keep_sealed

JANE, JOE = "plain.jane@gmail.com", "other.joe@gmail.com"


def hooked(world: World) -> None:
    """A body as SendGrid posts it: Jane was delivered to, Joe bounced."""
    events = [
        {"email": JANE, "event": "delivered", "timestamp": 1_796_000_000, "sg_event_id": "1", "sg_message_id": "a"},
        {"email": JOE, "event": "bounce", "timestamp": 1_796_000_000, "sg_event_id": "2", "sg_message_id": "b",
         "type": "bounce", "status": "5.1.1", "reason": f"550 5.1.1 <{JOE}>: no such user"},
    ]  # fmt: skip
    settings = Settings(log=f"sqlite:///{world.log_path}", blobs=world.folder / "blobs")
    with world.log() as log:
        keys = open_keyring(settings, log)
        intake = DocumentIntake(log, Blobs(settings.blobs), channel="hook", source="sendgrid", keys=keys)
        intake.receive(json.dumps(events).encode(), "body")


def bounce_without_a_name() -> bytes:
    """A bounce that names no message, its text in base64: its events are told apart by the digest of the mail."""
    report = base64.encodebytes(
        f"<{JANE}>: host mx.gmail.com said: 550 5.1.1 no such user\n".encode()
    ).decode()
    return f"""\
From: MAILER-DAEMON@mx.example.net
To: bounces@sender.example
Subject: Undelivered Mail Returned to Sender
Date: Tue, 03 Nov 2026 10:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain
Content-Transfer-Encoding: base64

{report}
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; {JANE}
Action: failed
Status: 5.1.1

--b--
""".replace("\n", "\r\n").encode()


def told(world: World) -> list[dict[str, object]]:
    return world.rows("SELECT kind, count() AS n FROM mail_events GROUP BY ALL ORDER BY ALL")


def test_a_body_is_read_though_somebody_was_taken_out_of_it_before(tmp_path: Path) -> None:
    world = Here(tmp_path)
    hooked(world)
    assert len(json.loads(world.run("privacy", "erase", JANE, "--json").out)["documents"]) == 1
    (line,) = [
        line
        for line in map(json.loads, world.run("privacy", "export", JOE, "--contents").out.splitlines())
        if line["is"] == "document"
    ]
    assert [event["event"] for event in json.loads(base64.b64decode(line["content"]))] == [
        "delivered",
        "bounce",
    ]
    world.run("run", "--until-idle")
    assert world.rows("SELECT outcome FROM documents") == [{"outcome": "parsed"}]
    assert [row["kind"] for row in told(world)] == ["bounced", "delivered"]
    lines = list(map(json.loads, world.run("privacy", "export", JOE).out.splitlines()))
    (hashed,) = [line["recipient_hash"] for line in lines if line["is"] == "recipient"]
    assert [row["recipient_hash"] for row in suppressions(world)] == [hashed]


def copied(world: World, folder: Path) -> World:
    """The log of a world copied into another world, with the same keys and blobs, and the pipeline run there."""
    folder.mkdir()
    after = Here(folder, {"MAILWAKE_KEYRING": f"file:///{world.folder / 'mailwake.keys'}",
                          "MAILWAKE_BLOBS": str(world.folder / "blobs")})  # fmt: skip
    world.run("log", "copy", f"sqlite:///{world.log_path}", f"sqlite:///{after.log_path}")
    after.run("run", "--until-idle")
    return after


def suppressions(world: World) -> list[dict[str, object]]:
    return world.rows("SELECT recipient_hash, reason FROM suppressions ORDER BY ALL")


@pytest.mark.parametrize("when", ["read before", "read after", "rebuilt"])
def test_a_copy_of_the_log_tells_an_erased_document_once(tmp_path: Path, when: str) -> None:
    (tmp_path / "world").mkdir()
    world = Here(tmp_path / "world")
    (world.folder / "b64.eml").write_bytes(bounce_without_a_name())
    world.run("ingest", "b64.eml")
    hooked(world)
    if when != "read after":
        world.run("run", "--until-idle")
    assert len(json.loads(world.run("privacy", "erase", JANE, "--json").out)["documents"]) == 2
    after = copied(world, tmp_path / "after")
    world.run("run", "--until-idle")
    expected = [{"kind": "bounced", "n": "2"}, {"kind": "delivered", "n": "1"}]
    assert [row | {"n": str(row["n"])} for row in told(world)] == expected
    if when == "rebuilt":
        after.run("replay", "rebuild", "--reparse")
        after.run("replay", "verify")
        after.run("replay", "swap")
    assert told(after) == told(world) and suppressions(after) == suppressions(world) != []
    outcomes = "SELECT kind, outcome, records FROM documents ORDER BY ALL"
    assert after.rows(outcomes) == world.rows(outcomes)


def test_two_erasures_at_once_are_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are in one document: the second copy that is written would hold whom the first has taken out."""
    world = Here(tmp_path)
    hooked(world)
    write, others = Changes.write, list[subprocess.Popen[str]]()

    def write_behind_another(changes: Changes) -> list[str]:
        command = [sys.executable, "-m", "mailwake", "privacy", "erase", JANE]
        others.append(
            subprocess.Popen(command, cwd=tmp_path, env=world.environ(), stderr=subprocess.PIPE, text=True)
        )
        assert others[0].stderr is not None
        said = others[0].stderr.readline()
        assert said == "" or f"another erasure on this log to end (process {os.getpid()})" in said
        return write(changes)

    monkeypatch.setattr(Changes, "write", write_behind_another)
    world.run("privacy", "erase", JOE)
    monkeypatch.undo()
    others[0].communicate(timeout=60)
    assert others[0].returncode == 0
    for address in (JANE, JOE):
        lines = map(json.loads, world.run("privacy", "export", address).out.splitlines())
        assert [line["is"] for line in lines] == ["recipient"]


def test_what_a_killed_receiver_left_among_the_blobs_is_looked_through(tmp_path: Path) -> None:
    """A blob is durable before the record that names it."""
    world = Here(tmp_path)
    hooked(world)
    settings = Settings(log=f"sqlite:///{world.log_path}", blobs=world.folder / "blobs")
    blobs = Blobs(settings.blobs)
    with world.log() as log:
        keys = open_keyring(settings, log)
    kept = keep_sealed(b"x" * INLINE_LIMIT + f" {JANE} {JOE}".encode(), "default", "never told", blobs, keys)
    half, fresh = (settings.blobs / "default" / kept.sha256[:2] / f".half-{name}" for name in ("old", "new"))
    half.write_bytes(b"sealed")
    fresh.write_bytes(b"sealed")
    os.utime(half, (1, 1))
    assert json.loads(world.run("privacy", "erase", JANE, "--json").out)["blobs"] == [kept.sha256]
    alone = DocumentReceived(receipt_id="never told", sha256=kept.sha256, size=1)
    content = content_of(alone, blobs, keys)
    assert content is not None and JANE.encode() not in content and JOE.encode() in content
    assert not half.exists() and fresh.exists()
    assert json.loads(world.run("privacy", "erase", JANE, "--json").out)["blobs"] == []
