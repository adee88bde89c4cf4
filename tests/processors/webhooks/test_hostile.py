"""Whatever a body holds, reading it ends, tells what can't be understood, and every event it gives can be stored."""

import copy
import json
import random
from typing import Any

import orjson
import pytest
from test_told import CASES
from webhook_case import as_bytes, form, origin, read

from processors.webhooks import read as reading_module
from processors.webhooks.bodies import NotABody
from processors.webhooks.read import HookReading, read_webhook
from processors.webhooks.tables import PROVIDERS, table_of
from schemas.codec import decode, encode

MUTATIONS = 10_000

HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 10**30, 1e300, -1e300, 1.5, float("1e-300"), "", " ", "\x00", "x" * 5000,
    "9" * 400, "-5", "1e400", "NaN", "Infinity", "2026-13-45T99:99:99Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59Z",
    "Mon, 99 Foo 2026", "@", "@@", "a@", "@b", "jo.doe@gmail.com", "<jo.doe@gmail.com>", "ünï@bücher.example", "a@" + "b" * 300 + ".c",
    "\u202e\ufeff", "🙂" * 400, "550", "5.1.1", "999", [], {}, [[]], [None], [{}], {"": ""}, ["jo.doe@gmail.com"] * 3,
    {"name": {"name": []}}, [["a", "b"], ["In-Reply-To", 5]], "Bounce", "open", "failed", "activity.sent", "inbound",
)  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        found += places(below, (*at, key))
    return found


def mutated(content: bytes, chance: random.Random) -> Any:
    body = orjson.loads(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        everywhere = places(body)
        if not everywhere:
            return chance.choice(HOSTILE)
        *way, last = chance.choice(everywhere)
        holder = body
        for step in way:
            holder = holder[step]
        match chance.randrange(4):
            case 0 if isinstance(holder, dict):
                del holder[last]
            case 1 if isinstance(holder, dict):
                holder[chance.choice(("", "type", "event", "msg", "data", "mail", "@", "@auto_reply"))] = (
                    holder[last]
                )
            case _:
                holder[last] = copy.deepcopy(chance.choice(HOSTILE))
    return body


def damaged(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    match chance.randrange(3):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :]
        case _:
            return content[:at] + content[at // 2 :]


def unpacked(provider: str, body: Any) -> Any:
    """The body with what is JSON within it opened, so that mutations reach it."""
    if provider == "mandrill" and isinstance(body, bytes):
        return table_of(provider).body(body)
    if isinstance(body, bytes):
        return [json.loads(line) for line in body.splitlines()]
    if provider == "ses" and isinstance(body.get("Message"), str) and body["Message"].startswith("{"):
        return json.loads(body["Message"])
    return body


def packed(provider: str, body: Any, chance: random.Random) -> bytes:
    if provider == "mandrill" and chance.random() < 0.5:
        return form(body)
    if provider == "ses" and chance.random() < 0.5:
        return as_bytes({"Type": "Notification", "Message": json.dumps(body)})
    return as_bytes(body)


def check(provider: str, content: bytes, reading: HookReading, is_stored: bool) -> None:
    for event in reading.events if is_stored else ():
        assert type(decode(encode(event))) is type(event)
        assert event.source_event_id
    shown = repr((reading.not_understood, reading.warnings, reading.ignored)).lower()
    assert "jo.doe@" not in shown
    try:
        told = table_of(provider).body(content)
    except NotABody:
        assert len(reading.not_understood) == 1
        return
    assert len(reading.events) + reading.events_not_understood + reading.events_ignored >= len(told)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_ten_thousand_mutated_bodies(provider: str) -> None:
    chance = random.Random(f"hostile {provider}")
    bodies = [as_bytes(unpacked(provider, each.body)) for each in CASES[provider]]
    understood = 0
    for number in range(MUTATIONS):
        content = packed(provider, mutated(chance.choice(bodies), chance), chance)
        if number % 5 == 0:
            content = damaged(content, chance)
        reading = read(provider, content)
        check(provider, content, reading, is_stored=number % 3 == 0)
        understood += bool(reading.events)
    assert MUTATIONS // 20 < understood < MUTATIONS


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "content",
    [
        b"", b" ", b"null", b"0", b'""', b"[", b"{}", b"[]", b"[null]", b"\xff\xfe", b"\x00" * 100, b"[" * 100_000,
        b'{"a":' * 100_000, b"[" * 500 + b"]" * 500, b"1" * 100_000, b"<xml/>", b"a=b&c=d", b"mandrill_events=%FF",
        b"mandrill_events=" + b"%5B" * 100_000, b"&" * 2000,
    ],
    ids=lambda content: repr(content[:20]),
)  # fmt: skip
def test_what_is_no_webhook(provider: str, content: bytes) -> None:
    reading = read(provider, content[:200_000])
    assert reading.events == ()


def test_nesting_within_an_event_hurts_only_that_event() -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = [deep]
    good = {"event": "delivered", "email": "jo.doe@gmail.com", "timestamp": 1_767_603_600, "sg_event_id": "1"}
    reading = read("sendgrid", json.dumps([{**good, "deep": deep, "sg_event_id": None}, good]).encode())
    assert len(reading.events) == 1
    assert reading.not_understood == ("event 0: it is nested too deeply",)


def test_a_flood_in_one_body_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_module, "MOST_EVENTS", 10)
    reading = read("sendgrid", [{"event": "?"}] * 25)
    assert len(reading.not_understood) == 11
    assert reading.not_understood[-1] == "events 10 to 24: more than a body may hold"
    assert reading.events_not_understood == 25


def test_a_hundred_events_are_named_and_the_others_counted() -> None:
    reading = read("sendgrid", [{"event": "?"}] * 250 + [{"event": "account_status_change"}] * 150)
    assert len(reading.not_understood) == len(reading.ignored) == 101
    assert reading.not_understood[-1] == "and 150 more like these"
    assert (reading.events_not_understood, reading.events_ignored) == (250, 150)


def test_no_such_provider() -> None:
    with pytest.raises(KeyError):
        read_webhook("pigeon", b"{}", origin("pigeon"))
