"""`Idempotency-Key`: what a request brings that has no id of its own is named by the request's key and by what it says.

The same again under the same key is the same, whatever else comes with it and in whatever order; another thing under the same
key is another, so a key that was used twice by mistake loses nothing.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping

from sources.intake.refusal import Refused

LONGEST_KEY = 256
"""Characters of an Idempotency-Key."""


class RequestKey:
    """A request's key, and what was named by it: one for each request."""

    def __init__(self, key: str) -> None:
        """The key goes by its hash: it is anybody's guess what is in it."""
        self._key = hashlib.sha256(key.encode()).digest()
        self._named: Counter[str] = Counter()

    def name(self, content: bytes, secret: bytes = b"") -> str:
        """What is named by what it says; the same thing twice in one request is two.

        Content that holds an address wants a secret: without it nobody can try a content against its name.
        """
        name = hmac.digest(secret, self._key + content, "sha256").hex()[:32]
        self._named[name] += 1
        return f"{name}-{self._named[name] - 1}"


def request_key(headers: Mapping[str, str]) -> str | None:
    """A request's key; None where it has none. Raises Refused."""
    given = headers.get("idempotency-key")
    if given is not None and not 1 <= len(given) <= LONGEST_KEY:
        raise Refused(400, "bad_key", f"Idempotency-Key: wants 1 to {LONGEST_KEY} characters")
    return given
