"""`GET /healthz`: whether to send requests here, for whoever shares them out."""

from collections.abc import Callable

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from sources.intake.refusal import answer

Trouble = Callable[[], str]
"""Why nothing can be taken now, in a word; "" when all is well."""


class Health(BaseModel):
    """How this process is."""

    status: str
    """ok, or why to send nothing here: full, away, failed, slow; filling while the index of suppressions is."""


def health_router(trouble: Trouble) -> APIRouter:
    """The route of health. It wants no key and tells nothing else."""
    router = APIRouter(tags=["health"])

    @router.get(
        "/healthz",
        name="healthz",
        summary="Can it take anything?",
        response_model=Health,
        responses={
            503: {
                "model": Health,
                "description": "The log took nothing lately, or the index of suppressions is being filled.",
            }
        },
    )
    async def healthz() -> Response:
        """Red while the log takes nothing: its disk is full, or its broker away, with no spool before it.

        And after the start, until it is known who is suppressed.
        """
        word = trouble()
        return answer({"status": word or "ok"}, 503 if word else 200)

    return router
