"""A webhook's body as its provider documents it, and what it tells, spelled out."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from processors.origin import Origin
from processors.webhooks.read import HookReading, read_webhook
from schemas.recipient import InvalidAddress, recipient_hash

KEY = b"a tenant's key"
JO = "Jo.Doe@Gmail.com"
JO_HASH = recipient_hash(KEY, JO)
ANN = "ann@example.org"
ANN_HASH = recipient_hash(KEY, ANN)
RECEIVED = 1_767_700_000_000
RECORDED = 1_767_700_000_321
URL = "https://shop.example/sale?who=jo"
URL_HASH = "8ac64ca192301403865186e76c2cd7159f9b3ea365c03247e73114fd11a2966d"
AGENT = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"


def hashed(address: str) -> str | None:
    try:
        return recipient_hash(KEY, address)
    except InvalidAddress:
        return None


def origin(provider: str, channel: str = "hook") -> Origin:
    return Origin("acme", provider, channel, RECEIVED, RECORDED, hashed)


def read(provider: str, body: Any, channel: str = "hook") -> HookReading:
    return read_webhook(provider, as_bytes(body), origin(provider, channel))


def as_bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def form(events: Any) -> bytes:
    return b"mandrill_events=" + quote_plus(json.dumps(events)).encode()


@dataclass(frozen=True)
class Case:
    name: str
    body: Any
    told: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Record and the fields that matter, for each event in order."""
    ignored: int = 0


def case(name: str, body: Any, *told: tuple[str, dict[str, Any]], ignored: int = 0) -> Case:
    return Case(name, body, told, ignored)
