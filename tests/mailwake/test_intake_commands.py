"""`mailwake keys` and `mailwake hooks`: what they say, and what they say is wrong."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mailwake.cli.app import app
from mailwake.cli.failures import explained

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`mailwake ARGUMENTS` in a folder of its own: what it says on stdout, or, where it is to fail, on stderr."""
    monkeypatch.chdir(tmp_path)

    def ran(*arguments: str, expect: int = 0, stdin: str = "") -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended, explained():
            app(arguments, prog_name="mailwake")
        said = capsys.readouterr()
        assert (ended.value.code or 0) == expect, said.err
        return said.err if expect else said.out

    return ran


def test_keys_are_made_listed_and_revoked(run: Run) -> None:
    assert run("keys", "list", "--json") == ""
    key = json.loads(run("keys", "create", "one", "--scopes", "read,emit", "--tenant", "acme", "--json"))
    assert (key["tenant"], key["scopes"], key["key"][:4]) == ("acme", ["emit", "read"], "mwk_")
    assert run("keys", "create", "two").startswith("mwk_")
    listed = run("keys", "list")
    assert key["id"] in listed and key["key"][-20:] not in listed
    assert json.loads(run("keys", "revoke", "one", "--json"))["revoked"]
    assert "two" in run("keys", "revoke", "two")
    assert all(json.loads(line)["revoked"] for line in run("keys", "list", "--json").splitlines())
    assert "scopes: got admin" in run("keys", "create", "x", "--scopes", "admin", expect=2)
    assert "no key one" in run("keys", "revoke", "one", expect=2)


def test_a_hook_prints_the_url_to_paste(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("hooks", "add", "ses", "--name", "mine").startswith("http://127.0.0.1:8025/hooks/ses/")
    monkeypatch.setenv("MAILWAKE_INTAKE_URL", "https://mail.example/in/")
    url = run("hooks", "add", "ses").strip()
    assert url.startswith("https://mail.example/in/hooks/ses/") and run("hooks", "url", "ses").strip() == url
    assert url.rpartition("/")[2] not in run("hooks", "list") + run("hooks", "list", "--json")
    assert json.loads(run("hooks", "remove", "ses", "--json")) == {"removed": "ses"}
    assert "mine" in run("hooks", "remove", "mine")
    assert run("hooks", "list", "--json") == ""
    assert "no hook ses" in run("hooks", "url", "ses", expect=2)


def test_whose_mail_it_is_is_asked_for_where_the_provider_does_not_say(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*arguments: str) -> str:
        with pytest.raises(SystemExit), explained():
            app(["hooks", "add", *arguments, "--unsigned"], prog_name="mailwake")
        return capsys.readouterr().err

    assert "no reputation by domain: say it with --from-domain" in told("sendgrid")
    assert "--from-domain" not in told("sendgrid", "--name", "two", "--from-domain", "shop.example")
    assert "brevo's events may name no From domain" in told("brevo")
    assert "--from-domain" not in told("mailgun")
    monkeypatch.setenv("MAILWAKE_FROM_DOMAIN", "shop.example")
    assert "--from-domain" not in told("mailjet")


def test_secrets_are_named_or_piped_and_never_on_the_command_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "env:NAME" in run("hooks", "add", "mailgun", "--key", "a-secret", expect=2)
    said = run("hooks", "add", "mailgun", expect=2)
    assert "--key is missing" in said and "--unsigned" in said and "= true" not in said
    assert "give --basic, or --header and --header-value" in run("hooks", "add", "brevo", expect=2)
    monkeypatch.setenv("MAILGUN_KEY", "a-secret-of-mailgun")
    (tmp_path / "word").write_text("user:pass\n")
    run("hooks", "add", "mailgun", "--key", "env:MAILGUN_KEY")
    run("hooks", "add", "postmark", "--basic", "file:word")
    run("hooks", "add", "brevo", "--header", "X-Secret", "--header-value", "-", stdin="a-piped-secret\n")
    text = (tmp_path / "hooks.toml").read_text()
    assert "a-secret-of-mailgun" not in text and "user:pass" not in text and "a-piped-secret" in text
    proofs = {
        line["name"]: line["proof"] for line in map(json.loads, run("hooks", "list", "--json").splitlines())
    }
    assert proofs == {"mailgun": "signature", "postmark": "basic", "brevo": "header x-secret"}


def test_a_key_that_can_not_be_one_is_refused_and_said_of_a_hook_that_is_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = run("hooks", "add", "sendgrid", "--key", "file:nope.pub", expect=2)
    assert said.count("\n") == 1 and "--key can't be read from" in said and "nope.pub" in said
    assert run("hooks", "list", "--json") == ""
    (tmp_path / "word").write_text("user:pass")
    run("hooks", "add", "postmark", "--basic", "file:word")
    (tmp_path / "word").unlink()
    (line,) = map(json.loads, run("hooks", "list", "--json").splitlines())
    assert "basic can't be read from" in line["trouble"]
    with monkeypatch.context() as settings:
        settings.setenv("WORD", "user:pass")
        run("hooks", "add", "brevo", "--basic", "env:WORD")
    assert json.loads(run("hooks", "list", "--json").splitlines()[1])["trouble"] is None


@pytest.mark.parametrize(
    ("url", "told"), [(None, True), ("http://localhost:1", True), ("https://mail.example", False)]
)
def test_whoever_is_given_an_url_of_this_machine_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    url: str | None,
    told: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    if url is not None:
        monkeypatch.setenv("MAILWAKE_INTAKE_URL", url)
    with pytest.raises(SystemExit), explained():
        app(["hooks", "add", "mailgun", "--key", "env:NOT_SET_HERE"], prog_name="mailwake")
    said = capsys.readouterr()
    assert said.out.count("\n") == 1 and ("MAILWAKE_INTAKE_URL" in said.err) is told
    assert "NOT_SET_HERE is not set here" in said.err


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://0.0.0.0:8025/"), ("::", "http://[::]:8025/"), ("::1", "http://[::1]:8025/")],
)
def test_an_address_that_nobody_can_call_is_said_to_be_none(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str, url: str
) -> None:
    monkeypatch.setenv("MAILWAKE_INTAKE_HOST", host)
    with pytest.raises(SystemExit), explained():
        app(["hooks", "add", "ses"], prog_name="mailwake")
    said = capsys.readouterr()
    assert said.out.startswith(url) and "MAILWAKE_INTAKE_URL says" in said.err


def test_who_makes_a_keyring_is_told_to_keep_a_copy(run: Run, tmp_path: Path) -> None:
    said = run("keyring", "init")
    assert said.startswith("made the keyring ") and "keep a copy" in said and said.count("\n") == 1
    before = (tmp_path / "mailwake.keys").read_bytes()
    assert "was there already" in run("keyring", "init")
    assert json.loads(run("keyring", "init", "--json"))["made"] is False
    assert (tmp_path / "mailwake.keys").read_bytes() == before


def test_an_intake_says_what_keeps_it_from_starting(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MAILWAKE_METRICS_PORT", "0")
    monkeypatch.setenv("MAILWAKE_INTAKE_PORT", "0")
    assert "MAILWAKE_INTAKE_HOST" in run("intake", expect=2)
    monkeypatch.setenv("MAILWAKE_INTAKE_PORT", "8025")
    (tmp_path / "hooks.toml").write_text("[broken\n")
    assert "hooks.toml" in run("intake", expect=2)
    (tmp_path / "hooks.toml").unlink()
    (tmp_path / "keys.toml").write_text("[broken\n")
    assert "file of keys" in run("intake", expect=2)
    (tmp_path / "keys.toml").unlink()
    monkeypatch.setenv("MAILWAKE_INTAKE_CERTIFICATE_FILE", "nowhere.pem")
    assert "nowhere.pem" in run("intake", expect=2)
