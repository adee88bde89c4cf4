"""The contract of whatever judges a webhook before its body is kept.

    verifier = verifier_of(hook)                  # once per configured hook; it remembers what it must
    verified = verifier.verify(request)           # SignatureRefused: answer its status, keep nothing, count its reason
                                                  # CertificateUnavailable: answer 503, the provider comes again

`verify` computes; only where `waits` says so may it fetch a certificate first: call it in a thread then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Channel = Literal["hook", "sns", "eventbridge"]
"""The `channel` of the document that the body becomes."""

Refusal = Literal[
    "missing", "malformed", "mismatch", "stale", "replayed", "host", "certificate", "topic", "network"
]
"""Why a request was refused, in a word: few enough for a metric's label."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What of a request a signature can be about."""

    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """The raw body, exactly as it came."""
    now_ms: int
    """When it came, by our clock."""
    urls: tuple[str, ...] = ()
    """What the provider may have called the URL: Mandrill signs that. The hook's own `url` goes before them."""
    peer: str | None = None
    """The IP address it came from, where a hook lists networks."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A request that is who it says it is."""

    channel: Channel = "hook"
    signed_at: int | None = None
    """When it was signed, ms, where the signature covers a time."""
    delivery_id: str | None = None
    """The provider's id of this delivery (svix-id, SNS MessageId), where it has one."""
    subscribe_url: str | None = None
    """SNS asks whether this endpoint wants the topic: GET this (host already checked) to say yes; without following
    redirects."""


class SignatureRefused(Exception):
    """A request that nobody should believe; its message is for the log and holds no secret."""

    def __init__(self, reason: Refusal, detail: str) -> None:
        self.reason: Refusal = reason
        self.status: Literal[401, 403] = 401 if reason == "missing" else 403
        super().__init__(detail)


class NotJson(SignatureRefused):
    """A body that is no JSON, where whoever signs says so in it: it is not of that provider."""

    def __init__(self) -> None:
        super().__init__("malformed", "a body that is no JSON")


class CertificateUnavailable(Exception):
    """The certificate that a signature needs can't be had now: nobody's fault, and worth trying again."""


class AtOnce:
    """What a verifier is that has all it needs."""

    laborious = False

    def waits(self, request: SignedRequest) -> bool:
        """See `Verifier.waits`."""
        return False


class Verifier(Protocol):
    """Judges the requests of one configured hook."""

    laborious: bool
    """Whether `verify` is mostly arithmetic with large numbers: quicker several times in a row than in between."""

    def waits(self, request: SignedRequest) -> bool:
        """Whether `verify` of this request may have to wait for a certificate to be fetched."""
        ...

    def verify(self, request: SignedRequest) -> Verified:
        """Raises SignatureRefused, CertificateUnavailable. Compares in constant time; safe from several threads."""
        ...
