"""What every request to the intake goes through: a place, its refusal as an answer, and its count."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from sources.intake.admission import Admission, Room
from sources.intake.refusal import Refused
from streams import metrics

logger = logging.getLogger("mailwake.intake")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def bounded_route(admission: Admission) -> type[APIRoute]:
    """The class of routes whose requests take a place among those in hand."""

    class BoundedRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle, name = super().get_route_handler(), self.name

            async def handled(request: Request) -> Response:
                try:
                    with admission.request() as room:
                        request.state.room = room
                        response = await handle(request)
                except Refused as refused:
                    response = refused.response()
                except Exception:
                    metrics.INTAKE_REQUESTS.add(1, name, "5xx")
                    raise
                metrics.INTAKE_REQUESTS.add(1, name, f"{response.status_code // 100}xx")
                return response

            return handled

    return BoundedRoute


def room_of(request: Request) -> Room:
    """What the request takes of the memory for bodies."""
    room: Room = request.state.room
    return room
