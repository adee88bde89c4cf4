"""A webhook's body to the events it tells, by its provider's table. Pure: the same body gives the same events.

A body is told whole: each event in it becomes events of ours, is passed over for a reason that its table gives, or is
not understood; one that can't be hurts no other.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from processors.classification.codes import enhanced_code_in, reply_code_in
from processors.classification.providers import provider_of
from processors.origin import Origin
from processors.webhooks.bodies import NotABody
from processors.webhooks.readings import RESPONSE, TEXT, Unreadable, domain
from processors.webhooks.tables import Event, Getter, Rule, Table, table_of
from schemas.mail import (
    MailEvent,
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    MessageDropped,
    MessageExpired,
    without_addresses,
)
from schemas.record import InvalidEvent

MOST_EVENTS = 50_000
"""Events in one body; providers stay far below."""
MOST_NAMED = 100
"""So many events are named one by one for what is wrong with them; how many more there are is counted."""
LONGEST_ID = 512
"""Characters of an id; longer ones, and what could hold an address, go by their hash."""
LONGEST_ADDRESS = 320
"""Characters: 64 of a local part, 255 of a domain (RFC 5321, 4.5.3.1)."""
_SHOWN = 64
_OF_SOMEBODY = frozenset({MessageDelivered, MessageDeferred, MessageBounced, MessageDropped, MessageExpired})
"""What is always of one recipient; of a message to several nobody may be able to tell who opened it, or complained."""
_AROUND_AT = re.compile(r"[^\s@]*@\S*")
"""What could be an address, or half of one: a type's name is none."""
_SEPARATOR = "/"
_WORDY = (
    "response",
    "user_agent",
    "campaign",
    "pool",
    "message_id",
    "provider_message_id",
    "region",
    "feedback_type",
)
"""Fields in which an address could stand."""


@dataclass(frozen=True, slots=True)
class HookReading:
    """What a webhook's body told."""

    events: tuple[MailEvent, ...] = ()
    """In the body's order."""
    not_understood: tuple[str, ...] = ()
    """For each event that was not: its place in the body, its type and what is wrong. No addresses."""
    warnings: tuple[str, ...] = ()
    """What was odd and put up with."""
    ignored: tuple[str, ...] = ()
    """For each event that is known and tells nothing of a message: its place, its type and why."""
    events_not_understood: int = 0
    """How many were not: beyond the first hundred they are not named one by one. A body that is none counts as one."""
    events_ignored: int = 0


class _Wrong(ValueError):
    """Why an event is not understood."""


def read_webhook(provider: str, content: bytes, origin: Origin) -> HookReading:
    """Everything a body tells. Raises KeyError where there is no such provider, and nothing for what a body holds."""
    table = table_of(provider)
    try:
        told = table.body(content)
    except NotABody as error:
        return HookReading(not_understood=(f"body: {error}",), events_not_understood=1)
    events: list[MailEvent] = []
    wrong: list[str] = []
    warnings: list[str] = []
    ignored: list[str] = []
    for index, event in enumerate(told[:MOST_EVENTS]):
        try:
            rule, kind = _rule_for(table, event)
            if rule.record is None:
                ignored.append(f"event {index}: {kind}: {rule.why}")
            else:
                events += _events(table, rule, kind, event, origin, warnings, index)
        except _Wrong as error:
            wrong.append(f"event {index}: {error}")
    if len(told) > MOST_EVENTS:
        wrong.append(f"events {MOST_EVENTS} to {len(told) - 1}: more than a body may hold")
    beyond = max(0, len(told) - MOST_EVENTS)
    return HookReading(
        tuple(events),
        _named(wrong),
        _named(warnings),
        _named(ignored),
        len(wrong) - bool(beyond) + beyond,
        len(ignored),
    )


def _named(told: list[str]) -> tuple[str, ...]:
    if len(told) <= MOST_NAMED:
        return tuple(told)
    return (*told[:MOST_NAMED], f"and {len(told) - MOST_NAMED} more like these")


def _rule_for(table: Table, event: Any) -> tuple[Rule, str]:
    if type(event) is not dict:
        raise _Wrong("it is no object")
    kind = table.type(event)
    if isinstance(kind, int) and not isinstance(kind, bool):
        kind = str(kind)
    if not isinstance(kind, str) or not kind:
        raise _Wrong(f"it names no type ({table.type_path})")
    rules = table.rules.get(kind)
    if rules is None:
        raise _Wrong(f"type {_shown(kind)} is unknown")
    for rule in rules:
        for get, test in rule.when:
            if not test(get(event)):
                break
        else:
            return rule, kind
    conditions = sorted({name for rule in rules for name in rule.written.get("when", {})})
    raise _Wrong(f"type {_shown(kind)} is unknown with such {', '.join(conditions)}")


def _shown(kind: str) -> str:
    return repr(_AROUND_AT.sub("<address>", kind[:256])[:_SHOWN])


def _events(
    table: Table, rule: Rule, kind: str, event: Event, origin: Origin, warnings: list[str], index: int
) -> list[MailEvent]:
    if rule.each is None:
        return [_event(table, rule, kind, event, origin, 0, warnings, index)]
    items = rule.each(event)
    if not isinstance(items, list):
        items = [] if items is None else [items]
    if not items:
        raise _Wrong(f"{kind}: {rule.written['each']} names nobody")
    return [
        _event(table, rule, kind, {**event, "@": item}, origin, place, warnings, index)
        for place, item in enumerate(items)
    ]


def _event(
    table: Table,
    rule: Rule,
    kind: str,
    event: Event,
    origin: Origin,
    place: int,
    warnings: list[str],
    index: int,
) -> MailEvent:
    fields: dict[str, Any] = dict(rule.constants)
    name = ""
    try:
        for field in rule.fields:
            name = field.name
            value = field.get(event)
            if value is not None and (value := field.read(value)) is not None:
                fields[name] = value
        name = "id"
        address = fields.pop("recipient", None)
        if address is None and rule.record in _OF_SOMEBODY:
            raise _Wrong(f"{kind}: it names no recipient ({_where(table, rule)})")
        recipient = origin.hashed(address) if address else None
        occurred_at = fields.get("occurred_at")
        key = _key(table, rule, kind, event, recipient, occurred_at, place)
    except Unreadable as error:
        raise _Wrong(f"{kind}: {name} wants {error}") from None
    if address:
        _about_recipient(fields, address, recipient)
        if "recipient_domain" not in fields:
            warnings.append(f"event {index}: {kind}: its recipient is no address")
    if (category := fields.pop("category", None)) is not None:
        _about_category(table, rule, fields, category)
    _clean(fields, address)
    _about_reply(rule, fields)
    fields["provider"] = provider_of(fields.get("mx_host"), fields.get("recipient_domain"))
    if occurred_at is None:
        fields["occurred_at"] = origin.occurred_at
    try:
        return rule.record(  # type: ignore[misc]
            tenant=origin.tenant,
            recorded_at=origin.recorded_at,
            source=origin.source,
            channel=origin.channel,
            source_event_id=key,
            **fields,
        )
    except InvalidEvent as error:
        raise _Wrong(f"{kind}: {error.record}.{error.field} wants {error.wants}") from None


def _where(table: Table, rule: Rule) -> str:
    spec: str = rule.written.get("fields", {}).get("recipient") or table.fields.get("recipient", "")
    return spec.partition(" as ")[0]


def _about_recipient(fields: dict[str, Any], address: str, recipient: str | None) -> None:
    if "@" not in address:
        return
    found = domain(address)
    if found is not None:
        fields["recipient_domain"] = found
        if recipient is not None:
            fields["recipient_hash"] = recipient


def _about_category(table: Table, rule: Rule, fields: dict[str, Any], category: str) -> None:
    """What the provider calls it stands for what the server said only where nobody says that."""
    known = rule.record.model_fields if rule.record is not None else {}
    lower = category.lower()
    if "reason" in known and "reason" not in fields:
        fields["reason"] = next((reason for part, reason in table.reasons if part in lower), "other")
    if "listed_for" in known and "listed_for" not in fields:
        fields["listed_for"] = next((why for part, why in table.lists if part in lower), "") or None
    if (
        "enhanced_code" in known
        and "enhanced_code" not in fields
        and not enhanced_code_in((fields.get("response") or "")[:TEXT].lower())
    ):
        code = table.categories.get(category.lower(), "")
        if code.endswith("?"):
            code = "" if fields.get("response") else code[:-1]
        if code:
            fields["enhanced_code"] = code


def _about_reply(rule: Rule, fields: dict[str, Any]) -> None:
    """The codes that a response holds, where the provider does not give them by themselves."""
    response = fields.get("response")
    known = rule.record.model_fields if rule.record is not None else {}
    if not response or "smtp_code" not in known:
        return
    said = response[:TEXT].lower()
    if "smtp_code" not in fields and (code := reply_code_in(said)):
        fields["smtp_code"] = code
    if "enhanced_code" in known and "enhanced_code" not in fields and (found := enhanced_code_in(said)):
        fields["enhanced_code"] = found


def _clean(fields: dict[str, Any], address: str | None) -> None:
    """No address in clear: nor this recipient's, written in whatever way, nor any other's."""
    for name in _WORDY:
        value = fields.get(name)
        if value is None:
            continue
        if "@" in value or "%40" in value:
            fields[name] = value = _without(name, value, address)
        if name == "response" and len(value) > RESPONSE:
            fields[name] = value[:RESPONSE]
        elif name == "user_agent" and len(value) > TEXT:
            fields[name] = value[:TEXT]


def _without(name: str, value: str, address: str | None) -> str:
    if address and len(address) <= LONGEST_ADDRESS:
        written = (address, quote(address), quote(address, safe="@")) if "%" in value else (address,)
        for each in written:
            value = _replaced(value, each.lower())
    if name in ("message_id", "provider_message_id"):
        # Looks like an address and is none: what identifies a message stays.
        return value
    return without_addresses(value.replace("<<address>>", "<address>"))


def _replaced(value: str, lower_address: str) -> str:
    lower = value.lower()
    at = lower.find(lower_address)
    while at >= 0 and len(lower) == len(value):
        value = f"{value[:at]}<address>{value[at + len(lower_address) :]}"
        lower = value.lower()
        at = lower.find(lower_address, at + len("<address>"))
    return value


def _key(
    table: Table,
    rule: Rule,
    kind: str,
    event: Event,
    recipient: str | None,
    occurred_at: int | None,
    place: int,
) -> str:
    for parts in (table.id, table.id_else):
        values = [_part(part, rule, kind, event, recipient, occurred_at, place) for part in parts]
        if values and None not in values:
            key = _SEPARATOR.join(values)  # type: ignore[arg-type]
            break
    else:
        return _SEPARATOR.join((_content_hash(event), recipient or f"#{place}"))
    if table.is_hashed or len(key) > LONGEST_ID or "@" in key:
        return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return key


def _content_hash(event: Event) -> str:
    """What an event is known by that brings nothing to know it by: all it says."""
    told = {name: value for name, value in event.items() if name != "@"}
    try:
        return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()
    except orjson.JSONEncodeError:
        raise _Wrong("it is nested too deeply") from None


def _part(
    part: Getter | str,
    rule: Rule,
    kind: str,
    event: Event,
    recipient: str | None,
    occurred_at: int | None,
    place: int,
) -> str | None:
    if part == "@recipient":
        return recipient or f"#{place}"
    if part == "@type":
        return rule.key or kind
    if part == "@time":
        return "-" if occurred_at is None else str(occurred_at)
    value = part(event)  # type: ignore[operator]
    return None if value is None else str(value)
