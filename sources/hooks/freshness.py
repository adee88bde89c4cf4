"""Whether a signature is of now: an old one that somebody kept must open nothing."""

import threading
from collections import OrderedDict

from sources.hooks.signature import SignatureRefused

TOLERANCE_SECONDS = 300
"""Five minutes, as Svix's libraries have it; also what Stripe made customary."""
SNS_TOLERANCE_SECONDS = 3600
"""SNS comes again for up to an hour with the signature of the first time (HTTP delivery policy: 3,600 s at most)."""
MAILGUN_TOLERANCE_SECONDS = 8 * 3600
"""Mailgun comes again after 5, 10 and 15 minutes, 1, 2 and 4 hours, with the signature of the first time: a shorter
window would lose whatever was not taken at once.

https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-retries
"""


def check_fresh(
    signed_at: int, now_ms: int, tolerance_seconds: int, ahead_seconds: int | None = None
) -> None:
    """Raises SignatureRefused when a signature is older than it may be, or further ahead: as far, unless that is said."""
    when, tolerated = "before", tolerance_seconds
    if signed_at > now_ms:
        when, tolerated = "ahead of", tolerance_seconds if ahead_seconds is None else ahead_seconds
    away = abs(now_ms - signed_at)
    if away > tolerated * 1000:
        raise SignatureRefused("stale", f"signed {away // 1000} s {when} now, tolerated are {tolerated} s")


class UsedTokens:
    """Which tokens were used, and for what: bounded by number and by age. Safe from several threads.

    The same token for the same content is a retry, and harmless where ids make a repeated fact one fact. For other
    content it is a signature that was taken from elsewhere.
    """

    def __init__(self, at_most: int = 200_000) -> None:
        self._at_most = at_most
        self._lock = threading.Lock()
        self._used: OrderedDict[str, tuple[int, bytes]] = OrderedDict()

    def use(self, token: str, content_hash: bytes, now_ms: int, keep_ms: int) -> None:
        """Raises SignatureRefused when the token was used for other content within `keep_ms`."""
        with self._lock:
            while self._used:
                oldest = next(iter(self._used))
                if len(self._used) <= self._at_most and self._used[oldest][0] >= now_ms - keep_ms:
                    break
                del self._used[oldest]
            before = self._used.setdefault(token, (now_ms, content_hash))
        if before[1] != content_hash:
            raise SignatureRefused("replayed", "its token was used before, for something else")
