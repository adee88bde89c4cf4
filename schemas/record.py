"""What every record is: a frozen pydantic model that an Avro schema is generated from.

Records are flat: scalars, nullable scalars, arrays of scalars and arrays of flat records. Closed sets of words
are `Literal` in Python and `string` on the wire, so that a new word never breaks an older reader.
"""

import difflib
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from typing import Annotated, Any, ClassVar, Self, cast
from uuid import NAMESPACE_DNS, UUID, uuid4, uuid5

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails

NAMESPACE = uuid5(NAMESPACE_DNS, "events.mailwake")
"""The UUIDv5 namespace of every event id that is made from a fact's own key."""

_NAMESPACE = NAMESPACE.bytes
_VARIANT = {f"{digit:x}": f"{8 | digit & 3:x}" for digit in range(16)}
"""The digit of a UUID that holds its variant (RFC 9562, 4.1), by the hash's digit in that place."""

SEPARATOR = "\x1f"
"""Between the parts of a fact's key (ASCII unit separator): no part can hold it by accident."""

EARLIEST_MS = -2_208_988_800_000
"""1900-01-01: the earliest time the warehouse's DateTime64(3) holds."""
LATEST_MS = 10_413_791_999_999
"""2299-12-31T23:59:59.999Z: the latest one."""

SECONDS_FROM, SECONDS_TO = 946_684_800, 4_102_444_800
"""The years 2000 to 2099 in seconds since the epoch. As milliseconds: five weeks of 1970, before there was mail."""

CLOCK_TOLERANCE_MS = 5 * 60_000
"""How far after its time of record an event may claim to have happened: its effective time is no later than that."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UUID_PATTERN = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
"""A UUID in its canonical form."""
_CANONICAL_UUID = re.compile(UUID_PATTERN).fullmatch


class InvalidEvent(ValueError):
    """An event that can't be: says which field of which record, what it got, and what it wants."""

    def __init__(self, record: str, field: str, got: object, wants: str, index: int | None = None) -> None:
        self.record, self.field, self.got, self.wants, self.index = record, field, got, wants, index
        which = "" if index is None else f"event {index}: "
        super().__init__(f"{which}{record}.{field}: got {_shown(got)}, wants {wants}")

    def at(self, index: int) -> "InvalidEvent":
        """The same, saying which of several events it was, from 0."""
        return InvalidEvent(self.record, self.field, self.got, self.wants, index)


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


NOTHING = _Nothing()
"""What an InvalidEvent got for a field that was not given."""


def _shown(value: object) -> str:
    try:
        shown = repr(value)
    except RecursionError:
        return f"a {type(value).__name__} nested too deeply to be shown"
    return shown if len(shown) <= 120 else shown[:117] + "..."


def _to_millis(value: object) -> object:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("milliseconds since the epoch, a datetime or an ISO 8601 time") from None
    return millis_of(value) if isinstance(value, datetime) else value


def _to_millis_not_seconds(value: object) -> object:
    # Asked of every event that is made: what is a number already goes through no other test.
    if type(value) is int or type(value) is float:
        if SECONDS_FROM <= value < SECONDS_TO:
            raise ValueError("milliseconds since the epoch: this looks like seconds")
        return value
    return _to_millis(value)


def is_canonical_uuid(value: str) -> bool:
    """Whether a text is a UUID in its canonical, lower-case form."""
    return _CANONICAL_UUID(value) is not None


def _canonical_uuid(value: str) -> str:
    if is_canonical_uuid(value):
        return value
    try:
        return str(UUID(value))
    except ValueError:
        raise ValueError("a UUID, as in 0f8fad5b-d9cb-469f-a165-70867728950e") from None


def now_ms() -> int:
    """Milliseconds since the epoch, by this machine's clock."""
    return time.time_ns() // 1_000_000


def millis_of(moment: datetime) -> int:
    """Milliseconds since the epoch, rounded down; a moment without a zone is UTC."""
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)


Millis = Annotated[int, BeforeValidator(_to_millis), Field(ge=EARLIEST_MS, le=LATEST_MS)]
"""A moment in milliseconds since the epoch, UTC. Also takes a datetime (naive = UTC) or an ISO 8601 string."""

MailMillis = Annotated[int, BeforeValidator(_to_millis_not_seconds), Field(ge=EARLIEST_MS, le=LATEST_MS)]
"""The same, refusing what looks like seconds: for what programs say, not for what is read in others' documents."""

EventId = Annotated[str, AfterValidator(_canonical_uuid), Field(json_schema_extra={"logicalType": "uuid"})]
"""A UUID in its canonical 36-character form."""

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""How many: never negative, within Avro's long."""

Long = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
"""Any integer that Avro's long holds."""

Word = Annotated[str, StringConstraints(min_length=1, max_length=256)]
"""A short name: a tenant, a source, a pool."""

Tenant = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^/\x00-\x1f\x7f]*$")]
"""A tenant's name: no slash and no control character, so that it can be part of a key."""

Domain = Annotated[str, StringConstraints(to_lower=True, strip_whitespace=True, min_length=1, max_length=253)]
"""A domain name, lower-case, as A-labels (RFC 5890) where it has been internationalised."""

DOMAIN_PATTERN = r"^[^@\s]+$"
"""What tells a domain from an address or a phrase; what else a label may hold is judged where programs tell it."""

MailDomain = Annotated[
    str,
    StringConstraints(
        to_lower=True, strip_whitespace=True, min_length=1, max_length=253, pattern=DOMAIN_PATTERN
    ),
]
"""A domain that is no address: events of mail hold none in clear. What is read in others' documents is a `Domain`."""


class FlatRecord(BaseModel):
    """A record without identity: the rows inside an event. Raises InvalidEvent on fields that can't be."""

    # A command makes few of the records that there are: each one's validator is built when it is first wanted.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def __init__(self, /, **fields: Any) -> None:
        try:
            self.__pydantic_validator__.validate_python(fields, self_instance=self)
        except ValidationError as error:
            raise _invalid(type(self), error.errors(include_url=False, include_context=False)[0]) from None

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


def _invalid(record: type[FlatRecord], error: ErrorDetails) -> InvalidEvent:
    path, kind = error["loc"], error["type"]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    if kind == "missing":
        return InvalidEvent(record.__name__, field, NOTHING, "a value: it is required")
    if kind == "extra_forbidden":
        return InvalidEvent(record.__name__, field, error["input"], _other_name(record, path))
    wants = error["msg"]
    for beginning in ("Input should be ", "Value error, "):
        wants = wants.removeprefix(beginning)
    wants = wants.replace(f"match pattern '{DOMAIN_PATTERN}'", "be a domain, without @ and white space")
    wants = re.sub("^String should ", "text to ", wants)
    return InvalidEvent(record.__name__, field or "(whole record)", error["input"], wants)


def _other_name(record: type[FlatRecord], path: tuple[int | str, ...]) -> str:
    known: set[str] = set(record.model_fields)
    for name in (part for part in path[:-1] if isinstance(part, str)):
        known = _names_below(record, name)
    (*_, unknown) = path
    close = difflib.get_close_matches(str(unknown), sorted(known), 1)
    return "no field of that name" + (f": did you mean {close[0]}?" if close else "")


def _names_below(record: type[FlatRecord], name: str) -> set[str]:
    (row, *_) = record.model_fields[name].annotation.__args__  # type: ignore[union-attr]
    return set(row.model_fields)


class Event(FlatRecord):
    """Something that happened: what all records in the log share.

    An event id that is not given is made from `source_event_id`, so that the same fact told again is the same
    event; without that it is random, and a repeat can't be recognised.
    """

    fact: ClassVar[str | None] = None
    """The kind of fact in event ids; the record's name unless set."""

    event_id: EventId = ""
    """The same for the same fact, whatever channel tells it; made from `source_event_id` unless given."""
    tenant: Tenant = "default"
    """Whose event this is."""
    occurred_at: Millis = Field(default_factory=now_ms)
    """When it happened, by the source's clock; now, unless given."""
    recorded_at: Millis = 0
    """When it was appended; the Emitter sets it. A derived event takes its inputs' latest."""
    source: Word = "api"
    """Who says so: ses, postfix, api, simulator."""
    channel: Word | None = None
    """How it came: sns, eventbridge, imap, upload, file."""
    source_event_id: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None
    """The fact's own key at its source; never holds an address in clear."""

    def __init__(self, /, **fields: Any) -> None:
        if not fields.get("event_id"):
            fields.pop("event_id", None)
        super().__init__(**fields)
        if not self.event_id:
            key = self.source_event_id
            self.__dict__["event_id"] = str(uuid4()) if key is None else self.id_of(self.tenant, key)

    @classmethod
    def id_of(cls, tenant: str, key: str) -> str:
        """The id of the fact that has this key: UUIDv5 of (kind of fact, tenant, key)."""
        said = _NAMESPACE + SEPARATOR.join((cls.fact or cls.__name__, tenant, key)).encode()
        digits = sha1(said, usedforsecurity=False).hexdigest()
        return (
            f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-"
            f"{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}"
        )

    @classmethod
    def trusted(cls, fields: Mapping[str, Any]) -> Self:
        """An event from fields that are known to be valid (decoded from the log), without checking again."""
        return cast("Self", cls.model_construct(None, **fields))
