"""The application that the intake serves: its routes, their description, and what answers where no route does."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sources.intake.refusal import answer
from streams import metrics

_WORDS = {404: "not_found", 405: "method_not_allowed"}
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, mwk_..., from `mailwake keys create`.",
}
_NEVER_HAPPENS = "HTTPValidationError"
"""What FastAPI would answer to parameters that are wrong; ours are texts, and what is wrong with one is a 400."""


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
    app.openapi = cache(lambda: _description(app))  # type: ignore[method-assign]
    return app


def _description(app: FastAPI) -> dict[str, Any]:
    said = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    components = said.setdefault("components", {})
    components["securitySchemes"] = {"key": _KEY}
    for name in (_NEVER_HAPPENS, "ValidationError"):
        components.get("schemas", {}).pop(name, None)
    for operations in said["paths"].values():
        for operation in operations.values():
            answers = operation["responses"]
            if _NEVER_HAPPENS in str(answers.get("422")):
                del answers["422"]
    return said


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    metrics.INTAKE_REQUESTS.add(1, "none", "4xx")
    word = _WORDS.get(error.status_code, "refused")
    said = {"error": word, "message": f"{error.detail}; what there is, is told by /openapi.json"}
    return answer(said, error.status_code, error.headers)
