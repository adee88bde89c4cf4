"""Somebody who is suppressed is never told to be mailable because of how the address was written down."""

import asyncio
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from worlds import Said

from console.suppressions import SuppressionsDesk, suppressions_router
from mailwake.cli.app import app
from mailwake.cli.failures import explained
from mailwake.intake.answers import suppressions
from mailwake.keyring.opening import open_keyring
from mailwake.opening import open_any_log
from mailwake.settings import Settings
from schemas.codec import encode
from schemas.recipient import recipient_hash
from schemas.suppression import RecipientSuppressed
from sources.intake.access import Access
from sources.intake.admission import Admission
from sources.intake.app import intake_app
from sources.intake.hook_file import HookFile
from sources.intake.keys import KeyFile
from sources.intake.limits import IntakeLimits
from sources.intake.route import Front
from streams.log import Record

Run = Callable[..., Said]
ANGRY = "angry@yahoo.example"
NOT_ONE_ADDRESS = [
    f"{ANGRY},", f"Foo <{ANGRY}>", f"mailto:{ANGRY}", "angry@@yahoo.example", f"a {ANGRY}", "angry@yahoo", f'{ANGRY}"}}', f"<{ANGRY}",
]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`mailwake ARGUMENTS` beside a log in which ANGRY is suppressed."""
    monkeypatch.chdir(tmp_path)
    settings = Settings()
    log = open_any_log(settings)
    key = open_keyring(settings, create=True).hashing_key("default")
    assert key is not None
    event = RecipientSuppressed(
        source_event_id="1", recipient_hash=recipient_hash(key, ANGRY), reason="complaint", reasons=("complaint",),
        since=1_750_000_000_000,
    )  # fmt: skip
    log.append("suppressions", [Record(b"k", encode(event), 1_750_000_000_000)])
    log.close()

    def ran(*arguments: str, expect: int = 0, stdin: str | bytes = b"") -> Said:
        monkeypatch.setattr(
            sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin if isinstance(stdin, bytes) else stdin.encode()))
        )
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended, explained():
            app(arguments, prog_name="mailwake")
        said = Said(int(ended.value.code or 0), *capsys.readouterr())
        assert said.code == expect, said
        return said

    return ran


@pytest.mark.parametrize("written", [f"<{ANGRY}>", f" {ANGRY}\n", f"< {ANGRY.upper()} >"])
def test_blanks_and_one_pair_of_brackets_are_taken_off(run: Run, written: str) -> None:
    assert json.loads(run("suppressed", "check", "--json", written, expect=1).out)["suppressed"]


@pytest.mark.parametrize("written", NOT_ONE_ADDRESS)
def test_what_is_not_one_address_is_refused_by_every_command(run: Run, written: str) -> None:
    for command in (
        ("suppressed", "check", "good@b.example"),
        ("suppressed", "add", "--by", "anna", "good@b.example"),
        ("suppressed", "lift", "--by", "anna", "--reason", "bounce"),
        ("privacy", "export"),
        ("privacy", "erase"),
    ):
        said = run(*command, written, expect=2)
        assert said.err.startswith(f"mailwake: {written!r} is no address: ") and said.err.count("\n") == 1
        assert not said.out


def test_a_row_of_a_list_that_is_not_one_address_is_bad(run: Run) -> None:
    rows = ['{"email":"x@y.example"}', "a@b.example; c@d.example", '"Foo" <e@f.example>', "<good@b.example>"]
    listed = "".join(f"{row}\n" for row in rows)
    said = run("suppressed", "import", "-", "--json", stdin=listed, expect=1)
    assert [line.split(":")[1].strip() for line in said.err.splitlines()] == ["line 1", "line 2", "line 3"]
    assert json.loads(said.out) == {"imported": 1, "bad": 3}


def test_a_list_in_another_encoding_is_told_so_by_row_and_how_to_convert_it(run: Run, tmp_path: Path) -> None:
    listed = "email,note\ngood@b.example,\nother@b.example,Jörg\nlast@b.example,€\n"
    (tmp_path / "list.csv").write_bytes(listed.encode("cp1252"))
    said = run("suppressed", "import", "list.csv", "--json", expect=1)
    assert json.loads(said.out) == {"imported": 1, "bad": 2}
    assert [line.split(": ")[1] for line in said.err.splitlines()] == ["line 3", "line 4"]
    assert all("no text in UTF-8" in line and "iconv -f" in line for line in said.err.splitlines())
    said = run("suppressed", "import", "-", stdin=listed.replace("note", "où").encode("cp1252"), expect=2)
    assert said.err.startswith("mailwake: -: its first row is no text in UTF-8") and said.err.count("\n") == 1
    for read in (listed.encode(), listed.encode("utf-16")):
        said = run("suppressed", "import", "-", "--json", stdin=read)
        assert json.loads(said.out) == {"imported": 3, "bad": 0}


def test_the_intake_answers_400(run: Run, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.toml")
    _, key = keys.create("k", "default", ["read"])
    headers = {"authorization": f"Bearer {key}"}
    settings = Settings()
    log = open_any_log(settings)
    try:
        with suppressions(settings, log) as answers:
            access = Access(keys, HookFile(tmp_path / "hooks.toml"))
            router = suppressions_router(SuppressionsDesk(access, answers.look_up), Admission(IntakeLimits()))
            front = Front(intake_app([router], "test"), list(router.routes))

            async def asked() -> list[httpx.Response]:
                transport = httpx.ASGITransport(app=front)
                async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                    return [
                        await client.get(f"/v1/suppressions/{quote(one)}", headers=headers)
                        for one in (f"<{ANGRY}>", *NOT_ONE_ADDRESS)
                    ]

            held, *refused = asyncio.run(asked())
    finally:
        log.close()
    assert held.json()["suppressed"] is True
    assert {(one.status_code, one.json()["error"]) for one in refused} == {(400, "bad_recipient")}
    assert repr(NOT_ONE_ADDRESS[0]) in refused[0].json()["message"]
