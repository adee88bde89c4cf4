"""`POST /v1/events`: events that programs tell, as JSON or Avro; the good ones of a batch are taken, the bad ones named."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from schemas.documents import DocumentReceived
from schemas.keyring import TenantKeys
from schemas.mail import without_addresses
from schemas.record import Event, InvalidEvent
from sources.intake.access import Access
from sources.intake.admission import Admission
from sources.intake.answers import EventsTaken, refusals
from sources.intake.appending import Appending, sealing
from sources.intake.body import read_body
from sources.intake.event_bodies import CONTENT, items_in
from sources.intake.event_items import BadItem, Item
from sources.intake.held_keys import HeldKeys
from sources.intake.limits import IntakeLimits
from sources.intake.refusal import Refused, answer
from sources.intake.route import bounded_route, room_of
from streams import metrics
from streams.emitter import records_of, typed
from streams.log import Record

_CHECKED_IN_PASSING = 16 * 1024
"""Bytes beyond which a body is checked and encoded off the event loop: it would hold the others up."""

LONGEST_KEY = 256
"""Characters of an Idempotency-Key."""


@dataclass(frozen=True, slots=True)
class EventsDesk:
    """What the events' route works with."""

    access: Access
    keys: HeldKeys
    """What recipients in clear are hashed with."""
    appending: Appending
    limits: IntakeLimits


@dataclass(slots=True)
class Sorted:
    """A batch gone through: what is to be appended, how many that is, and what was wrong with the rest."""

    records: Mapping[str, Sequence[Record]]
    taken: int
    bad: list[dict[str, Any]] = field(default_factory=list)


def events_router(desk: EventsDesk, admission: Admission) -> APIRouter:
    """The events' route."""
    router = APIRouter(route_class=bounded_route(admission), tags=["events"])

    @router.post(
        "/v1/events",
        name="events",
        summary="Tell what happened",
        response_model=EventsTaken,
        responses={
            207: {
                "model": EventsTaken,
                "description": "Some were taken, and are durable; the others are named.",
            },
            **refusals(400, 401, 403, 408, 413, 415, 422, 429, 503),
            422: {"model": EventsTaken, "description": "Not one could be taken; each is named."},
        },
        openapi_extra={
            "requestBody": {"required": True, "content": CONTENT},
            "parameters": [
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "schema": {"type": "string", "maxLength": LONGEST_KEY},
                    "description": "Names this batch: events without an id of their own get one from it and their index.",
                }
            ],
            "security": [{"key": []}],
        },
    )
    async def take(request: Request) -> Response:
        """What is answered as taken is durable.

        The same batch again is harmless where its events carry ids, or the request an `Idempotency-Key`.
        """
        caller = desk.access.require(request, "emit")
        batch_key = _batch_key(request)
        body = await read_body(
            request, request.headers, desk.limits.events_bytes, desk.limits, room_of(request)
        )
        content_type = request.headers.get("content-type", "")

        def sort(keys: TenantKeys | None) -> Sorted:
            items = items_in(body, content_type, desk.limits)
            return _sorted(items, caller.tenant, batch_key, keys)

        with sealing(desk.limits):
            found = await desk.keys.given(sort, off_loop=len(body) > _CHECKED_IN_PASSING)
        if found.taken:
            await desk.appending.append(found.records)
        metrics.INTAKE_EVENTS.add(found.taken, "taken")
        if found.bad:
            metrics.INTAKE_EVENTS.add(len(found.bad), "refused")
        metrics.INTAKE_BYTES.add(len(body), "events")
        status = 200 if not found.bad else 207 if found.taken else 422
        return answer({"taken": found.taken, "refused": len(found.bad), "bad": found.bad}, status)

    return router


def _batch_key(request: Request) -> str | None:
    """The batch's name as ids hold it: hashed, since it is anybody's guess what is in it. Raises Refused."""
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    if not 1 <= len(given) <= LONGEST_KEY:
        raise Refused(400, "bad_key", f"Idempotency-Key: wants 1 to {LONGEST_KEY} characters")
    return hashlib.sha256(given.encode()).hexdigest()[:32]


def _sorted(
    items: Sequence[Item | BadItem], tenant: str, batch_key: str | None, keys: TenantKeys | None
) -> Sorted:
    good: list[Event] = []
    bad: list[dict[str, Any]] = []
    for index, item in enumerate(items):
        try:
            if isinstance(item, BadItem):
                raise InvalidEvent("event", "(whole)", item.got, item.wants)
            good.append(_event(item, index, tenant, batch_key, keys))
        except InvalidEvent as error:
            bad.append(_named(index, item, error))
    return Sorted(records_of(good, time.time_ns() // 1_000_000) if good else {}, len(good), bad)


def _event(item: Item, index: int, tenant: str, batch_key: str | None, keys: TenantKeys | None) -> Event:
    if item.get("tenant", tenant) != tenant:
        raise InvalidEvent(
            str(item.get("type")), "tenant", item["tenant"], f"{tenant}, the key's own, or none"
        )
    if item.get("type") == DocumentReceived.__name__:
        raise InvalidEvent("event", "type", item["type"], "an event: POST /v1/documents takes documents")
    if batch_key is not None and not item.get("event_id") and item.get("source_event_id") is None:
        item = {**item, "source_event_id": f"batch {batch_key} {index}"}
    return typed(item, tenant, keys)


def _named(index: int, item: Item | BadItem, error: InvalidEvent) -> dict[str, Any]:
    said = item.get("type") if isinstance(item, dict) else None
    return {
        "index": index,
        "type": _shown(said) if isinstance(said, str) else None,
        "field": _shown(error.field),
        "got": _got(error.got),
        "wants": error.wants,
    }


def _got(value: object) -> str:
    try:
        return _shown(value if isinstance(value, str) else repr(value))
    except RecursionError:
        return f"a {type(value).__name__} nested too deeply to be shown"


def _shown(text: str) -> str:
    """A text as an answer may repeat it: short, and without anything that might be an address."""
    shown = without_addresses(text if len(text) <= 1000 else text[:1000])
    if "@" in shown:
        return "what is not shown here: there is an @ in it"
    return shown if len(shown) <= 120 else shown[:117] + "..."
