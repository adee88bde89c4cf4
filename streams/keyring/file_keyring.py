"""A keyring in one file that only its owner can read, and the journal of erasures beside it.

The file is JSON and replaced whole: whoever reads it sees it before a change or after. Writers take turns by a lock
beside it. Several processes on one machine, or on a file system that they share, can use one; each looks at most half a
second later whether another has changed it.
"""

import hashlib
import json
import logging
import secrets
import stat
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.record import now_ms
from streams.durable_file import replace_durably
from streams.file_lock import FileLock
from streams.keyring.keyring import (
    Erasure,
    Keyring,
    KeyringError,
    KeyringUnavailable,
    Keys,
    NoKeyring,
    OtherKeyring,
)

logger = logging.getLogger(__name__)

FORMAT = "mailwake keyring 1"
LOOK_EVERY_S = 0.5
LOCK_S = 10.0
"""How long a writer waits for its turn."""

_Version = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Content:
    tenants: Mapping[str, Keys] = field(default_factory=dict)
    forgotten: Mapping[str, int] = field(default_factory=dict)
    identity: str | None = None
    """None of a file that was made before keyrings had one."""


class FileKeyring(Keyring):
    """`Keyring` in a file; `open` makes one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = threading.Lock()
        self._version: _Version = None
        self._content = _Content()
        self._next_look = 0.0
        self._warned = False

    @classmethod
    def open(cls, path: Path, *, create: bool) -> "FileKeyring":
        """The keyring at a path, made first where `create` says so. Raises NoKeyring, KeyringError."""
        keyring = cls(path)
        if not path.exists():
            if not create:
                raise NoKeyring(
                    f"there is no keyring at {path.absolute()}, and every process on this log must have the same one: "
                    "mailwake keyring init makes it, once; then give each process that file, or let MAILWAKE_KEYRING "
                    "name where it is"
                )
            keyring._make_folder()
            with keyring._changing():
                pass
            logger.info(
                "made the keyring %s: keep a copy of it apart from the log's backups", path.absolute()
            )
        with keyring._thread:
            keyring._look()
        return keyring

    @property
    def journal(self) -> Path:
        """Where erasures are kept."""
        return journal_of(self.path)

    def keys(self, tenant: str) -> Keys | None:
        """See `Keyring.keys`."""
        content = self._now()
        keys = content.tenants.get(tenant)
        if keys is not None or tenant in content.forgotten:
            return keys
        with self._changing() as (tenants, forgotten):
            if tenant not in forgotten:
                tenants.setdefault(tenant, Keys.new(now_ms()))
        return self._content.tenants.get(tenant)

    def identity(self, *, create: bool = True) -> str | None:
        """See `Keyring.identity`."""
        if self._now().identity is None and create:
            with self._changing():
                pass
        return self._content.identity

    def tenants(self) -> Sequence[str]:
        """See `Keyring.tenants`."""
        return sorted(self._now().tenants)

    def forgotten(self) -> Sequence[str]:
        """See `Keyring.forgotten`."""
        return sorted(self._now().forgotten)

    def forget(self, tenant: str) -> bool:
        """See `Keyring.forget`."""
        with self._changing() as (tenants, forgotten):
            known = tenants.pop(tenant, None) is not None or tenant not in forgotten
            forgotten.setdefault(tenant, now_ms())
        return known

    def readmit(self, tenant: str) -> None:
        """See `Keyring.readmit`."""
        with self._changing() as (tenants, forgotten):
            if forgotten.pop(tenant, None) is None:
                raise KeyringError(f"tenant {tenant} was not forgotten: mailwake keyring list")
            tenants[tenant] = Keys.new(now_ms())

    def erasures(self) -> Sequence[Erasure]:
        """See `Keyring.erasures`."""
        try:
            lines = self.journal.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise KeyringError(f"{self.journal}: {error.strerror}") from None
        found: list[Erasure] = []
        for number, line in enumerate(lines, 1):
            try:
                found.append(Erasure.of(line))
            except ValueError as error:
                raise KeyringError(
                    f"{self.journal}, line {number} is damaged ({error}): put back a copy of the file"
                ) from None
        return found

    def record(self, erasure: Erasure) -> None:
        """See `Keyring.record`."""
        with self._locked():
            known = self.erasures()
            if any((e.tenant, e.recipient_hash) == (erasure.tenant, erasure.recipient_hash) for e in known):
                return
            replace_durably(self.journal, "".join(f"{e.line()}\n" for e in (*known, erasure)))

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KeyringError(
                f"the folder of the keyring {self.path} can't be made: {error.strerror}"
            ) from None

    def _now(self) -> _Content:
        """What the file holds, as of half a second ago at most."""
        if time.monotonic() >= self._next_look:
            with self._thread:
                self._look()
        return self._content

    def _look(self) -> None:
        try:
            version = _version(self.path)
            if version is None:
                raise NoKeyring(
                    f"the keyring {self.path.absolute()} is gone: put it back; without it nothing that was sealed can be read"
                )
            if version != self._version:
                content = _parsed(self.path)
                if self._content.identity not in (None, content.identity):
                    raise OtherKeyring(
                        f"the keyring {self.path.absolute()} was replaced by another one while it was in use (id "
                        f"{content.identity}, was {self._content.identity}): put the former back, or start this process anew"
                    )
                self._content = content
                self._version = version
                self._warn_of_readers()
        except OSError as error:
            raise KeyringError(f"the keyring {self.path}: {error.strerror}") from None
        self._next_look = time.monotonic() + LOOK_EVERY_S

    def _warn_of_readers(self) -> None:
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if mode & 0o077 and not self._warned:
            self._warned = True
            logger.warning(
                "others than its owner can read the keyring %s: chmod 600 %s", self.path, self.path
            )

    @contextmanager
    def _changing(self) -> Iterator[tuple[dict[str, Keys], dict[str, int]]]:
        """What the file holds, to be changed: written whole when the block ends, left as it was if it raises."""
        with self._locked():
            now = _parsed(self.path) if self.path.exists() else _Content()
            tenants, forgotten = dict(now.tenants), dict(now.forgotten)
            yield tenants, forgotten
            if (tenants, forgotten) != (now.tenants, now.forgotten) or now.identity is None:
                identity = now.identity or _new_identity(now.tenants)
                replace_durably(self.path, _text(_Content(tenants, forgotten, identity)))
            self._look()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._thread:
            lock = FileLock(self.path.with_name(self.path.name + ".lock"))
            try:
                if not lock.acquire(time.monotonic() + LOCK_S):
                    raise KeyringUnavailable(
                        f"the keyring {self.path} is held by process {lock.holder()} for more than {LOCK_S:.0f} s"
                    )
                yield
            except OSError as error:
                raise KeyringError(
                    f"the keyring {self.path} can't be written: {error.strerror}; let MAILWAKE_KEYRING name a place "
                    "that this user may write to"
                ) from None
            finally:
                lock.close()


def journal_of(keyring: Path) -> Path:
    """Where the journal of erasures is: beside the keyring."""
    return keyring.with_name(keyring.name + ".erasures")


def _new_identity(tenants: Mapping[str, Keys]) -> str:
    """A random one; of a keyring that has keys already, one that each copy of it gives itself as well."""
    if not tenants:
        return secrets.token_hex(16)
    _, _, oldest = min((keys.created_at, tenant, keys.hashing) for tenant, keys in tenants.items())
    return hashlib.sha256(b"mailwake keyring id" + oldest).hexdigest()[:32]


def _text(content: _Content) -> str:
    held = {tenant: content.tenants[tenant].fields() for tenant in sorted(content.tenants)}
    forgotten = dict(sorted(content.forgotten.items()))
    fields = {"format": FORMAT, "id": content.identity, "tenants": held, "forgotten": forgotten}
    return json.dumps(fields, indent=1) + "\n"


def _parsed(path: Path) -> _Content:
    try:
        held: Any = json.loads(path.read_text("utf-8"))
        if held["format"] != FORMAT:
            raise ValueError(f"format {held['format']!r}")
        tenants = {str(tenant): Keys.of(fields) for tenant, fields in held["tenants"].items()}
        forgotten = {str(tenant): int(at) for tenant, at in held["forgotten"].items()}
        return _Content(tenants, forgotten, str(held["id"]) if held.get("id") else None)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        said = str(error) if type(error) is ValueError else type(error).__name__
        raise KeyringError(
            f"{path} is no keyring that can be read (wants {FORMAT}; {said}): put back a copy of it. A new one would "
            "have other keys, and what was sealed could never be read again"
        ) from None


def _version(path: Path) -> _Version:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
