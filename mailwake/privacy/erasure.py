"""One recipient's data, or one tenant's: taken out, forgotten.

Events hold a recipient's keyed hash and no address, so they stay, and a suppression goes on holding. Documents hold what
came in: an erasure puts a copy without the address in the place of each that mentions it. Forgetting a tenant deletes its
keys: what was sealed with them can never be read again, and its hashes belong to nobody.
"""

import base64
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from mailwake.privacy.changes import Changes
from mailwake.privacy.clear import events_in_clear
from mailwake.privacy.documents import (
    DOCUMENTS,
    Cleaned,
    Held,
    Place,
    cleaned,
    emptied,
    is_clear,
    letter_mentions,
    letter_without,
    mentions,
)
from mailwake.privacy.holdings import Advance, Holdings, all_of, decoded, known, letters_of, origin_of
from mailwake.privacy.layers import OutOfBudget
from mailwake.privacy.traces import Traces
from schemas.documents import DeadLetter, DocumentReceived
from schemas.erased import stand_in
from schemas.sealing import DamagedSeal, Forgotten, is_sealed, unseal
from streams.keyring.keyring import Erasure, Keyring, KeyringError, TenantForgotten
from streams.log import TopicPartition
from streams.sealed_documents import sealed
from streams.sealed_letters import tenant_of
from streams.sqlite.log import SqliteLog

HALF_WRITTEN_S = 3600
"""A blob that was begun longer ago is written by nobody any more."""


@dataclass(slots=True)
class Erased:
    """What an erasure has done."""

    documents: list[str] = field(default_factory=list)
    """Receipts whose documents were replaced by copies without the address."""
    emptied: list[str] = field(default_factory=list)
    """Of these: receipts whose whole content had to go."""
    blobs: list[str] = field(default_factory=list)
    """Digests of blobs that no document names, since whoever received them was killed: replaced likewise."""
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
    done, changes = Erased(), Changes(holdings.log, now_ms)
    rewritten, named = set[tuple[str, str]](), set[tuple[str, str]]()
    everyone = [trace for some in traces.values() for trace in some]
    for one in all_of(holdings.log, DOCUMENTS):
        advance("documents", 1)
        document = one.event
        if document is None and _mentions_raw(one, traces):
            where = done.masked if changes.mask(one.place, one.value) else done.waiting
            where.append(str(one.place))
        if not isinstance(document, DocumentReceived) or document.tenant not in traces:
            continue
        if document.content is None:
            named.add((document.tenant, document.sha256))
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
    for tenant, some in traces.items():
        _clean_unnamed(holdings, tenant, some, named, now_ms, done)
    for one, letter in letters_of(holdings, advance):
        if _letter_mentions(letter, traces, holdings, done):
            _let_go(changes, one, letter, everyone, done)
    return _finish(holdings, changes, done)


def _clean_unnamed(
    holdings: Holdings,
    tenant: str,
    traces: Sequence[Traces],
    named: Set[tuple[str, str]],
    now_ms: int,
    done: Erased,
) -> None:
    """Take recipients out of blobs that no document names: whoever received one was killed before its record was durable."""
    holdings.blobs.remove_half_written(tenant, now_ms / 1000 - HALF_WRITTEN_S)
    for digest in list(holdings.blobs.digests(tenant)):
        if (tenant, digest) in named:
            continue
        alone = DocumentReceived(tenant=tenant, receipt_id=digest, sha256=digest, size=0)
        try:
            clean = cleaned(alone, traces, holdings.blobs, holdings.keyring)
        except OutOfBudget:
            done.unsearched.append(digest)
            continue
        if clean is not None and clean.blob is not None:
            holdings.blobs.replace(tenant, digest, clean.blob)
            done.blobs.append(digest)


def _forget_records(holdings: Holdings, tenants: set[str], now_ms: int, advance: Advance) -> Erased:
    done, changes = Erased(), Changes(holdings.log, now_ms)
    for one in all_of(holdings.log, DOCUMENTS):
        advance("documents", 1)
        document = one.event
        if not isinstance(document, DocumentReceived) or document.tenant not in tenants:
            continue
        if document.content is None or is_clear(document, holdings.blobs):
            changes.replace(one, emptied(document))
            done.documents.append(document.receipt_id)
    for one, letter in letters_of(holdings, advance):
        key, _ = origin_of(holdings.log, letter)
        inside = decoded(letter.content)
        if tenant_of(key) in tenants or (inside is not None and inside.tenant in tenants):
            _let_go(changes, one, letter, (), done)
    done = _finish(holdings, changes, done)
    for tenant in tenants:
        holdings.blobs.remove_all(tenant)
    return done


def _mentions_raw(one: Held, traces: Mapping[str, Sequence[Traces]]) -> bool:
    """Whether a record that can't be understood mentions somebody: as far as it can be looked through."""
    try:
        return any(mentions(one.value, some) for some in traces.values())
    except OutOfBudget:
        return False


def _letter_mentions(
    letter: DeadLetter, traces: Mapping[str, Sequence[Traces]], holdings: Holdings, done: Erased
) -> bool:
    try:
        return letter_mentions(letter, traces, holdings.blobs, holdings.keyring)
    except OutOfBudget:
        done.unsearched.append(
            DeadLetter.key_of(letter.origin_topic, letter.origin_partition, letter.origin_offset)
        )
        return False


def _let_go(changes: Changes, one: Held, letter: DeadLetter, traces: Sequence[Traces], done: Erased) -> None:
    """Mask a dead letter, and the record that it was made of: nobody could understand that either.

    One that was sealed with a key that is gone says nothing as it is.
    """
    kept = one.event.content if isinstance(one.event, DeadLetter) else b""
    if letter.content or not is_sealed(kept):
        changes.replace(one, letter_without(letter, traces))
    done.dead_letters += 1
    origin = Place(TopicPartition(letter.origin_topic, letter.origin_partition), letter.origin_offset)
    _, value = origin_of(changes.log, letter)
    if value is None or str(origin) in (*done.masked, *done.waiting):
        return
    if changes.mask(origin, value):
        done.masked.append(str(origin))
    else:
        done.waiting.append(str(origin))


def _finish(holdings: Holdings, changes: Changes, done: Erased) -> Erased:
    done.waiting += changes.write()
    if isinstance(holdings.log, SqliteLog):
        done.settled = holdings.log.settle()
    return done


def _together(one: Erased, other: Erased) -> Erased:
    return Erased(
        one.documents + other.documents,
        one.emptied + other.emptied,
        one.blobs + other.blobs,
        one.dead_letters + other.dead_letters,
        one.masked + other.masked,
        one.waiting + other.waiting,
        one.unsearched + other.unsearched,
        dict(Counter(one.in_clear) + Counter(other.in_clear)),
        one.settled and other.settled,
    )
