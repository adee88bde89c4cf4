"""Our schemas in a registry: under which subject, with which ids, and what its ids mean to us.

The subject of a record is its full name, `mailwake.MessageSent` (Confluent's RecordNameStrategy): a topic holds several
types of records, a type is in one topic only, and its schema is the same in every log.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from schemas.adoption import adopt, full_name
from schemas.catalog import FIRST_ID, RECORDS, Ids, UnknownSchema, Version, latest, versions
from schemas.record import Event
from streams.registry.registry import FULL_TRANSITIVE, Registry, RegistryError

Outcome = Literal["new", "there", "refused"]

_MOST_MET = 1_000
_ABSENT_FOR_S = 30.0
"""An id that a registry doesn't know may be one that its replica has not heard of yet."""

_AT_ONCE = 8


class SchemasNotRegistered(RegistryError):
    """Schemas that this program writes are not in the registry, or do not go with what is."""


@dataclass(frozen=True, slots=True)
class Registering:
    """What registering a version came to, or in a dry run would come to."""

    subject: str
    version: int
    id: int | None
    outcome: Outcome
    why: tuple[str, ...] = ()


def subject_of(record: type[Event]) -> str:
    """The subject that holds the versions of a record's schema."""
    return full_name(latest(record).schema)


def register_all(registry: Registry, dry_run: bool = False) -> Iterator[Registering]:
    """Register every committed version in order, each subject demanding FULL_TRANSITIVE; told one by one.

    A version that is refused keeps the later ones of its subject from being registered. Raises RegistryError.
    """
    for record in RECORDS.values():
        subject = subject_of(record)
        if not dry_run and registry.level(subject) != FULL_TRANSITIVE:
            registry.demand(subject, FULL_TRANSITIVE)
        for known in _committed(record):
            done = _register(registry, subject, known, dry_run)
            yield done
            if done.outcome == "refused":
                break
        else:
            # Apicurio forgets what was demanded of a subject that did not exist yet.
            if not dry_run and registry.level(subject) != FULL_TRANSITIVE:
                registry.demand(subject, FULL_TRANSITIVE)


def _register(registry: Registry, subject: str, known: Version, dry_run: bool) -> Registering:
    there = registry.schema_id(subject, known.schema)
    if there is not None:
        return Registering(subject, known.number, there, "there")
    if why := registry.incompatibilities(subject, known.schema):
        return Registering(subject, known.number, None, "refused", tuple(why))
    made = None if dry_run else registry.register(subject, known.schema)
    return Registering(subject, known.number, made, "new")


def require_registered(registry: Registry, records: Collection[type[Event]] = tuple(RECORDS.values())) -> Ids:
    """The registry's ids, when every schema that these records are written with is there and goes with the others.

    What it asks the registry it asks once; only an id that is first met later is asked for then. Raises
    SchemasNotRegistered, naming them, RegistryError, RegistryUnavailable.
    """
    every = list(versions().values())
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        ids = threads.map(lambda known: registry.schema_id(subject_of(known.record), known.schema), every)
        there = {given: known for given, known in zip(ids, every, strict=True) if given is not None}
        written = {known.record: given for given, known in there.items() if latest(known.record) is known}
        missing = [record for record in records if record not in written]
        refused = threads.map(lambda record: _refused(registry, record), [r for r in records if r in written])
        unfit = [why for why in refused if why]
    if missing:
        raise SchemasNotRegistered(
            f"the schema registry {registry.address} has not the schemas of {', '.join(r.__name__ for r in missing)} that "
            "this version of mailwake writes: mailwake schemas register puts them there"
        )
    if unfit:
        raise SchemasNotRegistered(
            f"the schema registry {registry.address} holds schemas that do not go with what this version of mailwake "
            f"writes: {'; '.join(unfit)}. mailwake schemas register --dry-run tells more; delete what should not be there"
        )
    if (highest := max(there, default=0)) >= FIRST_ID:
        raise RegistryError(
            f"the schema registry {registry.address} gives ids from {highest} on, and ids from {FIRST_ID} on are mailwake's "
            "committed ones, which stay readable: use a registry (or a context of one) that counts from 1"
        )
    met = MetIds(registry, there)
    return Ids(str(registry.address), {r.__name__: given for r, given in written.items()}, met.version)


def _refused(registry: Registry, record: type[Event]) -> str | None:
    why = registry.incompatibilities(subject_of(record), latest(record).schema)
    return f"{subject_of(record)}: {'; '.join(why)}" if why else None


class MetIds:
    """What a registry's ids mean, asked once for each id; safe to use from threads.

    What an id means never changes. So many are kept (those of our own versions always), the last ones met.
    """

    def __init__(self, registry: Registry, ours: Mapping[int, Version], most: int = _MOST_MET) -> None:
        self._registry, self._ours, self._most = registry, dict(ours), most
        self._met: OrderedDict[int, Version | str] = OrderedDict()
        self._absent: OrderedDict[int, float] = OrderedDict()
        self._turns = threading.Lock()

    def version(self, schema_id: int) -> Version:
        """See `Ids.read`. Raises UnknownSchema; RegistryUnavailable when an id that was never met can't be asked for."""
        if ours := self._ours.get(schema_id):
            return ours
        with self._turns:
            if schema_id not in self._met:
                self._keep(self._met, schema_id, self._ask(schema_id))
            self._met.move_to_end(schema_id)
            found = self._met[schema_id]
        if isinstance(found, str):
            raise UnknownSchema(found)
        return found

    def _ask(self, schema_id: int) -> Version | str:
        now = time.monotonic()
        absent_since = self._absent.get(schema_id)
        schema = None
        if absent_since is None or now - absent_since > _ABSENT_FOR_S:
            schema = self._registry.schema(schema_id) if 0 < schema_id < 2**31 else None
        if schema is None:
            if absent_since is None or now - absent_since > _ABSENT_FOR_S:
                self._keep(self._absent, schema_id, now)
            raise UnknownSchema(
                f"schema id {schema_id} is none of the registry {self._registry.address}, and none of the committed ones"
            )
        try:
            return adopt(schema_id, schema)
        except UnknownSchema as error:
            return str(error)

    def _keep(self, kept: OrderedDict[int, Any], schema_id: int, value: object) -> None:
        kept[schema_id] = value
        while len(kept) > self._most:
            kept.popitem(last=False)


def map_id(source: Registry | None, target: Registry | None) -> Callable[[int], int]:
    """What a schema's id in one log is in another, where each has a registry, or None for the committed ids.

    For whoever copies records from log to log as they are. A schema that another producer registered in the source's
    registry is registered in the target's. The function raises UnknownSchema for an id that means nothing in the source,
    or whose schema is no committed one where the target has no registry; RegistryError, RegistryUnavailable.
    """
    if (source and str(source.address)) == (target and str(target.address)):
        return lambda schema_id: schema_id
    meanings = MetIds(source, {}) if source else None
    mapped: dict[int, int] = {}

    def mapping(schema_id: int) -> int:
        if schema_id not in mapped:
            mapped[schema_id] = _mapped(schema_id, meanings, source, target)
        return mapped[schema_id]

    return mapping


def _mapped(schema_id: int, meanings: MetIds | None, source: Registry | None, target: Registry | None) -> int:
    known = versions().get(schema_id)
    if known is None:
        if meanings is None:
            raise UnknownSchema(f"schema id {schema_id} is not one of the {len(versions())} committed ones")
        known = meanings.version(schema_id)
    if target is None:
        if known.id not in versions():
            raise UnknownSchema(
                f"schema id {schema_id} of the registry {source.address if source else ''} is a {known.record.__name__} that no "
                "committed version writes alike: the log it is copied to needs a registry too"
            )
        return known.id
    subject = subject_of(known.record)
    if known.id in versions():
        given = target.schema_id(subject, known.schema)
        if given is None:
            raise SchemasNotRegistered(
                f"the schema registry {target.address} has not the schema {known.number} of {known.record.__name__}: mailwake "
                "schemas register puts it there"
            )
        return given
    return target.register(subject, source.schema(schema_id) if source else known.schema)


def _committed(record: type[Event]) -> list[Version]:
    return sorted((v for v in versions().values() if v.record is record), key=lambda v: v.number)
