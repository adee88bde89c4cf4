"""`mailwake classify` and `mailwake rules lint`: a line in, a line out, and what is wrong is named."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mailwake.cli.app import app
from mailwake.cli.classify import LONGEST_LINE
from processors.classification.ruleset import FOLDER, ruleset_names

KEYS = [
    "class", "leaf", "address_fatal", "after", "message_fatal", "scope", "action", "rule", "layer", "ruleset",
]  # fmt: skip


def classified(given: bytes, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    result = CliRunner().invoke(app, ["classify", *arguments], input=given)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_each_line_has_its_answer() -> None:
    code, answers = classified(
        b'{"text": "550 5.1.1 user unknown"}\n'
        b'{"text": "no", "smtp_code": 552, "enhanced_code": "5.2.2"}\n'
        b'{"text": "550 5.4.1 no", "mx": "a.mail.protection.outlook.com"}\n'
        b'{"text": "550 5.4.1 no", "provider": "microsoft", "smtp_code": "550", "more": [1]}'
    )
    assert code == 0
    assert [list(answer) for answer in answers] == [KEYS] * 4
    assert [f"{answer['class']}.{answer['leaf']}" for answer in answers] == [
        "bad_mailbox.unknown",
        "bad_mailbox.quota",
        "bad_mailbox.unknown",
        "bad_mailbox.unknown",
    ]
    assert {answer["ruleset"] for answer in answers} == {ruleset_names()[-1]}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"no", "not JSON in UTF-8"),
        (b'{"text": "\xff"}', "not JSON in UTF-8"),
        (b"[1]", "an object is wanted"),
        (b"[" * 100_000, "not JSON in UTF-8"),
        (b" ", "empty; wanted"),
        (b'{"text": "no", "provider": "gmial"}', "none that is known: did you mean gmail?"),
        (b'{"text": "no", "provider": "5%"}', "there are apple, "),
        (b"{}", "lacks text"),
        (b'{"text": 5}', "text is 5, and wants a string"),
        (b'{"text": "no", "smtp_code": 55}', "smtp_code is 55, and wants a number from 200 to 599"),
        (b'{"text": "no", "smtp_code": true}', "smtp_code is true"),
        (b'{"text": "no", "enhanced_code": "5.1"}', 'enhanced_code is "5.1", and wants a string as 5.1.1'),
        (b'{"text": "no", "mx": ["mx"]}', "mx is"),
        (b'{"text": "' + b"a" * LONGEST_LINE + b'"}', "longer than 1,048,576 bytes"),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else "",
)
def test_a_bad_line_is_named_and_the_others_are_answered(line: bytes, said: str) -> None:
    code, (before, bad, after) = classified(b'{"text": "a"}\n' + line + b'\n{"text": "b"}\n')
    assert code == 1
    assert bad["line"] == 2
    assert bad["error"].startswith("line 2: ")
    assert said in bad["error"]
    assert list(before) == list(after) == KEYS


def test_a_file_and_a_ruleset_may_be_named(tmp_path: Path) -> None:
    lines = tmp_path / "replies.jsonl"
    lines.write_bytes(b'{"text": "550 no"}\n')
    oldest = ruleset_names()[0]
    assert classified(b"", str(lines), "--ruleset", oldest)[1][0]["ruleset"] == oldest
    assert classified(b"", str(lines), "--ruleset", str(FOLDER / oldest))[1][0]["ruleset"] == oldest
    assert CliRunner().invoke(app, ["classify", "--ruleset", "none"]).exit_code != 0


def test_lint_says_what_holds_and_what_does_not(tmp_path: Path) -> None:
    good = CliRunner().invoke(app, ["rules", "lint", "--json"])
    assert good.exit_code == 0
    assert json.loads(good.stdout)["findings"] == []
    (tmp_path / "leaves.toml").write_text("[unknown.unknown]\n")
    bad = CliRunner().invoke(app, ["rules", "lint", str(tmp_path), "--json"])
    assert bad.exit_code == 1
    assert "leaves.toml: unknown.unknown: lacks action" in json.loads(bad.stdout)["findings"][0]
