"""/openapi.json is right: every status that a route documents happens, and nothing else does."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.messages import Life, WarehouseAway
from console.suppressions import NoSuchRecipient
from mailwake.intake.opening import intake_of
from mailwake.opening import open_any_log
from mailwake.settings import Settings
from sinks.suppressions.index import IndexUnusable, Suppression
from sources.intake.hook_editing import add_hook
from sources.intake.keys import KeyFile
from sources.intake.limits import IntakeLimits
from sources.intake.route import Front
from streams.emitter import Emitter
from streams.log import LogFull

SENT = {"type": "MessageSent", "from_domain": "s.example"}
HELD = Suppression(
    "default", "a" * 32, "all", "bounce", ("bounce",), 1, ("e",), "bad_mailbox", "unknown", None, None, None
)


class Answers:
    """What look-ups find, by what is asked for."""

    def look_up(self, tenant: str, recipient: str, stream: str | None) -> tuple[Suppression, ...]:
        if recipient == "nonsense":
            raise NoSuchRecipient("neither an address nor a hash")
        if recipient == "broken@x.example":
            raise IndexUnusable("damaged")
        return (HELD,)

    def trouble(self) -> str:
        return ""


def life(settings: Settings, tenant: str, message_id: str) -> Life:
    if message_id == "away":
        raise WarehouseAway("no answer")
    events = [{"kind": "bounced"}] if message_id == "known" else []
    return Life(message_ids=[], provider_message_ids=[], events=events, loaded=[], cut=False)


class Log:
    """Takes what it is given, or nothing."""

    full = False

    def append_emits(self, emits: object) -> None:
        if self.full:
            raise LogFull("no room")


class Asked:
    """Requests to an application, with a key that may do everything unless another is given."""

    def __init__(self, app: Front, log: Log, keys: dict[str, str], hook: str, limits: IntakeLimits) -> None:
        self.app, self.log, self.keys, self.hook, self.limits = app, log, keys, hook, limits
        self.admission = next(route for _, _, route in app._ways).admission

    def send(self, method: str, path: str, key: str | None = "all", **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[key]}"} if key else {}
        headers |= more.pop("headers", {})

        async def sent() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(sent())

    def full(self, *arguments: Any, **more: Any) -> httpx.Response:
        self.log.full = True
        try:
            return self.send(*arguments, **more)
        finally:
            self.log.full = False

    def busy(self, *arguments: Any, **more: Any) -> httpx.Response:
        self.admission.requests += self.limits.requests
        self.admission.questions += self.limits.requests
        try:
            return self.send(*arguments, **more)
        finally:
            self.admission.requests -= self.limits.requests
            self.admission.questions -= self.limits.requests


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mailwake.intake.answers.life_of", life)
    settings = Settings()
    open_any_log(settings).close()
    limits = replace(
        IntakeLimits(), silence_seconds=0.1, events_bytes=5_000, document_bytes=5_000, hook_bytes=5_000
    )
    made = KeyFile(settings.keys)
    keys = {name: made.create(name, "default", scopes)[1] for name, scopes in
            (("all", ["emit", "ingest", "read"]), ("emit", ["emit"]), ("ingest", ["ingest"]))}  # fmt: skip
    hook = add_hook(settings.hooks, "h", {"provider": "sparkpost", "basic": "user:password"})
    log = Log()
    with ExitStack() as stack:
        emitter = stack.enter_context(Emitter(log))
        app = intake_of(settings, log, emitter, Answers(), limits)  # type: ignore[arg-type]
        yield Asked(app, log, keys, f"/hooks/sparkpost/{hook.token}", limits)


async def dripping() -> Any:
    yield b"["
    await asyncio.sleep(1)
    yield b"]"


def provoked(asked: Asked) -> dict[tuple[str, str], dict[int, httpx.Response]]:
    """Every status of every route, by what provokes it."""
    json_type = {"content-type": "application/json"}
    basic = {"authorization": "Basic dXNlcjpwYXNzd29yZA=="}
    found: dict[tuple[str, str], dict[int, httpx.Response]] = {}

    def note(route: str, method: str, *answers: httpx.Response) -> None:
        found[route, method] = {answer.status_code: answer for answer in answers}

    def taking(
        path: str, wrong_key: str | None, headers: dict[str, str], good: bytes
    ) -> list[httpx.Response]:
        key = None if "hooks" in path else "all"
        common = {"key": key, "headers": headers}
        return [
            asked.send("POST", path, content=good, **common),
            asked.send("POST", path, content=b"x" * 6_000, **common),
            asked.send("POST", path, content=dripping(), **common),
            asked.send("POST", path, content=b"x", key=key, headers=headers | {"content-encoding": "gzip"}),
            asked.send("POST", path, content=b"x", key=key, headers=headers | {"content-encoding": "br"}),
            asked.send("POST", path, key=None, content=good, headers=json_type),
            asked.full("POST", path, content=good, **common),
            asked.busy("POST", path, content=good, **common),
            *([asked.send("POST", path, key=wrong_key, content=good, headers=headers)] if wrong_key else []),
        ]

    note(
        "/v1/events", "post", *taking("/v1/events", "ingest", json_type, json.dumps(SENT).encode()),
        asked.send("POST", "/v1/events", json=[SENT, 4]), asked.send("POST", "/v1/events", json=[4]),
    )  # fmt: skip
    note("/v1/documents", "post", *taking("/v1/documents", "emit", json_type, b"x"))
    wrong = {"authorization": "Basic eDp5"}
    note(
        "/hooks/{source}/{token}", "post", *taking(asked.hook, None, json_type | basic, b"[]"),
        asked.send("POST", asked.hook, key=None, content=b"[]", headers=wrong),
        asked.send("POST", asked.hook + "x", key=None, content=b"[]"),
    )  # fmt: skip
    for route, good, bad, broken in (
        ("/v1/suppressions/", "jo@x.example", "nonsense", "broken@x.example"),
        ("/v1/messages/", "known", "%20", "away"),
    ):
        parameter = "{recipient}" if "suppr" in route else "{message_id}"
        answers = [asked.send("GET", route + each) for each in (good, bad, broken)]
        answers += [asked.send("GET", route + good, key=None), asked.send("GET", route + good, key="emit")]
        answers += [asked.busy("GET", route + good)]
        answers += [asked.send("GET", route + "unknown")] if "messages" in route else []
        note(route + parameter, "get", *answers)
    asked.send("POST", "/v1/events", json=SENT)
    pages = ("/healthz", "/livez", "/readyz")
    for path in pages:
        note(path, "get", asked.send("GET", path, key=None))
    asked.full("POST", "/v1/events", json=SENT)
    for path in pages:
        again = asked.send("GET", path, key=None)
        found[path, "get"][again.status_code] = again
    return found


def test_every_documented_status_happens_and_no_other(asked: Asked) -> None:
    described = asked.send("GET", "/openapi.json", key=None).json()
    happened = provoked(asked)
    documented = {
        (path, method): {int(status) for status in operation["responses"]}
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    }
    assert {place: set(answers) for place, answers in happened.items()} == documented
    for (path, method), answers in happened.items():
        for status, answer in answers.items():
            content = described["paths"][path][method]["responses"][str(status)]["content"]
            name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
            schema = described["components"]["schemas"][name]
            assert set(schema.get("required", ())) <= set(answer.json()) <= set(schema["properties"]), (
                path,
                status,
            )
            if status in (429, 503) and path not in ("/healthz", "/readyz"):
                assert int(answer.headers["retry-after"]) > 0


def test_what_needs_a_key_says_so_and_what_there_is_not_is_json(asked: Asked) -> None:
    described = asked.send("GET", "/openapi.json", key=None).json()
    keyed = {
        path
        for path, operations in described["paths"].items()
        for one in operations.values()
        if one.get("security")
    }
    assert keyed == {path for path in described["paths"] if path.startswith("/v1/")}
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert asked.send("GET", "/nothing").json()["error"] == "not_found"
    wrong = asked.send("PUT", "/v1/events", content=b"")
    assert (wrong.status_code, wrong.headers["allow"], wrong.json()["error"]) == (
        405,
        "POST",
        "method_not_allowed",
    )
