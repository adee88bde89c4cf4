"""Where personal data is, and how it is walked through: documents, dead letters, the records these were made of."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mailwake.privacy.documents import Held, held, letters_topics, opened_letter
from schemas.codec import Undecodable, decode
from schemas.documents import DeadLetter
from schemas.recipient import recipient_hash
from schemas.record import Event
from streams.blobs import Blobs
from streams.file_lock import FileLock
from streams.keyring.keyring import Keyring, TenantForgotten
from streams.log import Log, LogError, NotedLog, OffsetGone, TopicPartition
from streams.sealed_letters import OpensLetters
from streams.sqlite.connections import beside
from streams.sqlite.log import SqliteLog

Advance = Callable[[str, int], None]
"""Told that so many more records were looked through."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """Where personal data is."""

    log: NotedLog
    blobs: Blobs
    keyring: Keyring

    @contextmanager
    def alone(self, waits_for: Callable[[int | None], None]) -> Iterator[None]:
        """No other erasure here meanwhile: each would write back whom the other has taken out of the same document.

        Waits for one that is at it, and tells its process id first. On Kafka that is for processes with the same blobs.
        """
        log = self.log
        path = (
            beside(log.path, ".erase.lock")
            if isinstance(log, SqliteLog)
            else self.blobs.folder / ".erase.lock"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            if not lock.acquire(time.monotonic() + SOON_S):
                waits_for(lock.holder())
                lock.acquire(math.inf)
            yield
        finally:
            lock.close()


SOON_S = 1.0
"""An erasure that ends within this is waited for without a word."""


class UnknownTenant(LogError):
    """A tenant that has no keys and never had any."""


def check_known(keyring: Keyring, tenant: str) -> None:
    """Raises UnknownTenant for one that never had keys: asking for them would make some."""
    if tenant not in (*keyring.tenants(), *keyring.forgotten()):
        raise UnknownTenant(
            f"tenant {tenant} is not known: it has no keys, so nothing was ever kept for it (mailwake keyring list)"
        )


def known(keyring: Keyring, tenant: str, address: str) -> str:
    """The hash by which a tenant knows a recipient. Raises InvalidAddress, TenantForgotten."""
    key = keyring.hashing_key(tenant)
    if key is None:
        raise TenantForgotten(
            f"tenant {tenant} was forgotten: nothing of it can be found by an address any more"
        )
    return recipient_hash(key, address)


def all_of(log: Log, topic: str) -> Iterator[Held]:
    """What may be read again: in SQLite also what only waits for compaction, since it can be changed where it is."""
    return held(log, topic, superseded=isinstance(log, SqliteLog))


def decoded(value: bytes) -> Event | None:
    """The event in a record; None where it can't be understood."""
    try:
        return decode(value)
    except Undecodable:
        return None


def letters_of(holdings: Holdings, advance: Advance) -> Iterator[tuple[Held, DeadLetter]]:
    """Every dead letter, of every generation: as it is kept, and with its bytes unsealed (`opened_letter`)."""
    opens = OpensLetters(holdings.keyring)
    for topic in letters_topics(holdings.log.topics()):
        for one in all_of(holdings.log, topic):
            advance("dead letters", 1)
            if isinstance(one.event, DeadLetter):
                yield one, opened_letter(one.event, opens)


def origin_of(log: NotedLog, letter: DeadLetter) -> tuple[bytes | None, bytes | None]:
    """Key and value of the record that a dead letter was made of; nothing where it is gone."""
    source, offset = TopicPartition(letter.origin_topic, letter.origin_partition), letter.origin_offset
    try:
        if not log.begin(source) <= offset < log.end(source):
            return None, None
        batch = log.read(source, offset, 1)
    except OffsetGone:
        return None, None
    except LogError:
        if letter.origin_topic in log.topics():
            raise
        return None, None
    return (batch.keys[0], batch.values[0]) if list(batch.offsets) == [offset] else (None, None)
