"""Providers that sign with a key of their own: SendGrid (ECDSA) and Postal (RSA)."""

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple

from sources.hooks.configured import Hook, WrongSetting
from sources.hooks.freshness import TOLERANCE_SECONDS, check_fresh
from sources.hooks.hmac_keys import required_header, seconds
from sources.hooks.shared_secret import check_shared
from sources.hooks.signature import AtOnce, SignatureRefused, SignedRequest, Verified

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


def decoded(signature: str) -> bytes:
    """A signature's bytes from base64. Raises SignatureRefused."""
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureRefused("malformed", "a signature that is no base64") from None


def is_signed(key: Any, signature: bytes, content: bytes, how: tuple[Any, ...]) -> bool:
    """Whether a public key signed the content; `how` is what the key's `verify` wants to know besides."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, content, *how)
    except InvalidSignature:
        return False
    return True


class Signed(NamedTuple):
    """What a request says of its signature."""

    signature: bytes
    content: bytes
    """What is signed."""
    how: tuple[Any, ...]
    """As `is_signed` takes it."""
    at: int | None = None
    """When, ms, where the signature covers a time."""


class _PublicKeyVerifier(AtOnce):
    """A signature by any of the hook's public keys."""

    laborious = True
    wants = ""
    """Which key, for who configured another one."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._tolerance = hook.tolerance_seconds or TOLERANCE_SECONDS
        self._keys = [self._key(text) for text in hook.keys]

    def verify(self, request: SignedRequest) -> Verified:
        """Raises SignatureRefused."""
        check_shared(self._hook, request)
        signed = self.signed(request)
        if not any(is_signed(key, signed.signature, signed.content, signed.how) for key in self._keys):
            raise SignatureRefused("mismatch", "another key, or another content")
        if signed.at is not None:
            check_fresh(signed.at, request.now_ms, self._tolerance)
        return Verified(signed_at=signed.at)

    def takes(self, key: "PublicKeyTypes") -> bool:
        """Whether the provider signs with keys of this kind."""
        raise NotImplementedError

    def signed(self, request: SignedRequest) -> Signed:
        """Where the provider puts its signature, and what it signs. Raises SignatureRefused."""
        raise NotImplementedError

    def _key(self, text: str) -> "PublicKeyTypes":
        key = _public_key(self._hook, text)
        if not self.takes(key):
            raise WrongSetting(self._hook.name, "{keys} wants {wanted}", wanted=self.wants)
        return key


class SendGridVerifier(_PublicKeyVerifier):
    """ECDSA with SHA-256 over the timestamp's text and the raw body.

    https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
    """

    wants = "an elliptic curve's key, as SendGrid shows it"

    def __init__(self, hook: Hook) -> None:
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        super().__init__(hook)
        self._how = (ECDSA(SHA256()),)

    def takes(self, key: "PublicKeyTypes") -> bool:
        """Elliptic curves' keys."""
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

        return isinstance(key, EllipticCurvePublicKey)

    def signed(self, request: SignedRequest) -> Signed:
        """Raises SignatureRefused."""
        signature = decoded(required_header(request, "x-twilio-email-event-webhook-signature"))
        when = required_header(request, "x-twilio-email-event-webhook-timestamp")
        at = seconds(when)
        return Signed(signature, when.encode() + request.body, self._how, at)


class PostalVerifier(_PublicKeyVerifier):
    """RSA over the raw body: SHA-256 where the request bears such a signature, else SHA-1 as older releases sign.

    https://docs.postalserver.io/developer/webhooks ; no time is signed.
    """

    wants = "an RSA key, as `postal default-dkim-record` shows it"

    def takes(self, key: "PublicKeyTypes") -> bool:
        """RSA keys."""
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

        return isinstance(key, RSAPublicKey)

    def signed(self, request: SignedRequest) -> Signed:
        """Raises SignatureRefused."""
        signature = request.headers.get("x-postal-signature-256")
        if signature:
            return Signed(decoded(signature), request.body, rsa_with("SHA256"))
        return Signed(decoded(required_header(request, "x-postal-signature")), request.body, rsa_with("SHA1"))


def rsa_with(hashing: str) -> tuple[Any, ...]:
    """RSA (PKCS #1 v1.5) with this hash, SHA1 or SHA256, as `is_signed` takes it."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    return PKCS1v15(), getattr(hashes, hashing)()


def _public_key(hook: Hook, key: str) -> "PublicKeyTypes":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

    try:
        if "-----BEGIN" in key:
            return load_pem_public_key(key.encode())
        return load_der_public_key(base64.b64decode("".join(key.split()), validate=True))
    except (ValueError, UnsupportedAlgorithm):
        raise WrongSetting(hook.name, "{keys} wants a public key, in base64 or PEM") from None
