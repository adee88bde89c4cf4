"""`POST /v1/documents`: a report or mail, whole, or an upload of several; kept as received, read afterwards."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from fastapi import APIRouter
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from schemas.documents import DocumentReceived
from schemas.keyring import TenantKeys
from sources.documents import DocumentIntake
from sources.intake.access import Access
from sources.intake.admission import Admission
from sources.intake.answers import DocumentsTaken, refusals
from sources.intake.appending import Appending, sealing
from sources.intake.body import read_body
from sources.intake.held_keys import HeldKeys
from sources.intake.idempotency import LONGEST_KEY, RequestKey, request_key
from sources.intake.limits import IntakeLimits
from sources.intake.refusal import Refused, answer
from sources.intake.route import bounded_route, room_of
from streams import metrics
from streams.log import Record

LONGEST_NAME = 1024
_BYTES = {"schema": {"type": "string", "format": "binary"}}


@dataclass(frozen=True, slots=True)
class DocumentsDesk:
    """What the documents' route works with."""

    access: Access
    intake: DocumentIntake
    keys: HeldKeys
    """What documents are sealed with."""
    appending: Appending
    limits: IntakeLimits


@dataclass(frozen=True, slots=True)
class Sent:
    """One document as it was sent."""

    content: bytes
    name: str | None
    content_type: str | None


def documents_router(desk: DocumentsDesk, admission: Admission) -> APIRouter:
    """The documents' route."""
    router = APIRouter(route_class=bounded_route(admission), tags=["documents"])

    @router.post(
        "/v1/documents",
        name="documents",
        summary="Bring a report or mail",
        response_model=DocumentsTaken,
        responses=refusals(400, 401, 403, 408, 413, 415, 429, 503),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "*/*": _BYTES,
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "properties": {"file": {"type": "array", "items": _BYTES["schema"]}},
                        }
                    },
                },
            },
            "parameters": [
                {
                    "name": "name",
                    "in": "query",
                    "required": False,
                    "schema": {"type": "string", "maxLength": LONGEST_NAME},
                    "description": "Its file name; the header X-Filename says the same.",
                },
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "schema": {"type": "string", "maxLength": LONGEST_KEY},
                    "description": "Names this request: the same document sent again is the same receipt.",
                },
            ],
            "security": [{"key": []}],
        },
    )
    async def take(request: Request) -> Response:
        """Durable when 200 is answered. What is in it is read after that: the view `documents` tells, by receipt."""
        caller = desk.access.require(request, "ingest")
        key = request_key(request.headers)
        body = await read_body(
            request, request.headers, desk.limits.document_bytes, desk.limits, room_of(request)
        )
        sent = await _sent(request, body, desk.limits)
        intake = replace(desk.intake, tenant=caller.tenant, source="api", channel="upload")

        def prepare(keys: TenantKeys | None) -> list[tuple[DocumentReceived, Record]]:
            return _prepared(replace(intake, keys=keys), sent, key)

        with sealing(desk.limits):
            prepared = await desk.keys.given(prepare, off_loop=True)
        await desk.appending.append({"documents": [record for _, record in prepared]})
        metrics.INTAKE_BYTES.add(len(body), "documents")
        return answer({"receipts": [_receipt(document) for document, _ in prepared]})

    return router


def _prepared(
    intake: DocumentIntake, sent: list[Sent], key: str | None
) -> list[tuple[DocumentReceived, Record]]:
    named = None if key is None else RequestKey(key)
    secret = (intake.keys.hashing_key(intake.tenant) if named and intake.keys else None) or b""
    return [
        intake.prepare(
            one.content, one.name, one.content_type, named.name(one.content, secret) if named else None
        )
        for one in sent
    ]


def _receipt(document: DocumentReceived) -> dict[str, object]:
    return {
        "receipt_id": document.receipt_id,
        "sha256": document.sha256,
        "size": document.size,
        "name": document.name,
    }


async def _sent(request: Request, body: bytes, limits: IntakeLimits) -> list[Sent]:
    content_type = request.headers.get("content-type")
    if (content_type or "").partition(";")[0].strip().lower() == "multipart/form-data":
        sent = await _uploaded(request.headers, body, limits)
    else:
        name = request.query_params.get("name") or request.headers.get("x-filename")
        sent = [Sent(body, name[:LONGEST_NAME] if name else None, content_type)]
    if not sent or not all(one.content for one in sent):
        raise Refused(
            400, "empty", "there is no document in the body, or an empty one (of an upload, parts with a filename are "
            "documents): nothing was kept",
        )  # fmt: skip
    return sent


class _Upload(MultiPartParser):
    """Knows whether what it read came to its end: what is cut gives the parts before, and no error."""

    has_ended = False

    def on_end(self) -> None:
        """The last boundary."""
        self.has_ended = True


async def _uploaded(headers: Headers, body: bytes, limits: IntakeLimits) -> list[Sent]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    parser = _Upload(
        headers,
        stream(),
        max_files=limits.parts,
        max_fields=limits.parts,
        max_part_size=limits.document_bytes,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise Refused(400, "unreadable", f"the upload can't be read: {error}; nothing was kept") from None
    try:
        if not parser.has_ended:
            raise Refused(400, "unreadable", "the upload ends in the middle: nothing was kept")
        return [
            Sent(
                await part.read(), part.filename[:LONGEST_NAME] if part.filename else None, part.content_type
            )
            for _, part in form.multi_items()
            if isinstance(part, UploadFile)
        ]
    finally:
        await form.close()
