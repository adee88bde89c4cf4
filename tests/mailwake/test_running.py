"""`mailwake up` while it runs: backed up, paused, fed by folders, asked, and ended."""

import json
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

from pipeline_programs import EVENTS_OF_A_BATCH
from running import running, until, until_it_says
from worlds import Undisturbed, World, assert_same, finished

REPORT = b"""<?xml version="1.0"?>
<feedback>
  <report_metadata><org_name>reporter.example</org_name><email>dmarc@reporter.example</email>
    <report_id>1</report_id><date_range><begin>1780272000</begin><end>1780358399</end></date_range></report_metadata>
  <policy_published><domain>sender.example</domain><p>none</p></policy_published>
  <record><row><source_ip>192.0.2.1</source_ip><count>7</count>
    <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
    <identifiers><header_from>sender.example</header_from></identifiers>
    <auth_results><spf><domain>sender.example</domain><result>fail</result></spf></auth_results></record>
</feedback>
"""


def ended(up: "subprocess.Popen[bytes]", by: signal.Signals = signal.SIGTERM) -> None:
    """End it as an operator does; it must leave in order."""
    up.send_signal(by)
    said = finished(up, expect=0)
    assert "Traceback" not in said.err


def position(world: World, stage: str) -> int:
    with world.log() as log:
        return sum(log.committed(stage).values())


def test_it_is_asked_over_http_while_it_runs_and_ends_with_0(world: World, undisturbed: Undisturbed) -> None:
    with running(world, "up") as up:
        url = until_it_says(b"queries at ", up).rpartition(" ")[2].strip()
        until(lambda: world.lag() == 0, up)
        sql = "SELECT count() AS events FROM mailwake.mail_events FORMAT JSONEachRow"
        with urllib.request.urlopen(f"{url}/?query={urllib.parse.quote(sql)}") as answer:
            over_http = json.loads(answer.read())
        assert world.rows("SELECT count() AS events FROM mail_events") == [over_http]
        assert over_http["events"] == len(undisturbed.outcome.views["mail_events"])
        ended(up)
    assert not (world.folder / "mailwake.db.serving").exists()
    assert_same(world.finish(), undisturbed.outcome)


def test_it_is_ended_in_the_midst_of_its_work_and_goes_on(world: World, undisturbed: Undisturbed) -> None:
    for by in (signal.SIGTERM, signal.SIGINT):
        with running(world, "up") as up:
            before = world.lag()
            until(lambda before=before: world.lag() < before, up)  # type: ignore[misc]
            ended(up, by)
    assert_same(world.finish(), undisturbed.outcome)


def test_a_stage_is_paused_and_resumed_while_it_runs(world: World, undisturbed: Undisturbed) -> None:
    world.run("pause", "reputation")
    with running(world, "up") as up:
        until(lambda: position(world, "documents") == len(undisturbed.outcome.topics["documents"]), up)
        assert position(world, "reputation") == 0
        stages = json.loads(world.run("status", "--json").out)
        assert stages["paused"] == ["reputation"]
        world.run("pause", "documents")
        assert world.run("resume", "reputation").out == "reputation goes on\n"
        until(lambda: position(world, "reputation") > 0, up)
        world.run("resume", "documents")
        until(lambda: world.lag() == 0, up)
        ended(up)
    assert_same(world.finish(), undisturbed.outcome)


def test_documents_are_taken_from_a_watched_folder(empty: World) -> None:
    inbox = empty.folder / "inbox"
    inbox.mkdir()
    (inbox / "report.xml").write_bytes(REPORT)
    (inbox / "noise.xml").write_bytes(b"no report")
    with running(empty, "up", MAILWAKE_WATCH="inbox") as up:
        until_it_says(b"INFO mailwake up: ", up)
        until(lambda: len(empty.records("documents")) == 2 and empty.lag() == 0, up)
        rows = empty.rows("SELECT name, outcome FROM documents ORDER BY name")
        assert rows == [
            {"name": "noise.xml", "outcome": "rejected"},
            {"name": "report.xml", "outcome": "parsed"},
        ]
        said = empty.run("ingest", "--json", inbox / "taken" / "report.xml")
        assert json.loads(said.out)["outcome"] == "duplicate"
        ended(up)
    assert sorted(file.name for file in (inbox / "taken").iterdir()) == ["noise.xml", "report.xml"]
    assert empty.rows("SELECT messages FROM dmarc_reports") == [{"messages": 7}]


def test_a_backup_made_while_others_emit_is_whole_and_comes_back(empty: World, tmp_path: Path) -> None:
    empty.run("emit", stdin=b'{"type": "MessageSent", "from_domain": "first.example"}')
    emitter = empty.program("emit", "told", 10**6)
    try:
        with running(empty, "up") as up:
            until_it_says(b"INFO mailwake up: ", up)
            assert emitter.stdout
            before = 0
            while before < 5:
                before = int(emitter.stdout.readline())
            empty.run("backup", tmp_path / "backup")
    finally:
        emitter.kill()
        finished(emitter)
    told = empty.records("mail.events")
    said = empty.run("restore", tmp_path / "backup").out
    assert "is in place, and the warehouse is empty" in said
    kept = empty.records("mail.events")
    assert kept == told[: len(kept)]
    assert (before + 1) * EVENTS_OF_A_BATCH < len(kept) < len(told)
    assert (len(kept) - 1) % EVENTS_OF_A_BATCH == 0
    empty.run("run", "--until-idle", MAILWAKE_STEP_RECORDS="25000")
    assert empty.rows("SELECT count() AS n FROM mail_events") == [{"n": len(kept)}]
    aside = [place for place in empty.folder.iterdir() if ".before-" in place.name]
    assert {place.name.partition(".before-")[0] for place in aside} >= {"mailwake.db", "warehouse"}


def test_restore_takes_the_blobs_along(empty: World, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(b"large " * 200_000)
    empty.run("ingest", large, expect=1)
    empty.run("backup", tmp_path / "backup")
    shutil.rmtree(empty.folder / "blobs")
    empty.run("restore", tmp_path / "backup")
    assert len([file for file in (empty.folder / "blobs").rglob("*") if file.is_file()]) == 1
