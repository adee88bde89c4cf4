"""`POST /v1/events`: events that programs tell, as JSON or Avro; the good ones of a batch are taken, the bad ones named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from schemas.documents import DocumentReceived
from schemas.keyring import TenantKeys
from schemas.mail import without_addresses
from schemas.record import Event, InvalidEvent, now_ms
from sources.intake.access import Access
from sources.intake.admission import Admission
from sources.intake.answers import EventsTaken, refusals
from sources.intake.appending import Appending, sealing
from sources.intake.body import read_body
from sources.intake.event_bodies import CONTENT, items_in
from sources.intake.event_items import BadItem, Item
from sources.intake.held_keys import HeldKeys
from sources.intake.idempotency import LONGEST_KEY, RequestKey, request_key
from sources.intake.limits import IntakeLimits
from sources.intake.refusal import answer
from sources.intake.route import bounded_route, room_of
from streams import metrics
from streams.emitter import records_of, typed
from streams.log import Record

_CHECKED_IN_PASSING = 16 * 1024
"""Bytes beyond which a body is checked and encoded off the event loop: it would hold the others up."""


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
                    "description": "Names this batch: events without an id of their own get one from it and what they say.",
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
        batch_key = request_key(request.headers)
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


def _sorted(
    items: Sequence[Item | BadItem], tenant: str, batch_key: str | None, keys: TenantKeys | None
) -> Sorted:
    batch = None if batch_key is None else RequestKey(batch_key)
    good: list[Event] = []
    bad: list[dict[str, Any]] = []
    for index, item in enumerate(items):
        try:
            if isinstance(item, BadItem):
                raise InvalidEvent("event", "(whole)", item.got, item.wants)
            good.append(_event(item, tenant, batch, keys))
        except InvalidEvent as error:
            bad.append(_named(index, item, error))
    return Sorted(records_of(good, now_ms()) if good else {}, len(good), bad)


def _event(item: Item, tenant: str, batch: RequestKey | None, keys: TenantKeys | None) -> Event:
    if item.get("tenant", tenant) != tenant:
        raise InvalidEvent(
            str(item.get("type")), "tenant", item["tenant"], f"{tenant}, the key's own, or none"
        )
    if item.get("type") == DocumentReceived.__name__:
        raise InvalidEvent("event", "type", item["type"], "an event: POST /v1/documents takes documents")
    event = typed(item, tenant, keys)
    if batch is None or item.get("event_id") or event.source_event_id is not None:
        return event
    said = {name: getattr(event, name) for name in event.model_fields_set}
    name = batch.name(orjson.dumps([type(event).__name__, said], option=orjson.OPT_SORT_KEYS))
    key = f"batch {name}"
    return event.model_copy(update={"source_event_id": key, "event_id": event.id_of(event.tenant, key)})


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
