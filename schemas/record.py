"""What every record is: a frozen pydantic model that an Avro schema is generated from.

Records are flat: scalars, nullable scalars, arrays of scalars and arrays of flat records. Closed sets of words
are `Literal` in Python and `string` on the wire, so that a new word never breaks an older reader.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import NAMESPACE_DNS, UUID, uuid4, uuid5

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

NAMESPACE = uuid5(NAMESPACE_DNS, "events.mailwake")
"""The UUIDv5 namespace of every event id that is made from a fact's own key."""

EARLIEST_MS = -2_208_988_800_000
"""1900-01-01: the earliest time the warehouse's DateTime64(3) holds."""
LATEST_MS = 10_413_791_999_999
"""2299-12-31T23:59:59.999Z: the latest one."""


class InvalidEvent(ValueError):
    """An event that can't be: says which field of which record, what it got, and what it wants."""

    def __init__(self, record: str, field: str, got: object, wants: str, index: int | None = None) -> None:
        self.record, self.field, self.got, self.wants, self.index = record, field, got, wants, index
        shown = repr(got)
        shown = shown if len(shown) <= 120 else shown[:117] + "..."
        where = "" if index is None else f"event {index}: "
        super().__init__(f"{where}{record}.{field}: got {shown}, wants {wants}")

    def at(self, index: int) -> "InvalidEvent":
        """The same, saying which of several events it was, from 0."""
        return InvalidEvent(self.record, self.field, self.got, self.wants, index)


def _to_millis(value: object) -> object:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return value
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    return value


def _canonical_uuid(value: str) -> str:
    return str(UUID(value))


Millis = Annotated[int, BeforeValidator(_to_millis), Field(ge=EARLIEST_MS, le=LATEST_MS)]
"""A moment in milliseconds since the epoch, UTC. Also takes a datetime (naive = UTC) or an ISO 8601 string."""

EventId = Annotated[str, AfterValidator(_canonical_uuid), Field(json_schema_extra={"logicalType": "uuid"})]
"""A UUID in its canonical 36-character form."""

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""How many: never negative, within Avro's long."""

Word = Annotated[str, StringConstraints(min_length=1, max_length=256)]
"""A short name: a tenant, a source, a pool."""

Domain = Annotated[str, StringConstraints(to_lower=True, strip_whitespace=True, min_length=1, max_length=253)]
"""A domain name, lower-case, as A-labels (RFC 5890) where it has been internationalised."""


class FlatRecord(BaseModel):
    """A record without identity: the rows inside an event."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "(whole record)"
            wants = _wants(first["type"], first["msg"], type(self), where)
            raise InvalidEvent(type(self).__name__, where, first["input"], wants) from None


def _wants(kind: str, message: str, record: type[BaseModel], field: str) -> str:
    if kind == "extra_forbidden":
        return f"no such field; {record.__name__} has {', '.join(record.model_fields)}"
    if kind == "missing":
        return "a value: it is required"
    return message.removeprefix("Input should be ").removeprefix("Value error, ")


class Event(FlatRecord):
    """Something that happened: what all records in the log share.

    An event id that is not given is made from `source_event_id`, so that the same fact told again is the same
    event; without that it is random, and a repeat can't be recognised.
    """

    fact: ClassVar[str | None] = None
    """The kind of fact in event ids; the record's name unless set."""

    event_id: EventId = ""
    tenant: Word = "default"
    """Whose event this is."""
    occurred_at: Millis = 0
    """When it happened, by the source's clock; now, unless given."""
    recorded_at: Millis = 0
    """When it was appended; the Emitter sets it. A derived event takes its inputs' latest."""
    source: Word = "api"
    """Who says so: ses, postfix, api, simulator."""
    channel: Word | None = None
    """How it came: sns, eventbridge, imap, upload, file."""
    source_event_id: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None
    """The fact's own key at its source; never holds an address in clear."""

    @model_validator(mode="before")
    @classmethod
    def _give_id_and_time(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or (fields.get("event_id") and "occurred_at" in fields):
            return fields
        given = dict(fields)
        if not given.get("event_id"):
            key = given.get("source_event_id")
            tenant = given.get("tenant", "default")
            given["event_id"] = cls.id_of(tenant, key) if isinstance(key, str) and key else str(uuid4())
        given.setdefault("occurred_at", time.time_ns() // 1_000_000)
        return given

    @classmethod
    def id_of(cls, tenant: str, key: str) -> str:
        """The id of the fact that has this key: UUIDv5 of (kind of fact, tenant, key)."""
        return str(uuid5(NAMESPACE, f"{cls.fact or cls.__name__}\x1f{tenant}\x1f{key}"))

    @classmethod
    def trusted(cls, fields: Mapping[str, Any]) -> "Event":
        """An event from fields that are known to be valid (decoded from the log), without checking again."""
        return cls.model_construct(None, **fields)
