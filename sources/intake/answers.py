"""The shapes of answers, for whoever reads /openapi.json."""

from typing import Any

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """Why a request was not taken."""

    error: str
    """A word for programs: unauthorized, wrong_scope, too_large, busy, log_full, ..."""
    message: str
    """A sentence for people."""


class BadEvent(BaseModel):
    """An event that was not taken. What it got shows no address."""

    index: int
    """Which one, from 0."""
    type: str | None
    """The record that it said it was."""
    field: str
    got: str
    wants: str


class EventsTaken(BaseModel):
    """What became of a batch of events. The taken ones are durable."""

    taken: int
    refused: int
    bad: list[BadEvent] = Field(default_factory=list)


class Receipt(BaseModel):
    """A document that is durable in the log."""

    receipt_id: str
    sha256: str
    size: int
    name: str | None


class DocumentsTaken(BaseModel):
    """The documents of a request. What becomes of each is told by the view `documents`, by its receipt."""

    receipts: list[Receipt]


class HookTaken(BaseModel):
    """A webhook's body that is durable in the log."""

    receipt_id: str


REFUSALS: dict[int, str] = {
    400: "The body can't be read.",
    401: "No key, or none that is good; of a hook: no signature.",
    403: "The key lacks the scope; of a hook: the signature is wrong, stale or was used before.",
    404: "No such hook.",
    408: "The body did not come in time.",
    413: "More than this takes: a body, its unpacked form, or a record.",
    415: "A Content-Type or Content-Encoding that this does not take.",
    422: "Not one of the events could be taken.",
    429: "Too much at once: come again after Retry-After.",
    503: "The log takes nothing now: come again after Retry-After.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented answers of these statuses."""
    return {status: {"model": Problem, "description": REFUSALS[status]} for status in statuses}
