"""Writes the reference of events: `python -m schemas.reference` makes docs/events.md from the models."""

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas.catalog import RECORDS, TOPICS, latest
from schemas.codec import encode
from schemas.encoding.avro import field_docs, schema_of
from schemas.mail import ComplaintReceived, MessageBounced, MessageOpened
from schemas.recipient import normalised, recipient_hash
from schemas.record import NAMESPACE, Event, FlatRecord

PAGE = Path(__file__).parent.parent / "docs" / "events.md"

KEYS = {
    "documents": "tenant/receipt_id",
    "documents.outcomes": "tenant/receipt_id",
    "mail.events": "tenant/from_domain",
    "mail.classified": "tenant/from_domain",
    "suppressions.evidence": "tenant/recipient_hash",
    "suppressions": "tenant/recipient_hash/stream",
    "dmarc.records": "tenant/policy_domain",
    "reputation.deltas": "event_id",
    "reputation.buckets": "event_id",
    "reputation.scores": "tenant/kind/identity",
    "dead.letters": "origin_topic/origin_partition/origin_offset",
    "tail.places": "tenant/tail/part",
}
"""The fields that a topic's key is made of."""

ID_VECTORS: tuple[tuple[type[Event], str, str], ...] = (
    (MessageBounced, "default", "0102018f-1111/Bounce/5d41402abc4b2a76b9719d911017c592/1790000000000"),
    (ComplaintReceived, "acme", "fbl/abuse/<1@mail.example.com>/5d41402abc4b2a76b9719d911017c592"),
    (MessageOpened, "ünï", "ключ"),
)
"""Facts (record, tenant, source_event_id) whose ids are published."""

RECIPIENT_VECTORS: tuple[tuple[bytes, str], ...] = (
    (b"key", "someone@example.com"),
    (b"key", "SomeOne@EXAMPLE.com"),
    (b"key", "some.one+tag@example.com"),
    (b"another key", "someone@example.com"),
    (bytes(range(32)), "Ju\u0308rgen@B\u00fccher.example"),
    (bytes(range(32)), "\u7528\u6237@\u4f8b\u5b50.\u6d4b\u8bd5"),
)
"""Keys and addresses whose hashes are published; the fifth is written with a combining diaeresis."""

EXAMPLE = MessageOpened(
    event_id=MessageOpened.id_of("acme", "open-1"),
    tenant="acme",
    occurred_at=1_790_000_000_000,
    recorded_at=1_790_000_000_250,
    source="api",
    source_event_id="open-1",
    from_domain="example.com",
    is_machine=False,
)


def page() -> str:
    """The text of docs/events.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Events"
    yield ""
    yield "<!-- Made by `python -m schemas.reference` from the models in schemas/; a test fails when they differ. -->"
    yield ""
    yield (
        "What is in the log: records in Avro, each with a topic it belongs to. A producer in any language can write "
        "them: the schemas are in `schemas/avsc/`, their ids in `schemas/ids.json`, the framing, ids and hashes "
        "below with test vectors."
    )
    yield from ("", "## Topics", "", "| topic | records | key |", "| --- | --- | --- |")
    for topic, records in TOPICS.items():
        names = ", ".join(f"[{record.__name__}](#{record.__name__.lower()})" for record in records)
        yield f"| `{topic}` | {names} | `{KEYS[topic]}` |"
    yield ""
    yield (
        "A key's parts are joined by `/`. A mail event without `from_domain` goes under `message_id`, without that "
        "under `provider_message_id`, else `event_id`."
    )
    yield from _framing()
    yield from _ids()
    yield from _recipients()
    yield from ("", "## Every event", "")
    yield (
        "These fields are in every record below; *required* means that a producer must write them. Times are between "
        "1900 and 2299, domains and providers in lower case. A time outside and an id that is no UUID in canonical, "
        "lower-case form make a record a dead letter."
    )
    yield from _table(Event, Event)
    described: set[type] = {Event}
    for topic, records in TOPICS.items():
        yield from ("", f"## `{topic}`")
        for base in dict.fromkeys(
            base for record in records for base in _bases(record) if base not in described
        ):
            described.add(base)
            yield from ("", f"### Shared in `{topic}`", "", _about(base))
            yield from _table(base, base)
        for record in records:
            yield from _section(record)


def _bases(record: type[Event]) -> list[type[FlatRecord]]:
    return [cls for cls in record.__mro__[1:] if issubclass(cls, Event) and cls.__name__ not in RECORDS]


def _section(record: type[Event]) -> Iterator[str]:
    version = latest(record)
    yield from ("", f"### {record.__name__}", "")
    yield f"{_about(record)} Schema id {version.id}, version {version.number}."
    if set(record.model_fields) - {name for base in _bases(record) for name in base.model_fields}:
        yield from _table(record, record)
    for info in record.model_fields.values():
        for row in getattr(info.annotation, "__args__", ()):
            if isinstance(row, type) and issubclass(row, FlatRecord):
                yield from ("", f"A row of it, **{row.__name__}**: {_about(row)}")
                yield from _table(row, FlatRecord)


def _about(record: type[FlatRecord]) -> str:
    return " ".join(inspect.cleandoc(record.__doc__ or "").split())


def _table(record: type[FlatRecord], owner: type[FlatRecord]) -> Iterator[str]:
    """The fields of a record that `owner` added to what it stands on; all of them for FlatRecord."""
    inherited = {name for base in owner.__mro__[1:] for name in getattr(base, "model_fields", ())}
    docs = field_docs(record)
    limits = record.model_json_schema()["properties"]
    yield from ("", "| field | type | default | |", "| --- | --- | --- | --- |")
    for field in schema_of(record)["fields"]:
        name = field["name"]
        if name not in inherited:
            default = f"`{_literal(field['default'])}`" if "default" in field else "required"
            said = _limits(limits[name])
            kind = f"{_kind(field['type'])}{', ' if said else ''}{said}"
            yield f"| `{name}` | {kind} | {default} | {_cell(docs.get(name, ''))} |"


def _literal(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _kind(kind: Any) -> str:
    if isinstance(kind, list):
        return f"{_kind(kind[1])} or null"
    if not isinstance(kind, dict):
        return str(kind)
    if kind["type"] == "array":
        return f"array of {_kind(kind['items'])}"
    return str(kind["name"] if kind["type"] == "record" else kind.get("logicalType", kind["type"]))


def _limits(said: dict[str, Any]) -> str:
    """What the model demands of a value, in words."""
    said = next((part for part in said.get("anyOf", ()) if part.get("type") != "null"), said)
    words = []
    if "enum" in said:
        words.append("one of " + ", ".join(f"`{word}`" for word in said["enum"]))
    if "pattern" in said:
        words.append(f"matching `{_cell(said['pattern'])}`")
    if "maxLength" in said:
        shortest = f"{said['minLength']} to " if said.get("minLength") else "up to "
        words.append(f"{shortest}{said['maxLength']} characters")
    lowest, highest = said.get("minimum", -1), said.get("maximum", 2**63)
    if lowest >= 0:
        words.append(f"{lowest:g} to {highest:g}" if highest <= 1000 else f"at least {lowest}")
    return ", ".join(words)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _framing() -> Iterator[str]:
    framed = encode(EXAMPLE)
    yield from ("", "## Framing", "")
    yield (
        "A record is framed as Confluent's clients do: a zero byte, the schema id in four bytes (big-endian), the "
        "Avro body. There are no headers. Ids are committed and never given twice; where there is [a schema "
        "registry](schemas.md), its ids are written and both are read. An event that says tenant `acme`, "
        "source event id `open-1`, From domain `example.com`, `is_machine` false, 1790000000000 and 250 ms later is, "
        "with everything else at its default:"
    )
    yield from ("", "```", *(framed[at : at + 40].hex() for at in range(0, len(framed), 40)), "```", "")
    yield (
        "Schemas only change so that every version can be read by the reader of every other (FULL_TRANSITIVE). "
        "Closed sets of words are strings: a reader takes a word it does not know as it is."
    )


def _ids() -> Iterator[str]:
    yield from ("", "## Ids: a fact told twice is one fact", "")
    yield (
        f"`event_id` is the UUIDv5, in namespace `{NAMESPACE}` (itself the UUIDv5 of `events.mailwake` in RFC 9562's "
        "DNS namespace), of three texts in UTF-8 with the byte 0x1F between them: the kind of fact (the record's "
        "name), the tenant, and the fact's own key (`source_event_id`). The key names the fact at its source, never "
        "the channel it came by, and holds no address, only its hash. An event without id and key gets a random id, "
        "and can't be recognised when told again."
    )
    yield from ("", "| record | tenant | source_event_id | event_id |", "| --- | --- | --- | --- |")
    for record, tenant, key in ID_VECTORS:
        yield f"| {record.fact or record.__name__} | `{tenant}` | `{key}` | `{record.id_of(tenant, key)}` |"
    yield ""
    yield "The first one in Python:"
    record, tenant, key = ID_VECTORS[0]
    yield from (
        "",
        "```python",
        f'uuid.uuid5(uuid.UUID("{NAMESPACE}"), "{record.__name__}\\x1f{tenant}\\x1f{key}")',
        "```",
    )


def _recipients() -> Iterator[str]:
    yield from ("", "## Recipients: keyed hashes instead of addresses", "")
    yield (
        "`recipient_hash` is the first 32 hex digits of HMAC-SHA256(the tenant's key, the address in UTF-8). The "
        "address is brought to NFC; its local part to lower case (by Unicode, no locale; NFC again); its domain, what "
        "follows the last `@`, to lower case and, where it is not ASCII, to A-labels (IDNA 2008 with UTS 46 "
        "mapping). Nothing is stripped."
    )
    yield from ("", "| key (hex) | address | normalised | recipient_hash |", "| --- | --- | --- | --- |")
    for secret, address in RECIPIENT_VECTORS:
        yield f"| `{secret.hex()}` | `{address}` | `{normalised(address)}` | `{recipient_hash(secret, address)}` |"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
