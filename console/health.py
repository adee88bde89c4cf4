"""How the intake is, as `mailwake.monitor` answers for stages: does somebody have to look, to restart it, to send elsewhere?"""

from collections.abc import Callable, Mapping

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from sources.intake.refusal import answer

Trouble = Callable[[], str]
"""Why a part is not usable, in a word; "" when all is well."""


class Health(BaseModel):
    """How this process is."""

    status: str
    """ok, or why the log took nothing lately: full, away, failed, slow."""


class Readiness(BaseModel):
    """Whether to send requests here."""

    status: str
    """ready, or not ready."""
    parts: dict[str, str]
    """Of each part ok, or a word: full, away, failed, slow for the log; filling for the index of suppressions."""


def health_router(log: Trouble, suppressions: Trouble) -> APIRouter:
    """The routes of health. They want no key and tell nothing else."""
    router = APIRouter(tags=["health"])

    @router.get(
        "/healthz",
        name="healthz",
        summary="Does somebody have to look?",
        response_model=Health,
        responses={503: {"model": Health, "description": "The log took nothing lately."}},
    )
    async def healthz() -> Response:
        """Red while the log takes nothing: its disk is full, or its broker away, with no spool before it."""
        word = log()
        return answer({"status": word or "ok"}, 503 if word else 200)

    @router.get("/livez", name="livez", summary="Does it answer at all?", response_model=Health)
    async def livez() -> Response:
        """Never red: whoever gets no answer may restart it, which brings neither a broker back nor room on a disk."""
        return answer({"status": "ok"})

    @router.get(
        "/readyz",
        name="readyz",
        summary="Can it take and answer everything?",
        response_model=Readiness,
        responses={
            503: {
                "model": Readiness,
                "description": "The log took nothing lately, or the index of suppressions is being filled.",
            }
        },
    )
    async def readyz() -> Response:
        """Red while `/healthz` is, and after the start until it is known who is suppressed."""
        wrong: Mapping[str, str] = {"log": log(), "suppressions": suppressions()}
        ready = not any(wrong.values())
        said = {name: word or "ok" for name, word in wrong.items()}
        return answer({"status": "ready" if ready else "not ready", "parts": said}, 200 if ready else 503)

    for path, page in (("/healthz", healthz), ("/livez", livez), ("/readyz", readyz)):
        # Many who only want the status ask so.
        router.add_api_route(path, page, methods=["HEAD"], include_in_schema=False)
    return router
