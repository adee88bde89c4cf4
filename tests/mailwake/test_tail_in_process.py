"""`mailwake tail` within the test's process: logs of another format, and what it measures."""

import json
import logging
import re
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tail_processes import interleaved
from typer.testing import CliRunner, Result

from mailwake.cli.app import app
from mailwake.cli.failures import CommandFailed
from mailwake.monitor.server import monitored
from mailwake.monitor.tail import PARTS, watching
from mailwake.settings import Settings
from mailwake.tail.opening import OpenTail, TailOptions, behind, opened_tail
from streams.log import LogFull

KUMO = json.dumps({"type": "Delayed", "id": "1", "timestamp": 1_790_000_000}) + "\n"


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILWAKE_LOG", f"sqlite:///{tmp_path}/events.db")
    (tmp_path / "mail.log").write_text("".join(interleaved(10)))
    yield tmp_path
    for number, handler in before.items():
        signal.signal(number, handler)


def once(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tail", "--once", *arguments])


@pytest.mark.parametrize("wrong", ["haraka", "kumomta", "powermta"])
def test_a_log_of_another_format_is_a_failure_that_names_it(there: Path, wrong: str) -> None:
    said = once("--format", wrong, "mail.log")
    assert isinstance(said.exception, CommandFailed) and said.exception.code == 1
    assert (
        str(said.exception)
        == f"not one of 50 lines is of {wrong}'s format: is it postfix's? (--format postfix)"
    )
    assert "no events" in said.output
    assert once("--format", "postfix", "mail.log").exit_code == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (KUMO * 3, "not one of 3 lines is of postfix's format: is it kumomta's? (--format kumomta)"),
        ("Our minutes\nof Monday\n", "not one of 2 lines is of postfix's format"),
    ],
)
def test_what_is_no_format_is_said_without_a_guess(there: Path, content: str, says: str) -> None:
    (there / "other.log").write_text(content)
    assert str(once("--format", "postfix", "other.log").exception) == says


def test_a_log_of_which_nothing_came_but_damage_is_a_failure(there: Path) -> None:
    noted = "2026-11-29T11:00:00.000Z mx1 postfix/qmgr[7]: 4dR2Yz1k8Fz1: removed\n"
    wrong = "2026-11-29T11:00:01.000Z mx1 postfix/smtp[8]: 4baduEzzId: to=<a@b.example>, relay=mx, delay=1, status=sent (ok)\n"
    (there / "wrong.log").write_text(noted + wrong)
    said = once("--format", "postfix", "wrong.log")
    assert isinstance(said.exception, CommandFailed) and said.exception.code == 1
    assert str(said.exception) == "not one event came of it; lines that are damaged: 1"
    listed = CliRunner().invoke(app, ["dead-letters", "list", "--json"])
    assert json.loads(listed.output)["reason"] == "postfix: an attempt under no queue id of Postfix's"
    shown = CliRunner().invoke(app, ["dead-letters", "show", "0"]).output
    assert re.search(r"recorded_at  \d{13}  2\d{3}-\d\d-\d\dT[\d:.]{12}Z\n", shown)


def test_the_from_domain_that_is_given_is_one(there: Path) -> None:
    said = str(once("--format", "postfix", "--from-domain", "https://example.com", "mail.log").exception)
    assert said == "--from-domain https://example.com: a domain is wanted, as in example.com, or envelope"
    assert once("--format", "postfix", "--from-domain", "EXAMPLE.com.", "mail.log").exit_code == 0


def test_an_empty_log_and_lines_of_other_programs_that_come_later_are_as_they_should_be(there: Path) -> None:
    (there / "empty.log").touch()
    assert once("--format", "postfix", "empty.log").exit_code == 0
    assert once("--format", "postfix", "mail.log").exit_code == 0
    with (there / "mail.log").open("a") as file:
        file.write("2026-11-29T11:00:00.000Z mx1 dovecot: imap-login: Login\n")
    said = once("--format", "postfix", "mail.log")
    assert (said.exit_code, "skipped 1" in said.output) == (0, True)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def followed(opened: OpenTail, until: threading.Event) -> Iterator[None]:
    """Follow for the length of the block."""
    stopping = threading.Event()
    opened.tail.advance = lambda lines: until.set() if lines else None
    thread = threading.Thread(target=opened.run, args=(stopping, False, 1.0))
    thread.start()
    assert until.wait(60)
    yield
    stopping.set()
    thread.join(60)
    assert not thread.is_alive()


def test_a_tail_that_follows_warns_once(there: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(log=f"sqlite:///{there}/events.db")
    with (
        opened_tail(settings, TailOptions("haraka", ("mail.log",))) as opened,
        caplog.at_level(logging.WARNING),
    ):
        for _ in followed(opened, threading.Event()):
            pass
    assert [record.getMessage() for record in caplog.records] == [
        "not one of 50 lines is of haraka's format: is it postfix's? (--format postfix)"
    ]


def test_a_line_that_is_not_whole_yet_settles_nothing(there: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = there / "mail.log"
    whole = log.read_bytes()
    log.write_bytes(whole[:20])
    settings, came = Settings(log=f"sqlite:///{there}/events.db"), threading.Event()
    with (
        opened_tail(settings, TailOptions("haraka", ("mail.log",))) as opened,
        caplog.at_level(logging.WARNING),
    ):
        opened.tail.step(opened.appends)
        opened._settle()
        with log.open("ab") as file:
            file.write(whole[20:])
        for _ in followed(opened, came):
            pass
    assert [record.getMessage() for record in caplog.records] == [
        "not one of 50 lines is of haraka's format: is it postfix's? (--format postfix)"
    ]


def test_lines_events_and_bytes_behind_are_served(there: Path, port: int) -> None:
    settings = Settings(log=f"sqlite:///{there}/events.db", metrics_port=port)
    with (
        monitored(settings, PARTS) as monitor,
        opened_tail(settings, TailOptions("postfix", ("mail.log",))) as opened,
        watching(monitor, opened),
    ):
        for _ in followed(opened, threading.Event()):
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz").status == 200
        for line in (
            'mailwake_tail_lines_total{format="postfix",outcome="told"} 20.0',
            'mailwake_tail_events_total{format="postfix"} 30.0',
            'mailwake_tail_behind_bytes{format="postfix"} 0.0',
        ):
            assert line in page
        with (there / "mail.log").open("a") as file:
            file.write("x" * 100)
        assert behind(opened.following) == 100
        waiting = LogFull("the disk is full")
        opened.waits(waiting)
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz")
        opened.waits(None)


def test_a_port_that_is_taken_is_said(there: Path, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        said = once("--format", "postfix", "--metrics-port", str(port), "mail.log")
    assert isinstance(said.exception, CommandFailed) and said.exception.code == 3
    assert str(said.exception).startswith(f"--metrics-port {port}: can't listen there")
