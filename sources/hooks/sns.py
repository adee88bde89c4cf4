"""SES by Amazon SNS, whose messages are signed, and by what is not: EventBridge and SNS's raw delivery.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from datetime import datetime

import orjson

from schemas.record import millis_of
from sources.hooks.certificates import Certificates, is_sns_url
from sources.hooks.configured import Hook
from sources.hooks.freshness import SNS_TOLERANCE_SECONDS, check_fresh
from sources.hooks.public_keys import decoded, is_signed, rsa_with
from sources.hooks.shared_secret import check_shared
from sources.hooks.signature import Channel, NotJson, SignatureRefused, SignedRequest, Verified

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED: dict[str, tuple[str, ...]] = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
"""The fields that are signed, in this order; one that a message lacks is left out."""

_HASHES = {"1": "SHA1", "2": "SHA256"}
"""By SignatureVersion."""


class AmazonVerifier:
    """SNS by its X.509 signature (versions 1 and 2); EventBridge and raw delivery by the hook's shared secret.

    Where a hook has a shared secret, SNS's messages must bring it too: put it into the subscription's URL.
    """

    laborious = False

    def __init__(self, hook: Hook, certificates: Certificates) -> None:
        self._hook, self._certificates = hook, certificates
        self._tolerance = hook.tolerance_seconds or SNS_TOLERANCE_SECONDS

    def waits(self, request: SignedRequest) -> bool:
        """See `Verifier.waits`."""
        try:
            message = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            return False
        url = message.get("SigningCertURL") if isinstance(message, dict) else None
        return isinstance(url, str) and not self._certificates.is_kept(url, request.now_ms)

    def verify(self, request: SignedRequest) -> Verified:
        """Raises SignatureRefused, CertificateUnavailable."""
        proved = check_shared(self._hook, request)
        try:
            message = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            raise NotJson from None
        if isinstance(message, dict) and "SigningCertURL" in message and "Signature" in message:
            return self._signed(message, request.now_ms)
        if not proved and not self._hook.unsigned:
            what = "EventBridge's and raw messages are not signed: give the hook header and header_value, or basic"
            raise SignatureRefused("missing", what)
        is_bridge = isinstance(message, list) or (isinstance(message, dict) and "detail-type" in message)
        channel: Channel = "eventbridge" if is_bridge else "sns"
        return Verified(channel)

    def _signed(self, message: dict[str, object], now_ms: int) -> Verified:
        kind = message.get("Type")
        names = SIGNED.get(kind) if isinstance(kind, str) else None
        if names is None:
            raise SignatureRefused("malformed", "a message of no type that SNS has")
        version = message.get("SignatureVersion")
        if not isinstance(version, str) or version not in _HASHES:
            raise SignatureRefused("malformed", "a signature of no version that SNS has")
        topic = _text(message, "TopicArn")
        if self._hook.topic_arns and topic not in self._hook.topic_arns:
            raise SignatureRefused("topic", "a topic that is not among the hook's topic_arns")
        key = self._certificates.key_at(_text(message, "SigningCertURL"), now_ms)
        signed = "".join(
            f"{name}\n{_text(message, name)}\n" for name in names if message.get(name) is not None
        )
        if not is_signed(
            key, decoded(_text(message, "Signature")), signed.encode(), rsa_with(_HASHES[version])
        ):
            raise SignatureRefused("mismatch", "its signature is not of this content")
        signed_at = _millis(_text(message, "Timestamp"))
        check_fresh(signed_at, now_ms, self._tolerance)
        return Verified("sns", signed_at, _text(message, "MessageId")[:256], _subscribe_url(message, kind))


def _text(message: dict[str, object], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise SignatureRefused("malformed", f"{name} is missing, or no text")
    return value


def _millis(timestamp: str) -> int:
    try:
        return millis_of(datetime.fromisoformat(timestamp))
    except ValueError:
        raise SignatureRefused("malformed", "a Timestamp that is no time") from None


def _subscribe_url(message: dict[str, object], kind: object) -> str | None:
    if kind != "SubscriptionConfirmation":
        return None
    url = _text(message, "SubscribeURL")
    if not is_sns_url(url):
        raise SignatureRefused("host", "a SubscribeURL that is not at one of SNS's own hosts")
    return url
