"""What `mailwake inspect` shows of mails."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mailwake.cli.app import app
from mailwake.cli.output import answer_line

BOUNCE = b"""From: MAILER-DAEMON@mta.example.com
To: bounces@example.com
Subject: Undelivered Mail Returned to Sender
Date: Sun, 1 Nov 2026 09:00:05 +0000
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain

<jo@b.example>: host mx.b.example said: 550-5.1.1 The email account does
    not exist. 550 5.1.1 Learn more

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mta.example.com

Final-Recipient: rfc822; jo@b.example
Action: failed
Status: 5.1.1

--b1--
"""

COMPLAINT = b"""From: feedback@isp.example
To: abuse@example.com
Subject: complaint
Date: Sun, 1 Nov 2026 09:00:05 +0000
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain

This is a complaint.
--b1
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: isp/1
Version: 1
Original-Rcpt-To: jo@b.example

--b1
Content-Type: text/rfc822-headers

From: news@example.com
Message-ID: <1@example.com>

--b1--
"""


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILWAKE_LOG", f"sqlite:///{tmp_path}/events.db")


def shown(content: bytes, *options: str, code: int = 0) -> str:
    Path("one.eml").write_bytes(content)
    said = CliRunner().invoke(app, ["inspect", "one.eml", *options])
    assert said.exit_code == code, said
    return said.output


def test_an_answer_of_several_lines_is_shown_on_one() -> None:
    said = shown(BOUNCE)
    assert "x0a" not in said and "550-5.1.1" not in said
    assert "550 5.1.1 The email account does not exist. Learn more" in " ".join(said.split())


def test_what_a_complaint_is_stands_under_what_it_means() -> None:
    head, row = shown(COMPLAINT).splitlines()[1:3]
    assert row.index("abuse") == head.index("means")
    assert "jo@b.example" in row


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_document_that_would_be_rejected_is_a_failure(options: tuple[str, ...]) -> None:
    said = shown(b"no mail, and no report", *options, code=1)
    assert json.loads(said)["outcome"] == "rejected" if options else "rejected" in said


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ("550-5.1.1 No such user.\n550-5.1.1 Look again.\n550 5.1.1 Goodbye", "550 5.1.1 No such user. Look again. Goodbye"),
        ("550-5.1.1 No such 550-5.1.1 user. 550 5.1.1 Bye", "550 5.1.1 No such user. Bye"),
        ("550-Denied.\r\n550 See 550 reasons", "550 Denied. See 550 reasons"),
        ("450 4.2.0 later\n451 4.7.1 even later", "450 4.2.0 later 451 4.7.1 even later"),
        ("said: 554-5.7.1 Spam.\n554 5.7.1 Really", "said: 554 5.7.1 Spam. Really"),
        ("said: 550-Denied.\n550 Really", "said: 550 Denied. Really"),
        ("call 555-1234\nor write", "call 555-1234 or write"),
        ("", ""),
    ],
)  # fmt: skip
def test_continuation_lines_lose_their_codes(answer: str, line: str) -> None:
    assert answer_line(answer) == line
