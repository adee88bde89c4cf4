"""Providers that sign with a key of their own: SendGrid (ECDSA) and Postal (RSA)."""

import base64
import binascii
from typing import TYPE_CHECKING

from sources.hooks.configured import Hook, InvalidHook
from sources.hooks.freshness import TOLERANCE_SECONDS, check_fresh
from sources.hooks.hmac_keys import required_header, seconds
from sources.hooks.shared_secret import check_shared
from sources.hooks.signature import SignatureRefused, SignedRequest, Verified

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


def decoded(signature: str) -> bytes:
    """A signature's bytes from base64. Raises SignatureRefused."""
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureRefused("malformed", "a signature that is no base64") from None


def _public_key(hook: Hook, key: str) -> "PublicKeyTypes":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

    try:
        if "-----BEGIN" in key:
            return load_pem_public_key(key.encode())
        return load_der_public_key(base64.b64decode("".join(key.split()), validate=True))
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidHook(f"hook {hook.name}: keys wants a public key, in base64 or PEM") from None


class SendGridVerifier:
    """ECDSA with SHA-256 over the timestamp's text and the raw body.

    https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
    """

    waits = False

    def __init__(self, hook: Hook) -> None:
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

        self._hook = hook
        self._tolerance = hook.tolerance_seconds or TOLERANCE_SECONDS
        self._keys: list[EllipticCurvePublicKey] = []
        for text in hook.keys:
            key = _public_key(hook, text)
            if not isinstance(key, EllipticCurvePublicKey):
                raise InvalidHook(
                    f"hook {hook.name}: keys wants an elliptic curve's key, as SendGrid shows it"
                )
            self._keys.append(key)

    def verify(self, request: SignedRequest) -> Verified:
        """Raises SignatureRefused."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        check_shared(self._hook, request)
        signature = decoded(required_header(request, "x-twilio-email-event-webhook-signature"))
        when = required_header(request, "x-twilio-email-event-webhook-timestamp")
        signed_at = seconds(when)
        for key in self._keys:
            try:
                key.verify(signature, when.encode() + request.body, ECDSA(SHA256()))
            except InvalidSignature:
                continue
            check_fresh(signed_at, request.now_ms, self._tolerance)
            return Verified(signed_at=signed_at)
        raise SignatureRefused("mismatch", "another verification key, or another content")


class PostalVerifier:
    """RSA over the raw body: SHA-256 where the request bears such a signature, else SHA-1 as older releases sign.

    https://docs.postalserver.io/developer/webhooks ; no time is signed.
    """

    waits = False

    def __init__(self, hook: Hook) -> None:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

        self._hook = hook
        self._keys: list[RSAPublicKey] = []
        for text in hook.keys:
            key = _public_key(hook, text)
            if not isinstance(key, RSAPublicKey):
                raise InvalidHook(
                    f"hook {hook.name}: keys wants an RSA key, as `postal default-dkim-record` shows it"
                )
            self._keys.append(key)

    def verify(self, request: SignedRequest) -> Verified:
        """Raises SignatureRefused."""
        from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

        check_shared(self._hook, request)
        hashing: HashAlgorithm = SHA256()
        signature = request.headers.get("x-postal-signature-256")
        if not signature:
            hashing, signature = SHA1(), required_header(request, "x-postal-signature")
        if not any(is_signed(key, decoded(signature), request.body, hashing) for key in self._keys):
            raise SignatureRefused("mismatch", "another server's key, or another content")
        return Verified()


def is_signed(key: "RSAPublicKey", signature: bytes, content: bytes, hashing: object) -> bool:
    """Whether an RSA key (PKCS #1 v1.5) signed the content."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    try:
        key.verify(signature, content, PKCS1v15(), hashing)  # type: ignore[arg-type]
    except InvalidSignature:
        return False
    return True
