"""`mailwake privacy` on a world of its own: what is kept of one recipient, before and after."""

import base64
import contextlib
import gzip
import io
import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from running import running, until
from worlds import Said, World

from mailwake.cli.app import app
from mailwake.cli.failures import explained
from mailwake.keyring.opening import open_keyring
from mailwake.privacy.documents import held, readable
from mailwake.privacy.traces import Traces
from mailwake.settings import Settings
from schemas.codec import decode, encode
from schemas.documents import DeadLetter, DocumentReceived
from schemas.sealing import is_sealed
from streams.blobs import Blobs
from streams.log import Record, TopicPartition

ADDRESS, OTHER = "john.doe@example.com", "jane@example.org"
TRACES = Traces.of(ADDRESS, "x@example.com")


class Here(World):
    """A world whose commands run in this process, as `python -m mailwake` runs them in one of their own."""

    def run(self, *arguments: object, stdin: bytes = b"", expect: int | None = 0, **settings: str) -> Said:
        streams = [
            io.TextIOWrapper(io.BytesIO(given), "utf-8", write_through=True) for given in (stdin, b"", b"")
        ]
        with pytest.MonkeyPatch.context() as patch, contextlib.chdir(self.folder):
            for name in [name for name in os.environ if name.startswith("MAILWAKE_")]:
                patch.delenv(name)
            for name, value in self.environ(**settings).items():
                patch.setenv(name, value)
            for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
                patch.setattr(sys, name, stream)
            with pytest.raises(SystemExit) as ended, explained():
                app(list(map(str, arguments)), prog_name="mailwake")
        out, err = (stream.buffer.getvalue().decode() for stream in streams[1:])
        code = ended.value.code or 0
        assert isinstance(code, int) and expect in (None, code), (
            f"exit code {code}: {out[-2000:]}{err[-4000:]}"
        )
        return Said(code, out, err)

    def copy(self, folder: Path, **environment: str) -> "Here":
        return Here(super().copy(folder, **environment).folder, self.environment | environment)


def bounce(address: str) -> bytes:
    return f"""\
From: MAILER-DAEMON@mx.example.net
To: bounces@sender.example
Subject: Undelivered Mail Returned to Sender
Date: Tue, 03 Nov 2026 10:00:00 +0000
Message-ID: <1.{address.partition("@")[0]}.bounce@mx.example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

<{address}>: host mx.example.com said: 550 5.1.1 <{address}> unknown user
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Tue, 03 Nov 2026 09:59:00 +0000

Final-Recipient: rfc822; {address}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <{address}> unknown user

--b
Content-Type: message/rfc822-headers
Content-Transfer-Encoding: base64

{base64.b64encode(f"To: {address}".encode()).decode()}
--b--
""".replace("\n", "\r\n").encode()


def fill(world: World, inputs: Path) -> None:
    """Documents that mention the one and the other, one in a blob; events; records that nobody can understand."""
    inputs.mkdir()
    (inputs / "a.eml").write_bytes(bounce(ADDRESS))
    (inputs / "b.eml").write_bytes(bounce(OTHER))
    (inputs / "c.eml.gz").write_bytes(gzip.compress(bounce(ADDRESS).replace(b"1.john", b"2.john")))
    (inputs / f"to {ADDRESS}.txt").write_bytes(b"something")
    noise = base64.encodebytes(random.Random(1).randbytes(400_000))
    (inputs / "large.eml").write_bytes(bounce(OTHER) + noise + base64.encodebytes(f"to {ADDRESS}".encode()))
    world.run("ingest", inputs, "--json", expect=None)
    events = [
        {"type": "MessageSent", "from_domain": "sender.example", "recipient": address, "source_event_id": f"sent {address}"}
        for address in (ADDRESS, OTHER)
    ]  # fmt: skip
    events.append(
        {"type": "RecipientUnsubscribed", "from_domain": "sender.example", "recipient": ADDRESS, "source_event_id": "unsub"}
    )  # fmt: skip
    world.run("emit", stdin="".join(json.dumps(event) + "\n" for event in events).encode())
    now = time.time_ns() // 1_000_000
    with world.log() as log:
        log.append("mail.events", [Record(b"default/x", b"\x00 no event: " + ADDRESS.encode(), now)])
        log.append(
            "documents",
            [Record(b"default/y", b"no document: " + base64.b64encode(f"to {ADDRESS}".encode()), now)],
        )
    world.run("run", "--until-idle")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("privacy")
    (folder / "world").mkdir()
    world = Here(folder / "world")
    fill(world, folder / "inputs")
    return world


@pytest.fixture
def world(filled: World, tmp_path: Path) -> World:
    return filled.copy(tmp_path / "world")


def files_with_traces(world: World) -> list[str]:
    """Every file of log, state, blobs, warehouse and keyring that holds the address in any form."""
    files = [path for path in world.folder.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(world.folder)) for path in files if TRACES.found_in(path.read_bytes()))


def rows_with_traces(world: World) -> list[str]:
    """Every row of the warehouse's tables that holds it, superseded ones too."""
    tables = world.rows("SELECT name FROM system.tables WHERE database = 'mailwake' AND name LIKE '%_told'")
    assert len(tables) > 5
    rows = " UNION ALL ".join(f"SELECT toString(tuple(*)) AS row FROM {table['name']}" for table in tables)
    return [row["row"] for row in world.rows(rows) if TRACES.found_in(row["row"].encode())]


def plain_with_traces(world: World) -> list[str]:
    """Every document that holds it once it is unsealed, by its name."""
    settings = Settings(log=f"sqlite:///{world.log_path}", blobs=world.folder / "blobs")
    keyring = open_keyring(settings)
    found = []
    with world.log() as log:
        for one in held(log, "documents"):
            if isinstance(one.event, DocumentReceived):
                content = readable(one.event, Blobs(settings.blobs), keyring)
                if content and TRACES.found_in(content):
                    found.append(str(one.event.name))
    return sorted(found)


def understood(world: World) -> list[bytes]:
    """The events of messages, in any order; not the record that nobody understood."""
    values = [value or b"" for _, _, value, _ in world.records("mail.events")]
    return sorted(value for value in values if not value.startswith(b"\x00 no"))


def exported(world: World, address: str, *options: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in world.run("privacy", "export", address, *options).out.splitlines()]


def kinds(lines: list[dict[str, object]]) -> dict[str, int]:
    return dict(Counter(str(line["type"] if line["is"] == "event" else line["is"]) for line in lines))


BEFORE = {"recipient": 1, "MessageSent": 1, "MessageBounced": 2, "RecipientUnsubscribed": 1, "dead letter": 2}


def test_what_is_kept_is_sealed_and_can_be_told(filled: World) -> None:
    assert plain_with_traces(filled) == ["a.eml", "c.eml.gz", "large.eml"]
    assert rows_with_traces(filled) == []
    # Only what nobody understood is there as it came.
    assert files_with_traces(filled) == ["mailwake.db"]
    lines = exported(filled, ADDRESS.upper(), "--contents")
    counts = kinds(lines)
    assert counts["document"] == 3 and BEFORE.items() <= counts.items()
    assert counts["BounceClassified"] >= 2 and counts["RecipientSuppressed"] >= 1
    contents = {str(line["name"]): str(line["content"]) for line in lines if line["is"] == "document"}
    assert base64.b64decode(contents["a.eml"]) == bounce(ADDRESS)


def test_what_is_no_address_is_refused_before_anything_happens(filled: World) -> None:
    assert "no address" in filled.run("privacy", "erase", "john", expect=2).err
    assert not (filled.folder / "mailwake.keys.erasures").exists()


def letters(world: World) -> list[DeadLetter]:
    kept = [decode(value or b"") for _, _, value, _ in world.records("dead.letters")]
    return [letter for letter in kept if isinstance(letter, DeadLetter)]


def shown(world: World, offset: int) -> bytes:
    return base64.b64decode(json.loads(world.run("dead-letters", "show", offset, "--json").out)["content"])


def test_dead_letters_are_sealed_and_shown_and_can_be_tried_again(world: World) -> None:
    sealed = letters(world)
    assert len(sealed) == 2 and all(is_sealed(letter.content) for letter in sealed)
    assert not any(TRACES.found_in(encode(letter)) for letter in sealed)
    origins = [letter.origin_topic for letter in sealed]
    assert TRACES.found_in(shown(world, 0)) and TRACES.found_in(shown(world, 1))
    at = origins.index("mail.events")
    assert shown(world, at) == b"\x00 no event: " + ADDRESS.encode()
    world.run("dead-letters", "retry", at)
    world.run("run", "--until-idle")
    assert shown(world, 2) == shown(world, at)
    done = json.loads(world.run("privacy", "erase", ADDRESS, "--json").out)
    assert done["dead_letters"] == 3 and len(done["masked"]) == 3
    assert not any(TRACES.found_in(shown(world, offset)) for offset in range(3))
    world.run("privacy", "forget-tenant", "default", "--yes")
    assert files_with_traces(world) == []


def test_dead_letters_of_a_forgotten_tenant_are_read_by_nobody(world: World) -> None:
    before = letters(world)
    world.run("privacy", "forget-tenant", "default", "--yes")
    assert letters(world) == before
    said = world.run("dead-letters", "show", 0, "--json", expect=1)
    assert "was forgotten" in said.err
    shown = json.loads(said.out)
    assert (shown["reason"], shown["size"]) == (before[0].reason, before[0].size)
    assert shown["content"] is None and "was forgotten" in shown["content_reason"]
    shown_plainly = world.run("dead-letters", "show", 0, expect=1)
    assert "was forgotten" in shown_plainly.err and before[0].reason in shown_plainly.out
    with world.log() as log:
        log.append("mail.events", [Record(b"default/x", b"\x00 again: " + ADDRESS.encode(), 1)])
    world.run("run", "--until-idle")
    (last,) = letters(world)[2:]
    assert (last.content, last.size) == (b"", 9 + len(ADDRESS))


def test_what_was_never_sealed_is_masked(world: World) -> None:
    """Dead letters of a log that an earlier mailwake wrote."""
    unsealed = [
        letter.model_copy(update={"content": ADDRESS.encode() + b" is not an event"})
        for letter in letters(world)
    ]
    with world.log() as log:
        place = TopicPartition("dead.letters")
        log.erase({place: {offset: encode(letter) for offset, letter in enumerate(unsealed)}})
    assert shown(world, 0).startswith(ADDRESS.encode())
    assert json.loads(world.run("privacy", "erase", ADDRESS, "--json").out)["dead_letters"] == 2
    assert files_with_traces(world) == []


def test_an_erased_recipient_is_nowhere_and_a_replay_finds_the_same(world: World) -> None:
    events = understood(world)
    suppressed = world.rows("SELECT recipient_hash, reason FROM suppressions ORDER BY ALL")
    done = json.loads(world.run("privacy", "erase", ADDRESS, "--json").out)
    assert len(done["documents"]) == 3 and done["dead_letters"] == 2 and done["settled"]
    assert sorted(place.split("/")[0] for place in done["masked"]) == ["documents", "mail.events"]
    assert done["emptied"] == done["unsearched"] == done["waiting"] == []
    assert plain_with_traces(world) == files_with_traces(world) == []
    again = json.loads(world.run("privacy", "erase", ADDRESS, "--json").out)
    assert again["documents"] == again["masked"] == [] and again["dead_letters"] == 0
    assert len((world.folder / "mailwake.keys.erasures").read_text().splitlines()) == 1
    world.run("replay", "rebuild", "--reparse")
    world.run("replay", "verify")
    world.run("replay", "swap")
    world.run("run", "--until-idle")
    assert files_with_traces(world) == rows_with_traces(world) == []
    assert understood(world) == events
    assert world.rows("SELECT recipient_hash, reason FROM suppressions ORDER BY ALL") == suppressed
    counts = kinds(exported(world, ADDRESS))
    assert "document" not in counts and counts["MessageBounced"] == 2 and counts["RecipientSuppressed"] >= 1


def test_erased_while_up_runs(world: World) -> None:
    with running(world, "up") as process:
        until(lambda: (world.folder / "mailwake.db-wal").exists(), process)
        done = json.loads(world.run("privacy", "erase", ADDRESS, "--json").out)
        assert len(done["documents"]) == 3 and done["settled"]
        assert plain_with_traces(world) == files_with_traces(world) == []


def test_a_restored_backup_is_erased_again(world: World) -> None:
    (world.folder / "keys.toml").touch()
    said = world.run("backup", "saved").out
    assert "keys.toml" in said and "hooks.toml" not in said
    assert "mailwake.keys" in said and not list((world.folder / "saved").rglob("*.keys*"))
    world.run("privacy", "erase", ADDRESS)
    assert "erased again, by the keyring's journal: 1" in world.run("restore", "saved").out
    ours = ("mailwake.db", "blobs/", "warehouse/")
    kept = [name for name in files_with_traces(world) if name.startswith(ours)]
    assert plain_with_traces(world) == kept == []
    journal = world.folder / "mailwake.keys.erasures"
    journal.write_text("damaged\n")
    moved = set(world.folder.glob("*.before-*"))
    assert "is damaged" in world.run("restore", "saved", expect=3).err
    assert set(world.folder.glob("*.before-*")) == moved
    journal.unlink()
    assert "journal of erasures is empty" in world.run("restore", "saved").out
    (world.folder / "mailwake.keys").rename(world.folder / "elsewhere")
    assert "there is no keyring" in world.run("restore", "saved").err
    assert not (world.folder / "mailwake.keys").exists()


def test_a_forgotten_tenant_is_read_by_nobody_and_a_replay_says_so(world: World) -> None:
    counts = world.rows("SELECT kind, count() AS n FROM mail_events GROUP BY ALL ORDER BY ALL")
    done = json.loads(world.run("privacy", "forget-tenant", "default", "--yes", "--json").out)
    assert done["dead_letters"] == 2 and done["settled"]
    assert plain_with_traces(world) == files_with_traces(world) == []
    assert not list((world.folder / "blobs").rglob("*"))
    assert "was forgotten" in world.run("privacy", "export", ADDRESS, expect=3).err
    assert "keyring readmit" in world.run("ingest", Path(__file__), expect=3).err
    assert "5 documents can't be read any more" in world.run("replay", "rebuild", "--reparse").out
    world.run("replay", "swap")
    world.run("run", "--until-idle")
    assert rows_with_traces(world) == []
    assert world.rows("SELECT DISTINCT outcome FROM documents") == [{"outcome": "forgotten"}]
    assert world.rows("SELECT kind, count() AS n FROM mail_events GROUP BY ALL ORDER BY ALL") == counts
    world.run("keyring", "readmit", "default")
    world.run("ingest", Path(__file__), expect=None)
    assert kinds(exported(world, ADDRESS)) == {"recipient": 1, "document": 1}
