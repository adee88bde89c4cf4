"""An event's recipient as producers write it, in clear, to what is kept of it: a keyed hash and a domain.

Whoever takes events from outside (the Emitter, `mailwake emit`, the HTTP intake) calls `with_recipient_hashed` on the
fields of each before it makes the event. The models have no field for an address, so one that was not taken out is
refused, never kept.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from processors.classification.providers import provider_of
from schemas.keyring import TenantKeys
from schemas.mail import MAIL_EVENTS, MailEvent
from schemas.mailbox import mailed
from schemas.recipient import InvalidAddress, normalised, recipient_hash
from schemas.record import Event, InvalidEvent
from streams.keyring.keyring import writing_keys

_OF_MAIL = frozenset(record.__name__ for record in MAIL_EVENTS)

RECIPIENT = "recipient"
"""The name of the field that holds an address in clear."""

_QUOTES_NONE = frozenset({"type", "tenant", "event_id", "recipient_hash", "recipient_domain"})
"""Where no recipient can stand. Anywhere else: a key made of message and recipient is one of message and hash then."""


def with_recipient_hashed(
    fields: Mapping[str, Any], keys: TenantKeys | None, tenant: str = "default"
) -> Mapping[str, Any]:
    """The fields of an event with `recipient` replaced by `recipient_hash` and `recipient_domain`, and `provider` if absent.

    `tenant` is that of fields which name none. Fields without a `recipient` come back as they are. Raises InvalidEvent,
    which does not repeat the address, for what is no address, or where a hash is given as well that is another;
    TenantForgotten; KeyringUnavailable (wait); InvalidEvent where there are no keys (None) to hash it with.
    """
    if RECIPIENT not in fields:
        return fields
    rest = {name: value for name, value in fields.items() if name != RECIPIENT}
    address = fields[RECIPIENT]
    if address is None:
        return rest
    record = str(fields.get("type", "event"))[:64]
    if not isinstance(address, str):
        raise InvalidEvent(record, RECIPIENT, type(address).__name__, "an address, as text")
    try:
        address = mailed(address)
        domain = normalised(address).rpartition("@")[2]
    except InvalidAddress as error:
        wants = f"the address that was mailed, or no {RECIPIENT} where none is known: {error}"
        raise InvalidEvent(record, RECIPIENT, "what is not shown here", wants) from None
    if keys is None:
        raise InvalidEvent(
            record,
            RECIPIENT,
            "an address",
            "recipient_hash in its place: there is no keyring here to hash it with",
        )
    whose = fields.get("tenant", tenant)
    if not isinstance(whose, str):
        raise InvalidEvent(record, "tenant", whose, "a tenant's name, as text")
    hashed = recipient_hash(writing_keys(keys, whose)[0], address)
    if rest.get("recipient_hash") not in (None, hashed):
        raise InvalidEvent(
            record, "recipient_hash", rest["recipient_hash"], "the hash of its recipient, or none"
        )
    known = {"recipient_hash": hashed, "recipient_domain": rest.get("recipient_domain") or domain}
    if rest.get("provider") is None and record in _OF_MAIL:
        mx_host = rest.get("mx_host")
        known["provider"] = provider_of(mx_host if isinstance(mx_host, str) else None, domain)
    return {**_without(address, hashed, rest), **known}


def refuse_clear_hash(event: Event) -> None:
    """Raises InvalidEvent for an event whose hash of the recipient is an address."""
    if isinstance(event, MailEvent) and "@" in (event.recipient_hash or ""):
        raise InvalidEvent(
            type(event).__name__,
            "recipient_hash",
            "what is not shown here",
            f"the keyed hash of an address; an address itself goes under {RECIPIENT}, and is hashed",
        )


def _without(address: str, hashed: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the address replaced by its hash in every text; in a server's words by `<address>`."""
    local, domains = _parts(address)
    clean = dict(fields)
    for name, value in fields.items():
        if not isinstance(value, str) or name in _QUOTES_NONE:
            continue
        lower = value.lower()
        if local in lower and any(domain in lower for domain in domains):
            instead = "<address>" if name == "response" else hashed
            clean[name] = _written(address).sub(instead, value).replace("<<address>>", "<address>")
    return clean


def _parts(address: str) -> tuple[str, tuple[str, ...]]:
    """The local part without its quotes, and each form of the domain, in lower case."""
    local, _, domain = address.lower().rpartition("@")
    return local.strip('"'), tuple(dict.fromkeys((domain, normalised(address).rpartition("@")[2])))


@lru_cache(maxsize=256)
def _written(address: str) -> re.Pattern[str]:
    """The address as texts have it: in any case, its local part quoted or not, its domain in either form, as VERP does."""
    local, domains = _parts(address)
    quote = r'(?:\\?")?'
    at, domain = r"(?:@|[=%](?:40)?|&#0*64;|&#x0*40;|\\u0040)", "|".join(map(re.escape, domains))
    return re.compile(f"{quote}{re.escape(local)}{quote}{at}(?:{domain})", re.IGNORECASE)
