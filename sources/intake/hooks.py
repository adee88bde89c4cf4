"""`POST /hooks/{source}/{token}`: a provider's webhook, kept as it came; what it says is read afterwards."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from schemas.documents import DocumentReceived
from schemas.keyring import TenantKeys
from schemas.record import now_ms
from sources.documents import DocumentIntake
from sources.hooks.signature import CertificateUnavailable, NotJson, SignatureRefused, SignedRequest, Verified
from sources.intake.admission import Admission
from sources.intake.answers import HookTaken, refusals
from sources.intake.appending import Appending, sealing
from sources.intake.body import read_body
from sources.intake.confirming import NotConfirmed, confirm
from sources.intake.held_keys import HeldKeys
from sources.intake.hook_file import HookFile, HookUnusable, Mounted
from sources.intake.limits import IntakeLimits
from sources.intake.refusal import Refused, answer
from sources.intake.route import bounded_route, headers_of, room_of
from sources.intake.seldom import Seldom
from streams import metrics
from streams.blobs import INLINE_LIMIT
from streams.log import Record

logger = logging.getLogger("mailwake.intake")
_SELDOM = Seldom()

SECOND_CHANCE_S = 30
"""What `Retry-After` says while a certificate can't be fetched, or a subscription not be confirmed."""


@dataclass(frozen=True, slots=True)
class HookDesk:
    """What the webhooks' route works with."""

    hooks: HookFile
    intake: DocumentIntake
    keys: HeldKeys
    """What bodies are sealed with."""
    appending: Appending
    limits: IntakeLimits
    public_url: str | None = None
    """What the world calls the intake, where that is said: what the URLs that were given to providers begin with."""


def hooks_router(desk: HookDesk, admission: Admission) -> APIRouter:
    """The webhooks' routes."""
    router = APIRouter(route_class=bounded_route(admission), tags=["hooks"])
    intake_of = lru_cache(maxsize=1024)(lambda *whose: _intake(desk.intake, *whose))

    @router.post(
        "/hooks/{source}/{token}",
        name="hooks",
        summary="A provider's webhook",
        response_model=HookTaken,
        responses=refusals(400, 401, 403, 404, 408, 413, 415, 429, 503),
        openapi_extra={"requestBody": {"required": True, "content": {"*/*": {"schema": {}}}}},
    )
    async def take(source: str, token: str, request: Request) -> Response:
        """The body is kept as received, and durable when 200 is answered; what it says is read after that."""
        mounted = _found(desk.hooks, source, token)
        headers = headers_of(request)
        body = await read_body(request, headers, desk.limits.hook_bytes, desk.limits, room_of(request))
        verified = await _verified(mounted, request, headers, body, desk.public_url)
        if verified.subscribe_url is not None:
            await _confirmed(mounted, verified.subscribe_url)
        intake = intake_of(mounted.hook.tenant, source, verified.channel, mounted.hook.from_domain)
        content_type = headers.get("content-type")

        def prepare(keys: TenantKeys | None) -> tuple[DocumentReceived, Record]:
            return intake.prepare(body, None, content_type, keys=keys)

        with sealing(desk.limits):
            document, record = await desk.keys.given(prepare, off_loop=len(body) > INLINE_LIMIT)
        await desk.appending.append({"documents": [record]})
        metrics.INTAKE_BYTES.add(len(body), "hooks")
        return answer({"receipt_id": document.receipt_id})

    @router.head("/hooks/{source}/{token}", name="hooks", include_in_schema=False)
    async def exists(source: str, token: str, request: Request) -> Response:
        """Mandrill asks so whether a URL is there before it takes it."""
        _found(desk.hooks, source, token)
        return Response()

    return router


def _intake(
    intake: DocumentIntake, tenant: str, source: str, channel: str, from_domain: str | None
) -> DocumentIntake:
    return replace(
        intake, tenant=tenant, source=source, channel=channel, from_domain=from_domain or intake.from_domain
    )


def _found(hooks: HookFile, source: str, token: str) -> Mounted:
    try:
        mounted = hooks.find(source, token)
    except HookUnusable:
        raise Refused(
            503, "hook_unusable", "this hook can't be used as it is configured: nothing was kept, come again; mailwake "
            "hooks list and the intake's log say what is wrong", retry_after=SECOND_CHANCE_S,
        ) from None  # fmt: skip
    if mounted is None:
        raise Refused(404, "no_such_hook", "there is no such hook: mailwake hooks add makes one")
    return mounted


async def _verified(
    mounted: Mounted, request: Request, headers: Mapping[str, str], body: bytes, public_url: str | None
) -> Verified:
    hook, client = mounted.hook, request.scope.get("client")
    signed = SignedRequest(
        headers=headers,
        body=body,
        now_ms=now_ms(),
        urls=_called(request, public_url) if hook.provider == "mandrill" else (),
        peer=client[0] if client else None,
    )
    try:
        if len(body) > INLINE_LIMIT or mounted.verifier.waits(signed):
            return await run_in_threadpool(mounted.verifier.verify, signed)
        if not mounted.verifier.laborious:
            return mounted.verifier.verify(signed)
        # What came together is verified in a row, and goes on together: the tables of the arithmetic and all the rest
        # would drive each other out of the processor's cache with every request.
        await asyncio.sleep(0)
        verified = mounted.verifier.verify(signed)
        await asyncio.sleep(0)
        return verified
    except SignatureRefused as refused:
        metrics.INTAKE_SIGNATURES_REFUSED.add(1, hook.provider, refused.reason)
        _SELDOM.warning(
            f"{hook.name} {refused.reason}",
            "hook %s (%s): refused, %s: %s",
            hook.name,
            hook.provider,
            refused.reason,
            refused,
        )
        if isinstance(refused, NotJson):
            raise Refused(
                400, "not_json", f"the body is no JSON, as {hook.provider} posts it: nothing was kept"
            ) from None
        raise Refused(
            refused.status,
            f"signature_{refused.reason}",
            "who sent this is not proved: nothing was kept",
            headers={"WWW-Authenticate": "Basic"} if refused.status == 401 else None,
        ) from None
    except CertificateUnavailable as error:
        _SELDOM.warning(hook.name, "hook %s (%s): %s", hook.name, hook.provider, error)
        raise Refused(
            503, "certificate_unavailable", "the signature can't be checked now: nothing was kept, come again",
            retry_after=SECOND_CHANCE_S,
        ) from None  # fmt: skip


def _called(request: Request, public_url: str | None) -> tuple[str, ...]:
    """What the request says it was sent to, and, where proxies say something else, what was printed for the provider."""
    asked = str(request.url)
    if public_url is None:
        return (asked,)
    return asked, f"{public_url.rstrip('/')}{request.url.path}"


async def _confirmed(mounted: Mounted, url: str) -> None:
    try:
        await run_in_threadpool(confirm, url)
    except NotConfirmed as error:
        logger.warning("hook %s: the subscription is not confirmed: %s", mounted.hook.name, error)
        raise Refused(
            503, "not_confirmed", "the subscription could not be confirmed: nothing was kept, come again",
            retry_after=SECOND_CHANCE_S,
        ) from None  # fmt: skip
    logger.info("hook %s: a subscription was confirmed", mounted.hook.name)
