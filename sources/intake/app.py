"""The application that the intake serves: its routes, and what answers where no route does."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sources.intake.refusal import answer
from streams import metrics

_WORDS = {404: "not_found", 405: "method_not_allowed"}


def intake_app(routers: Sequence[APIRouter], version: str) -> FastAPI:
    """An application of these routes, described at /openapi.json."""
    app = FastAPI(
        title="mailwake",
        version=version,
        summary="What comes in: events, documents, webhooks; and what is known of messages and recipients.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _bug)
    return app


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    metrics.INTAKE_REQUESTS.add(1, "none", "4xx")
    word = _WORDS.get(error.status_code, "refused")
    said = {"error": word, "message": f"{error.detail}; what there is, is told by /openapi.json"}
    return answer(said, error.status_code, error.headers)


async def _bug(request: Request, error: Exception) -> Response:
    return answer({"error": "internal", "message": "a bug; it is in the log of the process"}, 500)
