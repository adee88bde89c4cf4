"""The GETs: what is asked for, as whose, and what is answered."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from console.health import health_router
from console.messages import Life, MessagesDesk, messages_router
from console.suppressions import SuppressionsDesk, suppressions_router
from sinks.suppressions.index import Suppression
from sources.intake.access import Access
from sources.intake.admission import Admission
from sources.intake.app import intake_app
from sources.intake.hook_file import HookFile
from sources.intake.keys import KeyFile
from sources.intake.limits import IntakeLimits
from sources.intake.route import Front

HELD = Suppression(
    "acme", "a" * 32, "marketing", "complaint", ("complaint", "bounce"), 1_780_000_000_000, ("e1", "e2"),
    "bad_mailbox", "unknown", "x.example", "jo", "said so",
)  # fmt: skip


class Here:
    """The answers, over look-ups that remember what they were asked."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[str | None, ...]] = []
        self.held: tuple[Suppression, ...] = ()
        self.of_log = self.of_suppressions = ""
        self.life = Life(message_ids=[], provider_message_ids=[], events=[], loaded=[], cut=False)
        admission = Admission(IntakeLimits())
        keys = KeyFile(folder / "keys.toml")
        access = Access(keys, HookFile(folder / "hooks.toml"))
        self.key = keys.create("k", "acme", ["read"])[1]

        def look_up(*asked: str | None) -> tuple[Suppression, ...]:
            self.asked.append(asked)
            return self.held

        def tell(*asked: str) -> Life:
            self.asked.append(asked)
            return self.life

        self.tell: Callable[..., Life] = tell

        routers = [
            suppressions_router(SuppressionsDesk(access, look_up), admission),
            messages_router(MessagesDesk(access, lambda *asked: self.tell(*asked)), admission),
            health_router(lambda: self.of_log, lambda: self.of_suppressions),
        ]
        self.app = Front(
            intake_app(routers, "test"), [route for router in routers for route in router.routes]
        )

    def get(self, path: str) -> httpx.Response:
        async def sent() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://intake") as client:
                return await client.get(path, headers={"authorization": f"Bearer {self.key}"})

        return asyncio.run(sent())


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


@pytest.mark.parametrize(
    "recipient", ["jo@x.example", "a/b+c@x.example", "100%@x.example", "jo?@x.example", "ö@bücher.example"]
)
def test_a_recipient_is_asked_for_as_the_tenant_of_the_key(here: Here, recipient: str) -> None:
    said = here.get(f"/v1/suppressions/{quote(recipient, safe='@')}")
    assert (said.status_code, said.json()) == (200, {"suppressed": False, "suppressions": []})
    assert here.asked == [("acme", recipient, None)]


def test_what_is_suppressed_is_told_with_why(here: Here) -> None:
    here.held = (HELD,)
    said = here.get("/v1/suppressions/jo@x.example?stream=marketing").json()
    assert here.asked == [("acme", "jo@x.example", "marketing")]
    assert said["suppressed"] is True
    assert said["suppressions"] == [{
        "stream": "marketing", "reason": "complaint", "reasons": ["complaint", "bounce"], "since": 1_780_000_000_000,
        "evidence": ["e1", "e2"], "bounce_class": "bad_mailbox", "leaf": "unknown", "recipient_domain": "x.example",
        "by": "jo", "note": "said so",
    }]  # fmt: skip


def test_a_stream_that_there_is_not_is_named(here: Here) -> None:
    said = here.get("/v1/suppressions/jo@x.example?stream=sms")
    assert said.status_code == 400 and "marketing" in said.json()["message"] and not here.asked


def test_a_recipient_in_another_encoding_is_not_taken_for_somebody_else(here: Here) -> None:
    """Latin-1's ü: of an address that holds something else in its place nothing is known."""
    said = here.get("/v1/suppressions/j%FCrgen@x.example")
    assert (said.status_code, said.json()["error"]) == (400, "bad_recipient") and not here.asked


def test_a_message_is_asked_for_by_any_id(here: Here) -> None:
    here.life = Life(
        message_ids=["<1@a>"], provider_message_ids=[], events=[{"kind": "sent"}], loaded=[], cut=False
    )
    for message_id in ("<1@a.example>", "14c5d75ce93.dfd/64b469", "x y"):
        said = here.get(f"/v1/messages/{quote(message_id, safe='')}")
        assert said.json()["events"] == [{"kind": "sent"}]
        assert here.asked[-1] == ("acme", message_id)


def test_a_message_of_which_nothing_is_known_is_404_with_how_far_that_is(here: Here) -> None:
    here.life = here.life.model_copy(update={"loaded": [{"topic": "mail.events"}]})
    said = here.get("/v1/messages/unknown")
    assert (said.status_code, said.json()["loaded"]) == (404, [{"topic": "mail.events"}])


def test_a_slow_warehouse_keeps_nobody_from_asking_who_may_be_mailed(here: Here) -> None:
    answers = threading.Event()

    def slowly(*asked: str) -> Life:
        assert answers.wait(20)
        return here.life

    here.tell = slowly
    headers = {"authorization": f"Bearer {here.key}"}

    async def asked() -> tuple[bool, list[int]]:
        transport = httpx.ASGITransport(here.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://intake", headers=headers
        ) as client:
            questions = [asyncio.create_task(client.get(f"/v1/messages/{at}")) for at in range(100)]
            await asyncio.sleep(0.05)
            said = (await client.get(f"/v1/suppressions/{'a' * 32}")).json()
            assert not any(question.done() for question in questions)
            answers.set()
            return said["suppressed"], [(await question).status_code for question in questions]

    assert asyncio.run(asked()) == (False, [404] * 100)


def test_an_id_without_end_is_not_asked_for(here: Here) -> None:
    assert here.get("/v1/messages/" + "x" * 1_025).status_code == 400
    assert here.get("/v1/messages/%20").status_code == 400
    assert not here.asked


def test_health_wants_no_key_and_tells_little(here: Here) -> None:
    here.key = "wrong"
    assert here.get("/healthz").json() == here.get("/livez").json() == {"status": "ok"}
    assert here.get("/readyz").json() == {"status": "ready", "parts": {"log": "ok", "suppressions": "ok"}}
    assert here.get("/v1/suppressions/jo@x.example").status_code == 401


@pytest.mark.parametrize(
    ("of_log", "of_suppressions", "red"),
    [
        ("", "filling", {"/readyz"}),
        ("away", "", {"/healthz", "/readyz"}),
        ("full", "filling", {"/healthz", "/readyz"}),
    ],
)
def test_a_restart_is_asked_for_by_nothing_and_traffic_only_where_all_is_well(
    here: Here, of_log: str, of_suppressions: str, red: set[str]
) -> None:
    here.of_log, here.of_suppressions = of_log, of_suppressions
    statuses = {path: here.get(path).status_code for path in ("/livez", "/healthz", "/readyz")}
    assert statuses == {path: 503 if path in red else 200 for path in statuses}
    parts = here.get("/readyz").json()["parts"]
    assert parts == {"log": of_log or "ok", "suppressions": of_suppressions or "ok"}
