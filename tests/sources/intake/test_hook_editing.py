"""hooks.toml as the command line changes it."""

import stat
import tomllib
from pathlib import Path

import pytest

from sources.hooks.configured import InvalidHook, hooks_from
from sources.intake.hook_editing import add_hook, hooks_in, remove_hook, token_of


def test_a_hook_is_added_to_what_is_there_and_taken_out_again(tmp_path: Path) -> None:
    path = tmp_path / "hooks.toml"
    theirs = (
        '# mine\n[by-hand]  # and this\nprovider = "brevo"\ntoken = "a-token-of-my-own"\nunsigned = true\n'
    )
    path.write_text(theirs)
    one = add_hook(path, "one", {"provider": "mailgun", "keys": ["k" * 20]})
    two = add_hook(path, "two", {"provider": "ses"})
    assert one.token != two.token and len(one.token) == 32
    assert [hook.name for hook in hooks_in(path)] == ["by-hand", "one", "two"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0
    remove_hook(path, "one")
    assert [hook.name for hook in hooks_in(path)] == ["by-hand", "two"]
    remove_hook(path, "two")
    assert path.read_text().rstrip() == theirs.rstrip()


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("x", {"provider": "gmail"}, "provider"),
        ("x", {"provider": "mailgun"}, "keys is missing"),
        ("x y", {"provider": "ses"}, "name"),
        ("there", {"provider": "ses"}, "there is one"),
        ("x", {"provider": "ses", "from_domain": "a@b"}, "from_domain"),
    ],
)
def test_a_hook_that_can_not_be_leaves_the_file_as_it_was(
    tmp_path: Path, name: str, settings: dict[str, str], says: str
) -> None:
    path = tmp_path / "hooks.toml"
    add_hook(path, "there", {"provider": "ses"})
    before = path.read_text()
    with pytest.raises(InvalidHook, match=says):
        add_hook(path, name, settings)
    assert path.read_text() == before


def test_secrets_that_are_elsewhere_need_not_be_there_to_edit_the_file(tmp_path: Path) -> None:
    path = tmp_path / "hooks.toml"
    path.write_text('[theirs]\nprovider = "postmark"\ntoken = "env:ITS_TOKEN"\nbasic = "file:/not/there"\n')
    hook = add_hook(path, "mine", {"provider": "mailgun", "keys": ["env:NOT_SET_HERE"]})
    assert hook.keys == ("env:NOT_SET_HERE",)
    assert [hook.name for hook in hooks_in(path)] == ["theirs", "mine"]
    assert token_of(path, "theirs", {"ITS_TOKEN": "t" * 20}) == "t" * 20
    with pytest.raises(InvalidHook, match="token is empty"):
        token_of(path, "theirs", {})
    remove_hook(path, "mine")
    with pytest.raises(InvalidHook, match="/not/there"):
        hooks_from(tomllib.loads(path.read_text()), {"ITS_TOKEN": "t" * 20})


def test_what_is_not_there_can_not_be_removed(tmp_path: Path) -> None:
    with pytest.raises(InvalidHook, match="no hook nothing"):
        remove_hook(tmp_path / "hooks.toml", "nothing")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"provider": "sendgrid", "keys": ["file:nope.pub"]},
            "keys can't be read from nope.pub: No such file",
        ),
        ({"provider": "sendgrid", "keys": ["file:noise"]}, "keys can't be read from noise"),
        ({"provider": "sendgrid", "keys": ["file:word"]}, "keys wants a public key"),
        ({"provider": "sendgrid", "keys": ["env:WORD"]}, "keys wants a public key"),
        ({"provider": "postal", "keys": ["env:NOT_SET", "no key"]}, "keys wants a public key"),
        ({"provider": "resend", "keys": ["file:word"]}, "keys wants whsec_"),
        ({"provider": "postmark", "basic": "file:word"}, "basic wants user:password"),
        (
            {"provider": "ses", "header": "x-secret", "header_value": "file:nope"},
            "header_value can't be read",
        ),
    ],
)
def test_a_secret_that_can_not_be_one_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str | bool | list[str]], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    (tmp_path / "word").write_text("a word!")
    with pytest.raises(InvalidHook, match=f"^hook x: {says}"):
        add_hook(tmp_path / "hooks.toml", "x", settings, {"WORD": "a word!"})
    assert not (tmp_path / "hooks.toml").exists()
