"""Who may do what: the key that a request brings, or, on one's own machine before there is any key, nobody's."""

from dataclasses import dataclass
from ipaddress import ip_address

from starlette.requests import Request

from sources.intake.hook_file import HookFile
from sources.intake.kept_file import TooOld
from sources.intake.keys import SCOPES, Caller, KeyFile, Scope
from sources.intake.refusal import Refused

_FORWARDED = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "via",
    "origin",
    "sec-fetch-site",
)
"""What proxies and browsers add: whoever sends it is not a program on this machine that means us."""


@dataclass(frozen=True, slots=True)
class Access:
    """Judges requests.

    `open_tenant` is the tenant of requests without a key, None where there are none: the intake listens to this machine
    only. They are taken from this machine, as long as neither a key nor a hook was ever there; who makes a hook is about to
    let the world in, by a proxy that is on this machine too.
    """

    keys: KeyFile
    hooks: HookFile
    open_tenant: str | None = None

    def require(self, request: Request, scope: Scope) -> Caller:
        """Who sends it.

        Raises Refused: 401 without a good key, 403 for one that may not do this, 503 where keys can't be looked up.
        """
        authorization = request.headers.get("authorization")
        try:
            caller = self._without_key(request) if authorization is None else self._with_key(authorization)
        except TooOld:
            raise Refused(
                503, "keys_away", "keys can't be looked up now: nothing was kept, come again", retry_after=2
            ) from None
        if scope not in caller.scopes:
            raise Refused(403, "wrong_scope", f"this key may not do that: it wants the scope {scope}")
        return caller

    def _with_key(self, authorization: str) -> Caller:
        scheme, _, token = authorization.partition(" ")
        caller = self.keys.caller(token.strip()) if scheme.lower() == "bearer" else None
        if caller is None:
            raise _unauthorized("no key of this mailwake, or one that was revoked")
        return caller

    def _without_key(self, request: Request) -> Caller:
        if self.open_tenant is None:
            raise _unauthorized("a key is wanted: mailwake keys create makes one")
        if self.keys.keys() or self.hooks.hooks() or self.keys.was_used or self.hooks.was_used:
            raise _unauthorized(
                "a key is wanted, now that there are keys or hooks: mailwake keys create makes one"
            )
        if not _is_own(request):
            raise _unauthorized(
                "without a key only programs on this machine are heard: mailwake keys create makes one"
            )
        return Caller(self.open_tenant, frozenset(SCOPES))


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_own(request: Request) -> bool:
    peer = request.client.host if request.client else ""
    named = request.url.hostname or ""
    headers = request.headers
    return is_loopback(peer) and is_loopback(named) and not any(name in headers for name in _FORWARDED)


def _unauthorized(why: str) -> Refused:
    return Refused(
        401,
        "unauthorized",
        f"{why}. Send it as Authorization: Bearer mwk_...",
        headers={"WWW-Authenticate": "Bearer"},
    )
