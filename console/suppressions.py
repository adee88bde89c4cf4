"""`GET /v1/suppressions/{recipient}`: whether somebody may be mailed, asked before each message."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, get_args

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from schemas.suppression import SuppressedStream
from sinks.sink import SinkError
from sinks.suppressions.index import Suppression
from sources.intake.access import Access
from sources.intake.admission import Admission
from sources.intake.answers import refusals
from sources.intake.refusal import Refused, answer
from sources.intake.route import bounded_route
from streams.log import LogError

STREAMS: tuple[str, ...] = get_args(SuppressedStream)


class NoSuchRecipient(ValueError):
    """What was asked about is neither an address nor a hash, or its tenant was forgotten."""


LookUp = Callable[[str, str, str | None], Sequence[Suppression]]
"""What is suppressed of a recipient, by tenant, address or hash, and stream (None: all).

Raises NoSuchRecipient, LogError, SinkError.
"""


@dataclass(frozen=True, slots=True)
class SuppressionsDesk:
    """What the route works with."""

    access: Access
    look_up: LookUp


class Suppressed(BaseModel):
    """One suppression: a recipient is not to be mailed any more."""

    stream: str
    """Which mail it holds for; all is every stream."""
    reason: str
    """The strongest: complaint, unsubscribe, bounce, manual, import."""
    reasons: list[str]
    since: int
    """When the first of what it stands on happened, ms since the epoch."""
    evidence: list[str]
    """Ids of the events that led to it, the latest first."""
    bounce_class: str | None
    leaf: str | None
    recipient_domain: str | None
    by: str | None
    note: str | None


class RecipientStanding(BaseModel):
    """What is suppressed of a recipient."""

    suppressed: bool
    suppressions: list[Suppressed] = Field(default_factory=list)


def suppressions_router(desk: SuppressionsDesk, admission: Admission) -> APIRouter:
    """The suppressions' route."""
    router = APIRouter(route_class=bounded_route(admission), tags=["answers"])

    @router.get(
        "/v1/suppressions/{recipient:path}",
        name="suppressions",
        summary="May this recipient be mailed?",
        response_model=RecipientStanding,
        responses=refusals(400, 401, 403, 429, 503),
        openapi_extra={"security": [{"key": []}]},
    )
    async def standing(
        request: Request,
        recipient: str,
        stream: Annotated[str | None, Query(description="Ask for mail of one stream only.")] = None,
    ) -> Response:
        """An address, or its recipient_hash. Nothing known of it is no error: then nothing speaks against it."""
        caller = desk.access.require(request, "read")
        wanted = request.query_params.get("stream", stream)
        if wanted is not None and wanted not in STREAMS:
            raise Refused(
                400, "bad_stream", f"stream: wants one of {', '.join(STREAMS)}, or none for all of them"
            )
        if "\ufffd" in recipient:
            # What is no UTF-8 came as this: it would be another address, of which nothing is known.
            raise Refused(400, "bad_recipient", "the recipient is no UTF-8: percent-encode the bytes of that")
        try:
            held = await run_in_threadpool(desk.look_up, caller.tenant, recipient, wanted)
        except NoSuchRecipient as error:
            raise Refused(400, "bad_recipient", str(error)) from None
        except (LogError, SinkError):
            raise Refused(
                503, "unavailable", "suppressions can't be looked up now; come again", retry_after=5
            ) from None
        return answer({"suppressed": bool(held), "suppressions": [_told(one) for one in held]})

    return router


def _told(suppression: Suppression) -> dict[str, object]:
    fields = asdict(suppression)
    return {name: fields[name] for name in Suppressed.model_fields}
