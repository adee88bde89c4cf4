"""The mapping tables in providers/*.toml, read and checked: a mistake in one says where it is.

A field's value is written as `path`, `path or path`, or `path as reading`: the dots lead into objects, a number is a
place in an array, `@` stands for what `each` goes through, and the first path that says something counts.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from processors.webhooks.bodies import BODIES
from processors.webhooks.readings import READINGS, STREAMS, stream_in, text
from schemas.mail import MAIL_EVENTS, MailEvent

FOLDER = Path(__file__).parent / "providers"
PROVIDERS = (
    "ses", "sendgrid", "mailgun", "postmark", "sparkpost", "mailjet",
    "brevo", "resend", "mandrill", "mailersend", "mailtrap", "postal",
)  # fmt: skip
RECORDS = {record.__name__: record for record in MAIL_EVENTS}
OURS = frozenset({"recipient", "category"})
"""Besides a record's own fields: the address itself, and the provider's own word for a failure."""
PARTS = frozenset({"@type", "@recipient", "@time"})
"""Parts of an id that are not read from the event as they stand there."""

Event = dict[str, Any]
Getter = Callable[[Event], Any]


class InvalidTable(ValueError):
    """A mapping table that can't be: says which, where, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record: where its value stands, and how it is read."""

    name: str
    get: Getter
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of one type of event, where `when` holds."""

    types: tuple[str, ...]
    when: tuple[tuple[Getter, Callable[[Any], bool]], ...]
    record: type[MailEvent] | None
    """None: it is passed over, and `why` says why."""
    key: str | None
    """What stands for the type in ids, where two types tell one fact."""
    each: Getter | None
    fields: tuple[Field, ...]
    constants: Mapping[str, Any]
    why: str
    written: Mapping[str, Any]
    """As it stands in the table, for documents."""


@dataclass(frozen=True, slots=True)
class Table:
    """One provider's webhooks."""

    name: str
    title: str
    source: str
    body: Callable[[bytes], list[Any]]
    type: Getter
    type_path: str
    id: tuple[Getter | str, ...]
    id_else: tuple[Getter | str, ...]
    id_written: tuple[tuple[str, ...], tuple[str, ...]]
    is_hashed: bool
    """Whether an id is the hash of its parts."""
    rules: Mapping[str, tuple[Rule, ...]]
    categories: Mapping[str, str]
    """The provider's words for a failure to the enhanced status code that says the same; one that ends in `?` counts
    only where nobody tells the server's words."""
    reasons: tuple[tuple[str, str], ...]
    """What a text holds (lower case), and the reason of MessageDropped that it means."""
    lists: tuple[tuple[str, str], ...]
    """What a text holds (lower case), and what for the provider's list holds the address then; empty: it does not say."""
    fields: Mapping[str, str]
    """As they stand in the table, for documents."""


@cache
def table_of(provider: str) -> Table:
    """The table of a provider. Raises InvalidTable, KeyError where there is no such provider."""
    if provider not in PROVIDERS:
        raise KeyError(provider)
    return read_table(provider, (FOLDER / f"{provider}.toml").read_text("utf-8"))


def read_table(name: str, toml: str) -> Table:
    """A table from its text. Raises InvalidTable."""
    try:
        return _table(name, tomllib.loads(toml))
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise InvalidTable(f"{name}.toml: {type(error).__name__}: {error}") from None


_TABLE = frozenset({
    "title", "source", "body", "type", "id", "id_else", "hashed", "fields", "streams", "categories", "reasons", "lists",
    "events", "ignored",
})  # fmt: skip
_EVENT = frozenset({"type", "record", "when", "key", "each", "fields", "set", "why"})


def _table(name: str, written: dict[str, Any]) -> Table:
    _known(name, written, _TABLE)
    shared = dict(written.get("fields", {}))
    streams = {
        key if key.endswith("?") else key.lower(): value for key, value in written.get("streams", {}).items()
    }
    if not set(streams.values()) <= STREAMS:
        raise InvalidTable(f"{name}.toml: streams: there are {', '.join(sorted(STREAMS))}")
    rules: dict[str, list[Rule]] = {}
    for number, event in enumerate((*written["events"], *written.get("ignored", ()))):
        where = f"{name}.toml: event {number} ({event.get('type')})"
        rule = _rule(where, event, shared, streams)
        for each in rule.types:
            rules.setdefault(each, []).append(rule)
    identity, otherwise = _parts(written["id"]), _parts(written.get("id_else", ()))
    return Table(
        name,
        written["title"],
        written["source"],
        BODIES[written["body"]],
        path(written["type"]),
        written["type"],
        identity,
        otherwise,
        (tuple(written["id"]), tuple(written.get("id_else", ()))),
        written.get("hashed", False),
        {each: tuple(found) for each, found in rules.items()},
        {str(key).lower(): value for key, value in written.get("categories", {}).items()},
        tuple((key.lower(), value) for key, value in written.get("reasons", {}).items()),
        tuple((key.lower(), value) for key, value in written.get("lists", {}).items()),
        shared,
    )


def _known(where: str, written: Mapping[str, Any], known: frozenset[str]) -> None:
    if strange := written.keys() - known:
        raise InvalidTable(
            f"{where}: no such key: {', '.join(sorted(strange))}; there are {', '.join(sorted(known))}"
        )


def _rule(where: str, event: dict[str, Any], shared: dict[str, str], streams: dict[str, str]) -> Rule:
    _known(where, event, _EVENT)
    types = event["type"] if isinstance(event["type"], list) else [event["type"]]
    record = RECORDS[event["record"]] if "record" in event else None
    if record is None and not event.get("why"):
        raise InvalidTable(f"{where}: what is passed over wants a `why`")
    own, constants = event.get("fields", {}), event.get("set", {})
    fields: list[Field] = []
    if record is not None:
        allowed = record.model_fields.keys() | OURS
        if strange := (own.keys() | constants.keys()) - allowed:
            raise InvalidTable(f"{where}: {record.__name__} has no {', '.join(sorted(strange))}")
        merged = {field: spec for field, spec in shared.items() if field in allowed} | own
        fields = [
            field_of(where, field, spec, streams)
            for field, spec in merged.items()
            if field not in constants and spec
        ]
    return Rule(
        tuple(types),
        tuple((path(spec), _test(wanted)) for spec, wanted in event.get("when", {}).items()),
        record,
        event.get("key"),
        path(event["each"]) if "each" in event else None,
        tuple(fields),
        constants,
        event.get("why", ""),
        event,
    )


def field_of(where: str, name: str, spec: str, streams: Mapping[str, str] | None = None) -> Field:
    """A field from how it is written. Raises InvalidTable."""
    paths, _, reading = spec.partition(" as ")
    if reading and reading not in READINGS:
        raise InvalidTable(f"{where}: {name}: there is no reading {reading!r}")
    if name == "stream":
        return Field(name, _stream_of(paths, streams or {}), text)
    return Field(name, path(paths), READINGS[reading] if reading else text)


def _stream_of(paths: str, streams: Mapping[str, str]) -> Getter:
    """The stream: what a key `stream` says, or a tag `stream:marketing`, or a word that the table translates.

    In `streams`, a key that ends in `?` is a path: where anything stands there, that is the stream.
    """
    getters = [
        (path(each), each.split(".")[-1] == "stream" or ".stream." in each) for each in paths.split(" or ")
    ]
    implied = [(path(key[:-1]), value) for key, value in streams.items() if key.endswith("?")]

    def get(event: Event) -> str | None:
        for get_value, is_named in getters:
            value = get_value(event)
            if value is not None and (found := stream_in(value, is_named) or streams.get(str(value).lower())):
                return found
        return next((value for get_value, value in implied if get_value(event)), None)

    return get


def _parts(written: Any) -> tuple[Getter | str, ...]:
    return tuple(part if part in PARTS else _part(part) for part in written)


def _part(spec: str) -> Getter:
    """What a part of an id is; one that ends in `?` may be missing."""
    field = field_of("id", "id", spec.removesuffix("?"))
    if spec.endswith("?"):
        return lambda event: field.read(field.get(event)) or ""
    return lambda event: field.read(field.get(event))


def _test(wanted: Any) -> Callable[[Any], bool]:
    """Equality; any of a list; `!` for nothing said; `~part` for a text that holds a part. Case does not matter."""
    if isinstance(wanted, list):
        tests = [_test(each) for each in wanted]
        return lambda value: any(test(value) for test in tests)
    if wanted == "!":
        return lambda value: value is None or value == ""
    if isinstance(wanted, str) and wanted.startswith("~"):
        part = wanted[1:].lower()
        return lambda value: isinstance(value, str) and part in value.lower()
    if isinstance(wanted, str):
        word = wanted.lower()
        return lambda value: (
            isinstance(value, str | int) and not isinstance(value, bool) and str(value).lower() == word
        )
    return lambda value: type(value) is type(wanted) and value == wanted


def path(written: str) -> Getter:
    """What gets the value at a path, or at the first of several that says something; None where nothing does."""
    getters = [_single(each.strip()) for each in written.split(" or ")]
    if len(getters) == 1:
        return getters[0]

    def first(event: Event) -> Any:
        for get in getters:
            value = get(event)
            if value is not None and value != "" and value != []:
                return value
        return None

    return first


def _single(written: str) -> Getter:
    (head, *rest) = written.split(".")
    if not rest:
        return lambda event: event.get(head)

    def get(event: Event) -> Any:
        value: Any = event.get(head)
        for step in rest:
            if type(value) is dict:
                value = value.get(step)
            elif type(value) is list and step.lstrip("-").isdigit() and -len(value) <= int(step) < len(value):
                value = value[int(step)]
            else:
                return None
        return value

    return get
