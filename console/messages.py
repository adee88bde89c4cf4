"""`GET /v1/messages/{id}`: the life of one message, every event of it in order."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sources.intake.access import Access
from sources.intake.admission import Admission
from sources.intake.answers import Problem, refusals
from sources.intake.refusal import Refused, answer
from sources.intake.route import bounded_route

LONGEST_ID = 1024
AT_ONCE = 8
"""Questions that the warehouse is asked at once: each holds a thread, and other requests want some too."""


class WarehouseAway(Exception):
    """The warehouse can't be asked now; the message is for the log."""


class Life(BaseModel):
    """What became of a message."""

    message_ids: list[str]
    """Every Message-ID among its events: one, unless an ESP's id stands for several messages."""
    provider_message_ids: list[str]
    events: list[dict[str, Any]]
    """In order of event time: the fields that say anything, with what its failures mean."""
    loaded: list[dict[str, Any]]
    """How far the warehouse is loaded, by topic: what came later is not in the answer."""
    cut: bool
    """Whether there are more events than are given."""


Tell = Callable[[str, str], Life]
"""The life of a message, by tenant and any id of it; without events where nothing is known. Raises WarehouseAway."""


@dataclass(frozen=True, slots=True)
class MessagesDesk:
    """What the route works with."""

    access: Access
    tell: Tell


class Unknown(Problem):
    """Nothing is known of a message yet."""

    loaded: list[dict[str, Any]]


def messages_router(desk: MessagesDesk, admission: Admission) -> APIRouter:
    """The messages' route."""
    router = APIRouter(route_class=bounded_route(admission), tags=["answers"])
    asking = asyncio.Semaphore(AT_ONCE)

    @router.get(
        "/v1/messages/{message_id:path}",
        name="messages",
        summary="What became of this message?",
        response_model=Life,
        responses={
            **refusals(400, 401, 403, 429, 503),
            404: {
                "model": Unknown,
                "description": "Nothing is known of it, as far as the warehouse is loaded.",
            },
        },
        openapi_extra={"security": [{"key": []}]},
    )
    async def life(request: Request, message_id: str) -> Response:
        """Its Message-ID, with or without brackets, or the id that the ESP or MTA gave it."""
        caller = desk.access.require(request, "read")
        if not message_id.strip() or len(message_id) > LONGEST_ID:
            raise Refused(400, "bad_id", f"wants an id of 1 to {LONGEST_ID:,} characters")
        try:
            async with asking:
                found = await run_in_threadpool(desk.tell, caller.tenant, message_id)
        except WarehouseAway:
            raise Refused(
                503, "unavailable", "the warehouse can't be asked now; come again", retry_after=15
            ) from None
        if not found.events:
            details = {"loaded": found.loaded}
            raise Refused(
                404,
                "no_such_message",
                "nothing is known of it yet: see how far it is loaded",
                details=details,
            )
        return answer(found.model_dump())

    return router
