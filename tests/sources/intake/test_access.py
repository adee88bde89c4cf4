"""Who may do what: keys and their scopes, and programs on this machine before there is a key."""

from pathlib import Path

import pytest
from houses import House, house

from sources.intake import kept_file
from sources.intake.access import is_loopback
from sources.intake.hook_editing import add_hook

SENT = {"type": "MessageSent", "from_domain": "sender.example"}


@pytest.fixture(autouse=True)
def look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_file, "LOOK_AGAIN_S", 0)


def status(here: House, key: str | None = None, path: str = "/v1/events", **headers: str) -> int:
    sent = headers | ({"authorization": f"Bearer {key}"} if key else {})
    return here.post(path, json=SENT, headers=sent).status_code


def test_before_there_is_a_key_programs_on_this_machine_are_heard(here: House) -> None:
    assert status(here) == 200
    assert here.events()[0].tenant == "default"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "192.0.2.1"},
        {"forwarded": "for=192.0.2.1"},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"via": "1.1 proxy"},
        {"host": "mail.example.com"},
        {"authorization": "Bearer wrong"},
    ],
)
def test_and_nobody_else_is(here: House, headers: dict[str, str]) -> None:
    assert status(here, **headers) == 401
    assert here.post("/v1/events", json=SENT, peer="192.0.2.1").status_code == 401
    assert here.events() == []


def test_a_key_or_a_hook_ends_that(here: House) -> None:
    _, key = here.keys.create("one", "default", ["emit"])
    assert status(here) == 401
    assert status(here, key) == 200
    here.keys.revoke("one")
    assert (status(here, key), status(here)) == (401, 401)


def test_a_hook_alone_ends_it_too(here: House) -> None:
    add_hook(here.hooks.path, "h", {"provider": "ses"})
    assert status(here) == 401


def test_it_stays_ended_when_the_files_are_gone(here: House) -> None:
    add_hook(here.hooks.path, "h", {"provider": "ses"})
    here.keys.create("one", "default", ["emit"])
    assert status(here) == 401
    here.hooks.path.unlink()
    here.keys.path.unlink()
    assert status(here) == 401 and here.events() == []


def test_while_the_keys_can_not_be_read_none_is_good_for_long(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = here.keys.create("one", "default", ["emit"])
    assert status(here, key) == 200
    read = Path.read_text

    def unreadable(path: Path, *given: str) -> str:
        if path == here.keys.path:
            raise PermissionError(13, "Permission denied")
        return read(path, *given)

    monkeypatch.setattr(here.keys._watched, "_seen", None)
    monkeypatch.setattr(Path, "read_text", unreadable)
    assert status(here, key) == 200
    monkeypatch.setattr(here.keys._watched, "_patience_s", 0.0)
    said = here.post("/v1/events", json=SENT, headers={"authorization": f"Bearer {key}"})
    assert (said.status_code, said.json()["error"]) == (503, "keys_away")
    monkeypatch.setattr(Path, "read_text", read)
    assert status(here, key) == 200


def test_a_revoked_key_is_not_good_again_after_a_read_that_failed_once(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = here.keys.create("one", "default", ["emit"])
    assert status(here, key) == 200
    here.keys.revoke("one")
    read, failures = Path.read_text, iter([True])

    def once(path: Path, *given: str) -> str:
        if path == here.keys.path and next(failures, False):
            raise OSError(24, "Too many open files")
        return read(path, *given)

    monkeypatch.setattr(Path, "read_text", once)
    assert [status(here, key) for _ in range(2)] == [200, 401]


def test_where_others_can_come_a_key_is_wanted_from_the_beginning(tmp_path: Path) -> None:
    with house(tmp_path, open_tenant=None) as here:
        assert status(here) == 401
        said = here.post("/v1/events", json=SENT)
        assert (
            said.headers["www-authenticate"] == "Bearer" and "mailwake keys create" in said.json()["message"]
        )


def test_a_key_may_do_what_its_scopes_say_as_its_tenant(here: House) -> None:
    _, emit = here.keys.create("one", "acme", ["emit"])
    _, ingest = here.keys.create("two", "acme", ["ingest", "read"])
    assert [status(here, emit), status(here, emit, "/v1/documents")] == [200, 403]
    assert [status(here, ingest), status(here, ingest, "/v1/documents")] == [403, 200]
    assert {event.tenant for event in (*here.events(), *here.events("documents"))} == {"acme"}


@pytest.mark.parametrize(
    "wrong",
    [
        "mwk_000000000000_" + "a" * 43,
        "mwk_",
        "",
        "Basic eDp5",
        "mwk_\u00e9",
    ],
)
def test_no_other_key_opens_anything(here: House, wrong: str) -> None:
    key, token = here.keys.create("one", "default", ["emit"])
    assert here.keys.caller(wrong) is None
    assert here.keys.caller(token[:-1] + ("A" if token[-1] != "A" else "B")) is None
    assert here.keys.caller(f"mwk_{key.id}_{key.sha256[:43]}") is None
    assert here.keys.caller(token) is not None


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("192.168.1.1", False), ("mail.example", False), ("", False),
    ],
)  # fmt: skip
def test_what_is_this_machine(host: str, own: bool) -> None:
    assert is_loopback(host) is own
