"""What every request that brings something goes through: a place, its refusal as an answer, and its count."""

import logging
from collections.abc import Sequence
from typing import Any

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from sources.intake.admission import Admission, Room
from sources.intake.refusal import Refused, answer
from streams import metrics

logger = logging.getLogger("mailwake.intake")

_ROOM = "mailwake.room"


class BoundedRoute(APIRoute):
    """A route whose requests take a place among those in hand; `bounded_route` says among which.

    Its endpoint takes the request and the parameters of the path, as text, and answers with a response. FastAPI describes
    it; what FastAPI does around an endpoint besides takes as long as all that the intake has to do.
    """

    admission: Admission

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that matches."""
        methods = self.methods or ()
        if scope["method"] not in methods:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})
        await self.answer(scope, receive, send, scope["path_params"])

    async def answer(self, scope: Scope, receive: Receive, send: Send, parameters: dict[str, Any]) -> None:
        """Answer a request with these parameters of its path."""
        request = Request(scope, receive, send)
        room: Room | None = None
        try:
            with self.admission.request(asks=scope["method"] == "GET") as room:
                scope[_ROOM] = room
                response = await self.endpoint(request=request, **parameters)
        except Refused as refused:
            response = refused.response()
            if scope["method"] == "POST" and (room is None or not room.body_is_read):
                # Else whoever is refused could go on sending a body that nobody reads.
                response.headers["Connection"] = "close"
        except Exception:  # whatever it is, it is in the log, and this process goes on
            logger.exception("a request to %s failed", self.path)
            response = answer({"error": "internal", "message": "a bug; it is in the log of the process"}, 500)
        metrics.INTAKE_REQUESTS.add(1, self.name, f"{response.status_code // 100}xx")
        await response(scope, receive, send)


def bounded_route(admission: Admission) -> type[BoundedRoute]:
    """The class of routes that share this admission."""
    return type("BoundedRoute", (BoundedRoute,), {"admission": admission})


class Front:
    """The application with a short way in for the routes that bring something; all else goes to FastAPI."""

    def __init__(self, app: ASGIApp, routes: Sequence[object]) -> None:
        self._app = app
        self._ways = [
            (method, route.path_regex.match, route)
            for route in routes
            if isinstance(route, BoundedRoute)
            for method in sorted(route.methods or ())
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request (ASGI)."""
        if scope["type"] == "http":
            path, method = scope["path"], scope["method"]
            for wanted, match, route in self._ways:
                if wanted == method and (found := match(path)):
                    await route.answer(scope, receive, send, found.groupdict())
                    return
        await self._app(scope, receive, send)


def headers_of(request: Request) -> dict[str, str]:
    """The request's headers by names in lower case; the first of several that have one name."""
    return {
        name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(request.scope["headers"])
    }


def room_of(request: Request) -> Room:
    """What the request takes of the memory for bodies."""
    room: Room = request.scope[_ROOM]
    return room
