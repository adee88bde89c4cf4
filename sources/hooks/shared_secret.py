"""What a request must bring besides, or instead of, a signature: a password, a header, a network.

For providers that sign nothing: Postmark, SparkPost, Mailjet, Brevo; and for EventBridge and SNS's raw delivery.
"""

import base64
import binascii
import hmac
from ipaddress import ip_address

from sources.hooks.configured import Hook
from sources.hooks.signature import AtOnce, Channel, SignatureRefused, SignedRequest, Verified


def check_shared(hook: Hook, request: SignedRequest) -> bool:
    """Whether the request brought a secret of the hook; False where the hook has none. Raises SignatureRefused.

    Networks are checked as well. Both secrets must be right where the hook has both.
    """
    _check_network(hook, request)
    proved = False
    if hook.basic is not None:
        _check_basic(hook.basic, request.headers.get("authorization"))
        proved = True
    if hook.header is not None and hook.header_value is not None:
        given = request.headers.get(hook.header)
        if given is None:
            raise SignatureRefused("missing", f"no header {hook.header}")
        if not same(given.encode(), hook.header_value.encode()):
            raise SignatureRefused("mismatch", f"header {hook.header} is not what was agreed")
        proved = True
    return proved


def same(one: bytes, other: bytes) -> bool:
    """Whether two secrets are the same, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(one, other)


def _check_basic(expected: str, authorization: str | None) -> None:
    if authorization is None:
        raise SignatureRefused("missing", "no basic authentication")
    scheme, _, coded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise SignatureRefused("missing", "an authorization that is not basic")
    try:
        given = base64.b64decode(coded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureRefused("malformed", "basic authentication that is no base64") from None
    if not same(given, expected.encode()):
        raise SignatureRefused("mismatch", "another user or password")


def _check_network(hook: Hook, request: SignedRequest) -> None:
    if not hook.networks:
        return
    try:
        peer = ip_address(request.peer or "")
    except ValueError:
        raise SignatureRefused("network", "where it came from is not known") from None
    peer = getattr(peer, "ipv4_mapped", None) or peer
    if not any(peer in network for network in hook.networks):
        raise SignatureRefused("network", f"{peer} is in none of the hook's networks")


class SharedSecretVerifier(AtOnce):
    """For a provider that signs nothing: whoever knows the hook's URL, and its secret."""

    def __init__(self, hook: Hook, channel: Channel = "hook") -> None:
        self._hook, self._channel = hook, channel

    def verify(self, request: SignedRequest) -> Verified:
        """Raises SignatureRefused."""
        if not check_shared(self._hook, request) and not self._hook.unsigned:
            raise SignatureRefused("missing", "this hook has no secret to prove anything with")
        return Verified(self._channel)
