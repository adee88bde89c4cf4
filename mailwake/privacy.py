"""One recipient's data, or one tenant's: told, taken out, forgotten.

Events hold a recipient's keyed hash and no address, so they stay, and a suppression goes on holding. Documents hold what
came in: an erasure puts a copy without the address in the place of each that mentions it. Forgetting a tenant deletes its
keys: what was sealed with them can never be read again, and its hashes belong to nobody.
"""

import base64
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailwake.privacy_clear import BY_HASH, events_in_clear
from mailwake.privacy_documents import (
    DOCUMENTS,
    Cleaned,
    Held,
    Place,
    as_value,
    cleaned,
    emptied,
    held,
    is_clear,
    letter_mentions,
    letter_without,
    letters_topics,
    masked,
    mentions,
    readable,
    tenant_of,
)
from mailwake.privacy_layers import OutOfBudget
from mailwake.privacy_traces import Traces
from schemas.codec import Undecodable, decode
from schemas.documents import DeadLetter, DocumentReceived
from schemas.erased import stand_in
from schemas.recipient import recipient_hash
from schemas.record import Event
from schemas.sealing import DamagedSeal, Forgotten, unseal
from streams.blobs import Blobs
from streams.keyring.keyring import Erasure, Keyring, KeyringError, TenantForgotten
from streams.log import Log, LogError, OffsetGone, Record, TopicPartition
from streams.sealed_documents import sealed
from streams.sqlite_log import SqliteLog

TOLD_AGAIN_MS = 24 * 3600 * 1000
"""A document that came longer ago is not told again by its copy: what its events' ids would be told by is forgotten."""

Advance = Callable[[str, int], None]
"""Told that so many more records were looked through."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """Where personal data is."""

    log: Log
    blobs: Blobs
    keyring: Keyring


@dataclass(slots=True)
class Erased:
    """What an erasure has done."""

    documents: list[str] = field(default_factory=list)
    """Receipts whose documents were replaced by copies without the address."""
    emptied: list[str] = field(default_factory=list)
    """Of these: receipts whose whole content had to go."""
    dead_letters: int = 0
    masked: list[str] = field(default_factory=list)
    """Records that nobody could understand, masked with their dead letters: topic/partition/offset."""
    waiting: list[str] = field(default_factory=list)
    """Records in Kafka that stay until its compaction or retention removes them."""
    unsearched: list[str] = field(default_factory=list)
    """Receipts, or places of dead letters, that hold more than is looked through: nobody knows whether it is in there."""
    in_clear: dict[str, int] = field(default_factory=dict)
    """By topic: events that hold the address in some text all the same. Nothing changes them."""
    settled: bool = True
    """Whether nothing is left in the SQLite file and what stands beside it."""

    def as_fields(self) -> dict[str, Any]:
        """As JSON tells it."""
        return {name: getattr(self, name) for name in self.__slots__}


def known(keyring: Keyring, tenant: str, address: str) -> str:
    """The hash by which a tenant knows a recipient. Raises InvalidAddress, TenantForgotten."""
    key = keyring.hashing_key(tenant)
    if key is None:
        raise TenantForgotten(
            f"tenant {tenant} was forgotten: nothing of it can be found by an address any more"
        )
    return recipient_hash(key, address)


def export(
    holdings: Holdings, tenant: str, address: str, *, contents: bool, advance: Advance
) -> Iterator[dict[str, Any]]:
    """Everything that is known of a recipient, in the log's order: events by its hash, documents that mention it."""
    hashed = known(holdings.keyring, tenant, address)
    traces = [Traces.of(address, stand_in(hashed, address))]
    yield {"is": "recipient", "tenant": tenant, "recipient_hash": hashed}
    there = set(_topics(holdings.log))
    for topic in (topic for topic in BY_HASH if topic in there):
        for event, place in _events_of(holdings.log, topic, tenant, hashed, advance):
            yield {"is": "event", "at": str(place), "type": type(event).__name__, **event.model_dump()}
    for one in _all(holdings.log, DOCUMENTS):
        advance("documents", 1)
        document = one.event
        if isinstance(document, DocumentReceived) and document.tenant == tenant:
            yield from _told(one.place, document, traces, holdings, contents)
    for topic in letters_topics(_topics(holdings.log)):
        for one in _all(holdings.log, topic):
            letter = one.event
            if isinstance(letter, DeadLetter) and _letter_mentions(letter, {tenant: traces}, holdings, None):
                yield {"is": "dead letter", "at": str(one.place), **letter.model_dump(exclude={"content"})}


def erase(holdings: Holdings, tenant: str, address: str, now_ms: int, advance: Advance) -> Erased:
    """Take a recipient out of every document of a tenant, and out of dead letters.

    In the journal first: an erasure that is cut off is finished by doing it again. Raises InvalidAddress, LogError,
    OSError.
    """
    hashed = known(holdings.keyring, tenant, address)
    data = holdings.keyring.data_key(tenant)
    if data is None:
        raise TenantForgotten(f"tenant {tenant} was forgotten meanwhile")
    envelope = sealed(data, _journal_place(tenant, hashed), address.encode())
    holdings.keyring.record(Erasure(tenant, hashed, base64.b64encode(envelope).decode(), now_ms))
    traces = Traces.of(address, stand_in(hashed, address))
    done = _take_out(holdings, {tenant: [traces]}, now_ms, advance)
    done.in_clear = events_in_clear(holdings.log, traces, advance)
    return done


def forget(holdings: Holdings, tenant: str, now_ms: int, advance: Advance) -> Erased:
    """Delete a tenant's keys, its blobs, and what of it was never sealed. Raises LogError, OSError."""
    holdings.keyring.forget(tenant)
    return _forget_records(holdings, {tenant}, now_ms, advance)


def apply_again(holdings: Holdings, now_ms: int, advance: Advance) -> tuple[int, Erased]:
    """Every erasure and every forgotten tenant once more, on a log that comes from a backup; how many, and what it did.

    Raises LogError, OSError; KeyringError where the journal can't be read with this keyring.
    """
    forgotten = set(holdings.keyring.forgotten())
    traces: dict[str, list[Traces]] = defaultdict(list)
    for erasure in holdings.keyring.erasures():
        if erasure.tenant in forgotten:
            continue
        address = _address_in(erasure, holdings.keyring)
        traces[erasure.tenant].append(Traces.of(address, stand_in(erasure.recipient_hash, address)))
    done = _take_out(holdings, traces, now_ms, advance) if traces else Erased()
    if forgotten:
        done = _together(done, _forget_records(holdings, forgotten, now_ms, advance))
    return sum(map(len, traces.values())) + len(forgotten), done


def _address_in(erasure: Erasure, keyring: Keyring) -> str:
    place = _journal_place(erasure.tenant, erasure.recipient_hash)
    try:
        return unseal(
            keyring.data_key(erasure.tenant), place, base64.b64decode(erasure.sealed_address)
        ).decode()
    except (Forgotten, DamagedSeal, ValueError) as error:
        raise KeyringError(
            f"the journal holds an erasure of tenant {erasure.tenant} that this keyring can't read ({error}): the journal "
            "and the keyring belong together, put back both from one copy"
        ) from None


def _journal_place(tenant: str, hashed: str) -> bytes:
    return f"erasure\x1f{tenant}\x1f{hashed}".encode()


def _take_out(
    holdings: Holdings, traces: Mapping[str, Sequence[Traces]], now_ms: int, advance: Advance
) -> Erased:
    done, changes, rewritten = Erased(), _Changes(holdings.log, now_ms), set[tuple[str, str]]()
    everyone = [trace for some in traces.values() for trace in some]
    for one in _all(holdings.log, DOCUMENTS):
        advance("documents", 1)
        document = one.event
        if document is None and _mentions_raw(one, traces):
            where = done.masked if changes.mask(one.place, one.value) else done.waiting
            where.append(str(one.place))
        if not isinstance(document, DocumentReceived) or document.tenant not in traces:
            continue
        try:
            clean = cleaned(document, traces[document.tenant], holdings.blobs, holdings.keyring)
        except OutOfBudget:
            done.unsearched.append(document.receipt_id)
            continue
        blob = (document.tenant, document.sha256)
        if clean is None and document.content is None and blob in rewritten:
            clean = Cleaned(document.model_copy(update={"erased": document.erased + 1}), None, False)
        if clean is None:
            continue
        if clean.blob is not None:
            holdings.blobs.replace(*blob, clean.blob)
            rewritten.add(blob)
        changes.replace(one, clean.document)
        done.documents.append(document.receipt_id)
        if clean.is_emptied:
            done.emptied.append(document.receipt_id)
    for one, letter in _letters(holdings.log, advance):
        if _letter_mentions(letter, traces, holdings, done):
            _let_go(changes, one, letter, everyone, done)
    return _finish(holdings, changes, done)


def _forget_records(holdings: Holdings, tenants: set[str], now_ms: int, advance: Advance) -> Erased:
    done, changes = Erased(), _Changes(holdings.log, now_ms)
    for one in _all(holdings.log, DOCUMENTS):
        advance("documents", 1)
        document = one.event
        if not isinstance(document, DocumentReceived) or document.tenant not in tenants:
            continue
        if document.content is None or is_clear(document, holdings.blobs):
            changes.replace(one, emptied(document))
            done.documents.append(document.receipt_id)
    for one, letter in _letters(holdings.log, advance):
        origin = _origin_key(holdings.log, letter)
        inside = decoded(letter.content)
        if tenant_of(origin) in tenants or (inside is not None and inside.tenant in tenants):
            _let_go(changes, one, letter, (), done)
    done = _finish(holdings, changes, done)
    for tenant in tenants:
        holdings.blobs.remove_all(tenant)
    return done


def _all(log: Log, topic: str) -> Iterator[Held]:
    """What may be read again: in SQLite also what only waits for compaction, since it can be changed where it is."""
    return held(log, topic, superseded=isinstance(log, SqliteLog))


def _mentions_raw(one: Held, traces: Mapping[str, Sequence[Traces]]) -> bool:
    """Whether a record that can't be understood mentions somebody: as far as it can be looked through."""
    try:
        return any(mentions(one.value, some) for some in traces.values())
    except OutOfBudget:
        return False


def decoded(value: bytes) -> Event | None:
    """The event in a record; None where it can't be understood."""
    try:
        return decode(value)
    except Undecodable:
        return None


def _letters(log: Log, advance: Advance) -> Iterator[tuple[Held, DeadLetter]]:
    for topic in letters_topics(_topics(log)):
        for one in _all(log, topic):
            advance("dead letters", 1)
            if isinstance(one.event, DeadLetter):
                yield one, one.event


def _letter_mentions(
    letter: DeadLetter, traces: Mapping[str, Sequence[Traces]], holdings: Holdings, done: Erased | None
) -> bool:
    try:
        return letter_mentions(letter, traces, holdings.blobs, holdings.keyring)
    except OutOfBudget:
        if done is not None:
            done.unsearched.append(
                DeadLetter.key_of(letter.origin_topic, letter.origin_partition, letter.origin_offset)
            )
        return False


def _let_go(
    changes: "_Changes", one: Held, letter: DeadLetter, traces: Sequence[Traces], done: Erased
) -> None:
    """Mask a dead letter, and the record that it was made of: nobody could understand that either."""
    changes.replace(one, letter_without(letter, traces))
    done.dead_letters += 1
    origin = Place(TopicPartition(letter.origin_topic, letter.origin_partition), letter.origin_offset)
    value = _origin_value(changes.log, letter)
    if value is None or str(origin) in (*done.masked, *done.waiting):
        return
    if changes.mask(origin, value):
        done.masked.append(str(origin))
    else:
        done.waiting.append(str(origin))


@dataclass(slots=True)
class _Changes:
    """What is to be written, gathered; in SQLite in the place of what was there, in Kafka behind it."""

    log: Log
    now_ms: int
    in_place: dict[TopicPartition, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))
    behind: list[tuple[Held, DocumentReceived | DeadLetter]] = field(default_factory=list)

    def replace(self, one: Held, event: DocumentReceived | DeadLetter) -> None:
        """Let this stand for that record from now on."""
        if isinstance(self.log, SqliteLog):
            self.in_place[one.place.source][one.place.offset] = as_value(event)[1]
            return
        if isinstance(event, DocumentReceived) and event.recorded_at < self.now_ms - TOLD_AGAIN_MS:
            event = event.model_copy(update={"is_copy": True})
        self.behind.append((one, event))

    def mask(self, place: Place, value: bytes) -> bool:
        """Let a record say nothing any more; False where the log can't."""
        if not isinstance(self.log, SqliteLog):
            return False
        self.in_place[place.source].setdefault(place.offset, masked(value))
        return True

    def write(self) -> list[str]:
        """Write it all; what then waits for Kafka's compaction. Raises LogError."""
        if isinstance(self.log, SqliteLog):
            self.log.erase(self.in_place)
            return []
        for one, event in self.behind:
            key, value = as_value(event)
            self.log.append(one.place.source.topic, [Record(one.key or key, value, self.now_ms)])
        return [str(one.place) for one, _ in self.behind]


def _finish(holdings: Holdings, changes: _Changes, done: Erased) -> Erased:
    done.waiting += changes.write()
    if isinstance(holdings.log, SqliteLog):
        done.settled = holdings.log.settle()
    return done


def _origin_value(log: Log, letter: DeadLetter) -> bytes | None:
    return _origin(log, letter)[1]


def _origin_key(log: Log, letter: DeadLetter) -> bytes | None:
    return _origin(log, letter)[0]


def _origin(log: Log, letter: DeadLetter) -> tuple[bytes | None, bytes | None]:
    """Key and value of the record that a dead letter was made of; nothing where it is gone."""
    source, offset = TopicPartition(letter.origin_topic, letter.origin_partition), letter.origin_offset
    try:
        if not log.begin(source) <= offset < log.end(source):
            return None, None
        batch = log.read(source, offset, 1)
    except OffsetGone:
        return None, None
    except LogError:
        if letter.origin_topic in _topics(log):
            raise
        return None, None
    return (batch.keys[0], batch.values[0]) if list(batch.offsets) == [offset] else (None, None)


def _events_of(
    log: Log, topic: str, tenant: str, hashed: str, advance: Advance
) -> Iterator[tuple[Event, Place]]:
    needle = hashed.encode()
    for source in log.partitions(topic):
        offset, end = log.begin(source), log.end(source)
        while offset < end and (batch := log.read(source, offset, 10_000)).next > offset:
            advance(topic, len(batch))
            for at, value in zip(batch.offsets, batch.values, strict=True):
                if value is not None and needle in value:
                    event = decoded(value)
                    if event is not None and event.tenant == tenant:
                        yield event, Place(source, at)
            offset = batch.next


def _told(
    place: Place, document: DocumentReceived, traces: Sequence[Traces], holdings: Holdings, contents: bool
) -> Iterator[dict[str, Any]]:
    content = readable(document, holdings.blobs, holdings.keyring)
    names = "\n".join(filter(None, (document.name, document.content_type)))
    try:
        if not mentions((content or b"") + b"\n" + names.encode(), traces):
            return
        searched = True
    except OutOfBudget:
        searched = False
    fields = document.model_dump(exclude={"content"})
    if contents and content is not None:
        fields["content"] = base64.b64encode(content).decode()
    yield {
        "is": "document" if searched else "document that could not be looked through",
        "at": str(place),
        **fields,
    }


def _together(one: Erased, other: Erased) -> Erased:
    return Erased(
        one.documents + other.documents,
        one.emptied + other.emptied,
        one.dead_letters + other.dead_letters,
        one.masked + other.masked,
        one.waiting + other.waiting,
        one.unsearched + other.unsearched,
        dict(Counter(one.in_clear) + Counter(other.in_clear)),
        one.settled and other.settled,
    )


def _topics(log: Log) -> Sequence[str]:
    return log.topics()  # type: ignore[attr-defined,no-any-return]


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
