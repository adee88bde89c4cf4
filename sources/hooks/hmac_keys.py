"""Providers that sign with a key both sides know: Mailgun, Resend (Svix), Mandrill, MailerSend, Mailtrap."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl

import orjson

from sources.hooks.configured import Hook, WrongSetting
from sources.hooks.freshness import MAILGUN_TOLERANCE_SECONDS, TOLERANCE_SECONDS, UsedTokens, check_fresh
from sources.hooks.shared_secret import check_shared
from sources.hooks.signature import AtOnce, NotJson, SignatureRefused, SignedRequest, Verified

MOST_FIELDS = 10_000
"""Fields of a form: Mandrill posts one."""


def required_header(request: SignedRequest, name: str) -> str:
    """The header's value. Raises SignatureRefused."""
    value = request.headers.get(name)
    if not value:
        raise SignatureRefused("missing", f"no header {name}")
    return value


def is_one_of(signature: bytes, right: Iterable[bytes]) -> bool:
    """Whether a signature is any of those; each is compared in constant time, and all of them."""
    found = False
    for each in right:
        found |= hmac.compare_digest(signature, each)
    return found


def seconds(text: object) -> int:
    """A time in whole seconds since the epoch, in ms. Raises SignatureRefused."""
    digits = str(text) if isinstance(text, str | int) and not isinstance(text, bool) else ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 11):
        raise SignatureRefused("malformed", "a signature's time that is no number of seconds")
    return int(digits) * 1000


class MailgunVerifier(AtOnce):
    """HMAC-SHA256 over timestamp and token, in the body: `signature`, or `parent-signature` by the parent account's key.

    The signature does not cover the events, so a token is good for one content only.
    https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
    """

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._tolerance = hook.tolerance_seconds or MAILGUN_TOLERANCE_SECONDS
        self._ahead = hook.tolerance_seconds or TOLERANCE_SECONDS
        self._used = UsedTokens()

    def verify(self, request: SignedRequest) -> Verified:
        """Raises SignatureRefused."""
        check_shared(self._hook, request)
        signature, told = _mailgun_body(request.body)
        token, code = signature.get("token"), signature.get("signature")
        if not (isinstance(token, str) and 0 < len(token) <= 256 and isinstance(code, str)):
            raise SignatureRefused("malformed", "a signature without token or signature")
        signed_at = seconds(signature.get("timestamp"))
        signed = f"{signature['timestamp']}{token}".encode()
        right = [hmac.new(key.encode(), signed, "sha256").hexdigest().encode() for key in self._hook.keys]
        parents = signature.get("parent-signature")
        given = (code, parents) if isinstance(parents, str) else (code,)
        if not any(is_one_of(each.lower().encode(), right) for each in given):
            raise SignatureRefused("mismatch", "another signing key, or another content")
        check_fresh(signed_at, request.now_ms, self._tolerance, self._ahead)
        kept_for = (self._tolerance + self._ahead) * 1000
        self._used.use(token, hashlib.sha256(told).digest(), request.now_ms, kept_for)
        return Verified(signed_at=signed_at)


def _mailgun_body(body: bytes) -> tuple[dict[str, object], bytes]:
    """What signs, and the rest of the body, which the signature does not cover."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotJson from None
    signature = document.get("signature") if isinstance(document, dict) else None
    if not isinstance(signature, dict):
        raise SignatureRefused("missing", "no signature in the body")
    rest = {name: value for name, value in document.items() if name != "signature"}
    return signature, orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)


class SvixVerifier(AtOnce):
    """Resend, by Svix: HMAC-SHA256 over id, timestamp and body; a request can bear several signatures.

    https://docs.svix.com/receiving/verifying-payloads/how-manual
    """

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._keys = tuple(_svix_key(hook, key) for key in hook.keys)
        self._tolerance = hook.tolerance_seconds or TOLERANCE_SECONDS

    def verify(self, request: SignedRequest) -> Verified:
        """Raises SignatureRefused."""
        check_shared(self._hook, request)
        delivery, when, signatures = (
            _either(request, f"svix-{name}", f"webhook-{name}") for name in ("id", "timestamp", "signature")
        )
        signed = b".".join((delivery.encode(), when.encode(), request.body))
        right = [base64.b64encode(hmac.digest(key, signed, "sha256")) for key in self._keys]
        given = (code for version, _, code in _signatures(signatures) if version == "v1")
        if not any(is_one_of(code.encode(), right) for code in given):
            raise SignatureRefused(
                "mismatch", "none of its signatures is of this hook's keys and this content"
            )
        signed_at = seconds(when)
        check_fresh(signed_at, request.now_ms, self._tolerance)
        return Verified(signed_at=signed_at, delivery_id=delivery[:256])


def _signatures(text: str) -> Iterator[tuple[str, str, str]]:
    return (each.partition(",") for each in text.split(" ", 32)[:32])


def _either(request: SignedRequest, name: str, other: str) -> str:
    return request.headers.get(other) or required_header(request, name)


def _svix_key(hook: Hook, key: str) -> bytes:
    try:
        return base64.b64decode(key.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise WrongSetting(hook.name, "{keys} wants whsec_ and base64, as Resend shows it") from None


class MandrillVerifier(AtOnce):
    """HMAC-SHA1, base64, over the hook's URL and the form's fields in the order of their names.

    The URL is the one that Mandrill was given, a user and password in it too.

    https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/#authenticating-webhook-requests
    """

    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def verify(self, request: SignedRequest) -> Verified:
        """Raises SignatureRefused."""
        check_shared(self._hook, request)
        signature = required_header(request, "x-mandrill-signature")
        told = "".join(name + value for name, value in sorted(_form(request.body)))
        urls = [self._hook.url] if self._hook.url else [*request.urls]
        if self._hook.basic:
            urls += [url.replace("://", f"://{self._hook.basic}@", 1) for url in urls]
        right = [
            base64.b64encode(hmac.digest(key.encode(), (each + told).encode(), "sha1"))
            for key in self._hook.keys
            for each in urls
        ]
        if not is_one_of(signature.encode(), right):
            raise SignatureRefused(
                "mismatch", "another key, another content, or the hook's `url` is another one"
            )
        return Verified()


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), True, strict_parsing=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise SignatureRefused("malformed", "a body that is no form") from None


class _HexOfBody(AtOnce):
    """HMAC-SHA256 over the raw body, in hex digits, in a header of its own."""

    header = ""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def verify(self, request: SignedRequest) -> Verified:
        """Raises SignatureRefused."""
        check_shared(self._hook, request)
        signature = required_header(request, self.header)
        right = (
            hmac.new(key.encode(), request.body, "sha256").hexdigest().encode() for key in self._hook.keys
        )
        if not is_one_of(signature.lower().encode(), right):
            raise SignatureRefused("mismatch", "another signing secret, or another content")
        return Verified()


class MailerSendVerifier(_HexOfBody):
    """https://developers.mailersend.com/api/v1/webhooks.html#security ; no time is signed."""

    header = "signature"


class MailtrapVerifier(_HexOfBody):
    """https://docs.mailtrap.io/email-api-smtp/advanced/webhooks ; no time is signed."""

    header = "mailtrap-signature"
