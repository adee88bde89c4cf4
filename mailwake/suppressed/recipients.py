"""Who is suppressed, as commands and the HTTP interface ask: the index beside the log, opened and kept up to date."""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mailwake.keyring.opening import KeysWhenAsked
from mailwake.opening import existing_any_log
from mailwake.registry import use_registry
from mailwake.settings import Settings, is_kafka
from processors.classification.stage import ClassifyStage
from processors.suppressions.stage import SuppressStage
from replay.lineage import FIRST, known_to_log, lineage
from schemas.keyring import TenantKeys
from schemas.mailbox import mailbox
from schemas.recipient import InvalidAddress, normalised, recipient_hash
from sinks.sink import SinkError
from sinks.suppressions.index import (
    ALL,
    TOPIC,
    IndexBehind,
    IndexUnusable,
    Source,
    Suppression,
    SuppressionIndex,
)
from streams.log import Log, LogError
from streams.sqlite.log import SqliteLog

_HASH = re.compile(r"[0-9a-fA-F]{32}")

FRESH_S = 0.5
"""How long a look-up relies on what it knows of the log."""

STALE_S = 30.0
"""How old that may get while the log does not answer: then nobody is called not suppressed any more."""


class UnknownRecipient(LogError):
    """No recipient that could be looked up: no address, no hash, or one of a tenant who was forgotten."""


@dataclass(slots=True)
class Suppressed:
    """Looks up who is suppressed; `opened` makes one. Any number of threads may ask.

    Nobody is called not suppressed before everything that the log says was taken in once, nor when that was more than
    `stale_s` ago.
    """

    log: Log
    index: SuppressionIndex
    keys: TenantKeys
    stale_s: float = STALE_S
    _known_at: float | None = None
    _unusable: str | None = None
    _fresh_until: float = 0.0
    _refreshing: threading.Lock = field(default_factory=threading.Lock)

    def follow(self) -> int:
        """Take in everything that is in the log, however long that takes; returns how many records that were.

        Raises LogError, IndexUnusable, IndexBehind.
        """
        begun = time.monotonic()
        try:
            taken = self.index.follow(self.log, source_of(self.log))
        except SinkError as error:
            self._unusable = str(error)
            raise
        self._known_at, self._unusable = begun, None
        return taken

    def refresh(self) -> None:
        """The same, when it was done more than `FRESH_S` ago; whoever asks meanwhile relies on what is known.

        Raises LogError, IndexUnusable, IndexBehind.
        """
        if time.monotonic() < self._fresh_until or not self._refreshing.acquire(blocking=False):
            return
        try:
            self.follow()
            self._fresh_until = time.monotonic() + FRESH_S
        finally:
            self._refreshing.release()

    def hash_of(self, tenant: str, address_or_hash: str) -> str:
        """The recipient's hash. Raises UnknownRecipient, and what the keyring raises."""
        return hash_of(self.keys, tenant, address_or_hash)

    def look_up(
        self, tenant: str, address_or_hash: str, stream: str | None = None
    ) -> tuple[Suppression, ...]:
        """What is suppressed of a recipient: by stream, or only what holds for one. Empty when nothing is.

        Raises UnknownRecipient, LogError, IndexUnusable, IndexBehind, and what the keyring raises.
        """
        self.refresh()
        return self.known(tenant, address_or_hash, stream)

    def known(self, tenant: str, address_or_hash: str, stream: str | None = None) -> tuple[Suppression, ...]:
        """The same, as `follow` last left it: nobody waits for the log.

        Raises UnknownRecipient, IndexUnusable, IndexBehind, and what the keyring raises.
        """
        self._require_known()
        who = self.hash_of(tenant, address_or_hash)
        held = self.index.of_recipient(tenant, who)
        return held if stream is None else tuple(one for one in held if one.stream in (stream, ALL))

    def _require_known(self) -> None:
        if self._unusable is not None:
            raise IndexUnusable(self._unusable)
        if self._known_at is None:
            raise IndexBehind(
                f"the index of suppressions {self.index.path} is being filled: ask again in some seconds"
            )
        if time.monotonic() - self._known_at > self.stale_s:
            raise IndexBehind(
                f"what the log says of suppressions could not be read for more than {self.stale_s:g} s: who is suppressed "
                "can be said again when it answers"
            )


def hash_of(keys: TenantKeys, tenant: str, address_or_hash: str) -> str:
    """The hash of a recipient who is given by address, or by the hash itself.

    Raises UnknownRecipient, and what the keyring raises.
    """
    return hash_and_domain(keys, tenant, address_or_hash)[0]


def hash_and_domain(keys: TenantKeys, tenant: str, address_or_hash: str) -> tuple[str, str | None]:
    """The same, with the domain of an address.

    Raises UnknownRecipient, and what the keyring raises.
    """
    if "@" not in address_or_hash:
        given = address_or_hash.strip()
        if not _HASH.fullmatch(given):
            raise UnknownRecipient(
                f"{given[:40]!r} is neither an address nor a recipient_hash (32 hex digits)"
            )
        return given.lower(), None
    key = keys.hashing_key(tenant)
    if key is None:
        raise UnknownRecipient(
            f"tenant {tenant} was forgotten: its recipients can be looked up by their recipient_hash only"
        )
    try:
        address = mailbox(address_or_hash)
        return recipient_hash(key, address), normalised(address).rpartition("@")[2]
    except InvalidAddress as error:
        raise UnknownRecipient(f"{address_or_hash[:80]!r} is no address: {error}") from None


def source_of(log: Log) -> Source:
    """The topics that hold the suppressions of the live generation."""
    live = FIRST
    if isinstance(log, SqliteLog):
        live = lineage(log, known_to_log(log) or FIRST.number) or FIRST
    return Source(live.number, live.parts(TOPIC))


def index_path(settings: Settings) -> Path:
    """Where the index is: as set, else beside a log in SQLite, and here for one in Kafka."""
    if settings.suppressions is not None:
        return settings.suppressions
    if is_kafka(settings.log):
        return Path("mailwake.suppressions")
    return settings.log_path.with_suffix(".suppressions")


def open_suppressed(settings: Settings, log: Log) -> Suppressed:
    """Look-ups over a log that is open already; the index is the caller's to close. Raises IndexUnusable."""
    return Suppressed(log, SuppressionIndex(index_path(settings)), KeysWhenAsked(settings))


@contextmanager
def opened(settings: Settings) -> Iterator[Suppressed]:
    """Look-ups over the log that the settings name, which must exist, brought up to date.

    Waits until everything is taken in. Raises SettingsError, LogError, IndexUnusable, IndexBehind.
    """
    with ExitStack() as stack:
        use_registry(settings)
        log = existing_any_log(settings)
        stack.callback(log.close)
        suppressed = open_suppressed(settings, log)
        stack.callback(suppressed.index.close)
        suppressed.follow()
        yield suppressed


def waiting(log: Log) -> int:
    """How many records of a log in SQLite wait to be classified, or to be taken as evidence; 0 of one in Kafka.

    Kafka's workers are asked by `mailwake status`.
    """
    if not isinstance(log, SqliteLog):
        return 0
    live = lineage(log, known_to_log(log) or FIRST.number) or FIRST
    stages: Sequence[type[ClassifyStage] | type[SuppressStage]] = (ClassifyStage, SuppressStage)
    left = 0
    for stage in stages:
        done = log.committed(live.live.group(stage.name))
        left += sum(log.end(source) - done.get(source, 0) for source in log.partitions(stage.reads))
    return left
