"""Nobody is called not suppressed while that is not known: the index is being filled, or the log does not answer."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from console.suppressions import SuppressionsDesk, suppressions_router
from mailwake.intake.answers import Suppressions, suppressions
from mailwake.opening import open_any_log
from mailwake.settings import Settings
from mailwake.suppressed.recipients import Suppressed, open_suppressed
from schemas.codec import encode
from schemas.suppression import RecipientSuppressed
from sinks.suppressions.index import IndexBehind, IndexUnusable
from sources.intake.access import Access
from sources.intake.admission import Admission
from sources.intake.app import intake_app
from sources.intake.hook_file import HookFile
from sources.intake.keys import KeyFile
from sources.intake.limits import IntakeLimits
from sources.intake.route import Front
from streams.log import LogUnavailable, Record
from streams.sqlite.log import SqliteLog

AT = 1_750_000_000_000
WHO = f"{1:032x}"


class Held:
    """A log whose reads wait until they are let go, or fail."""

    def __init__(self) -> None:
        self.reading, self.go = threading.Event(), threading.Event()
        self.failure: Exception | None = None

    def read(self, log: SqliteLog, *arguments: object) -> object:
        self.reading.set()
        assert self.go.wait(20)
        if self.failure is not None:
            raise self.failure
        return READ(log, *arguments)  # type: ignore[arg-type]


READ = SqliteLog.read


def suppressed(number: int) -> Record:
    event = RecipientSuppressed(
        source_event_id=str(number), occurred_at=AT, recorded_at=AT, recipient_hash=f"{number:032x}", reason="bounce",
        reasons=("bounce",), since=AT,
    )  # fmt: skip
    return Record(b"k", encode(event), AT)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings()


@pytest.fixture
def log(settings: Settings) -> Iterator[SqliteLog]:
    opened = open_any_log(settings)
    assert isinstance(opened, SqliteLog)
    opened.append("suppressions", [suppressed(1)])
    yield opened
    opened.close()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    made = Held()
    monkeypatch.setattr(SqliteLog, "read", lambda log, *arguments: made.read(log, *arguments))
    yield made
    made.go.set()


@pytest.fixture
def asked(settings: Settings, log: SqliteLog) -> Iterator[Suppressed]:
    opened = open_suppressed(settings, log)
    yield opened
    opened.index.close()


def test_whoever_asks_while_another_thread_fills_it_is_told_so(asked: Suppressed, held: Held) -> None:
    filling = threading.Thread(target=asked.refresh)
    filling.start()
    assert held.reading.wait(20)
    with pytest.raises(IndexBehind, match="is being filled"):
        asked.look_up("default", WHO)
    held.go.set()
    filling.join()
    assert len(asked.look_up("default", WHO)) == 1


def test_a_log_that_hangs_is_relied_on_for_a_while_only(
    asked: Suppressed, log: SqliteLog, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailwake.suppressed.recipients.FRESH_S", -1.0)
    held.go.set()
    asked.follow()
    held.go.clear()
    held.reading.clear()
    log.append("suppressions", [suppressed(2)])
    hanging = threading.Thread(target=asked.refresh)
    hanging.start()
    assert held.reading.wait(20)
    assert len(asked.look_up("default", WHO)) == 1
    asked.stale_s = 0.0
    with pytest.raises(IndexBehind, match="could not be read for more than 0 s"):
        asked.look_up("default", WHO)
    held.go.set()
    hanging.join()
    asked.stale_s = 30.0
    assert len(asked.look_up("default", f"{2:032x}")) == 1


def test_a_newer_schema_ends_the_answers_at_once(asked: Suppressed, log: SqliteLog) -> None:
    asked.follow()
    newer = b"\0" + (1_999_999).to_bytes(4, "big") + b"what a newer one wrote"
    log.append("suppressions", [Record(b"k", newer, AT)])
    with pytest.raises(IndexUnusable, match="A newer mailwake"):
        asked.follow()
    with pytest.raises(IndexUnusable, match="A newer mailwake"):
        asked.known("default", WHO)


def answered(answers: Suppressions, folder: Path) -> httpx.Response:
    """What the route says of the one who is suppressed."""
    folder.mkdir()
    keys = KeyFile(folder / "keys.toml")
    _, key = keys.create("k", "default", ["read"])
    access = Access(keys, HookFile(folder / "hooks.toml"))
    router = suppressions_router(SuppressionsDesk(access, answers.look_up), Admission(IntakeLimits()))
    app = Front(intake_app([router], "test"), list(router.routes))
    headers = {"authorization": f"Bearer {key}"}

    async def sent() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
        ) as client:
            return await client.get(f"/v1/suppressions/{WHO}", headers=headers)

    return asyncio.run(sent())


def test_the_intake_is_not_ready_and_answers_503_until_the_index_is_filled(
    settings: Settings, log: SqliteLog, held: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailwake.intake.answers._START_S", 0.0)
    with suppressions(settings, log) as answers:
        assert held.reading.wait(20)
        assert answers.trouble() == "filling"
        refused = answered(answers, tmp_path / "first")
        assert (refused.status_code, refused.json()["error"]) == (503, "unavailable")
        assert int(refused.headers["retry-after"]) > 0
        held.go.set()
        assert answers.tried.wait(20)
        assert answers.trouble() == ""
        assert answered(answers, tmp_path / "then").json()["suppressed"] is True


def test_an_intake_whose_log_is_away_is_ready_for_the_rest_and_knows_of_nobody(
    settings: Settings, log: SqliteLog, held: Held
) -> None:
    held.failure = LogUnavailable("away")
    held.go.set()
    with suppressions(settings, log) as answers:
        assert answers.tried.wait(20)
        assert answers.trouble() == ""
        with pytest.raises(IndexBehind):
            answers.look_up("default", WHO, None)


def test_an_index_that_cannot_be_used_is_logged_once(
    settings: Settings, log: SqliteLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.append("suppressions", [Record(b"k", b"\0" + (1_999_999).to_bytes(4, "big") + b"newer", AT)])
    with ExitStack() as closing, caplog.at_level(logging.WARNING):
        answers = Suppressions(settings, log, closing)
        answers.refresh()
        answers.refresh()
        with pytest.raises(IndexUnusable):
            answers.look_up("default", WHO, None)
    assert [record.name for record in caplog.records] == ["mailwake.intake"]
