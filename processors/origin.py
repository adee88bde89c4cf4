"""Where the events in a document come from: whose they are, who says so, and when it came."""

from collections.abc import Callable
from dataclasses import dataclass

Hashed = Callable[[str], str | None]
"""An address to its `recipient_hash` by the tenant's key; None for what is no address, or where the key is gone."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What every event that is read out of a document takes from it."""

    tenant: str
    source: str
    """Who says so: ses, postmark, mail."""
    channel: str | None
    """How it came: hook, sns, folder, upload."""
    occurred_at: int
    """When the document came, ms: the time of what gives no time of its own."""
    recorded_at: int
    """When the document was appended, ms: the time of record of everything derived from it."""
    hashed: Hashed
