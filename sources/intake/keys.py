"""API keys: who may emit, ingest and read, and as which tenant. At rest there are only their hashes.

A key is `mwk_<id>_<secret>`; the id finds it in the file, the secret (256 random bits) proves it. A secret that nobody
can guess needs no slow hash: SHA-256 is kept of it.

    [[key]]
    id = "4f1c9a2be07d"
    name = "billing"
    tenant = "default"
    scopes = ["emit"]
    sha256 = "…"
    created = "2026-11-30T10:00:00Z"
    revoked = "2026-12-01T08:00:00Z"     # once it is
"""

import hashlib
import hmac
import re
import secrets
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from sources.intake.kept_file import Watched, written
from streams.file_lock import FileLock

Scope = Literal["emit", "ingest", "read"]
"""emit: POST /v1/events; ingest: POST /v1/documents; read: the GETs."""
SCOPES: tuple[Scope, ...] = get_args(Scope)

_KEY = re.compile(r"mwk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})").fullmatch
_TURN_S = 10.0
_PATIENCE_S = 10.0
"""How long keys are good while their file can't be read: one of them may have been revoked."""


class InvalidKeys(ValueError):
    """The file of keys can't be used, or a key can't be made so; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, as the file has it."""

    id: str
    name: str
    tenant: str
    scopes: tuple[Scope, ...]
    sha256: str
    created: str
    revoked: str | None = None

    def is_proved_by(self, secret: str) -> bool:
        """Whether this is the key's secret; compared in constant time."""
        return hmac.compare_digest(self.sha256, _hash(secret))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: a tenant, and what it may do."""

    tenant: str
    scopes: frozenset[Scope]
    key: str | None = None
    """The id of its key, for logs; None without one."""


class KeyFile:
    """The keys in a file, read again when it changes; changed by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._watched: Watched[Mapping[str, ApiKey]] = Watched(path, parsed, {}, patience_s=_PATIENCE_S)

    def keys(self) -> Mapping[str, ApiKey]:
        """All keys by id, revoked ones too; as the file is now, or was up to a second ago.

        Raises InvalidKeys, OSError at first; TooOld once the file could not be read for ten seconds.
        """
        return self._watched.value()

    @property
    def was_used(self) -> bool:
        """Whether there ever was a key in it, or something that should have been one."""
        return self._watched.said_something

    def caller(self, token: str) -> Caller | None:
        """Who a key says it is; None for no key of ours, or one that was revoked. Raises TooOld."""
        found = _KEY(token)
        key = self.keys().get(found[1]) if found else None
        if found is None or key is None or not key.is_proved_by(found[2]) or key.revoked:
            return None
        return Caller(key.tenant, frozenset(key.scopes), key.id)

    def create(self, name: str, tenant: str, scopes: Sequence[str]) -> tuple[ApiKey, str]:
        """A new key, and what its user has to send: it is nowhere else. Raises InvalidKeys, OSError."""
        chosen = tuple(scope for scope in SCOPES if scope in scopes)
        if not chosen or set(scopes) - set(SCOPES):
            raise InvalidKeys(f"scopes: got {', '.join(scopes) or 'none'}, wants some of {', '.join(SCOPES)}")
        _check_words(name, tenant)
        secret = secrets.token_urlsafe(32)
        key = ApiKey(secrets.token_hex(6), name, tenant, chosen, _hash(secret), _now())
        with self._changing() as keys:
            keys[key.id] = key
        return key, f"mwk_{key.id}_{secret}"

    def revoke(self, id_or_name: str) -> ApiKey:
        """Let a key open nothing any more. Raises InvalidKeys where there is no such key, or several; OSError."""
        with self._changing() as keys:
            found = [key for key in keys.values() if id_or_name in (key.id, key.name) and not key.revoked]
            if len(found) != 1:
                some = ", ".join(key.id for key in found)
                raise InvalidKeys(
                    f"several keys are named {id_or_name}: say which, {some}"
                    if found
                    else f"there is no key {id_or_name} that could be revoked: mailwake keys list"
                )
            keys[found[0].id] = replace(found[0], revoked=_now())
            return keys[found[0].id]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, ApiKey]]:
        lock = FileLock(self.path.with_name(self.path.name + ".lock"))
        try:
            if not lock.acquire(time.monotonic() + _TURN_S):
                raise InvalidKeys(f"{self.path} is being changed by process {lock.holder()}: try again")
            keys = dict(parsed(self.path.read_text("utf-8"))) if self.path.exists() else {}
            yield keys
            written(self.path, as_toml(keys))
        finally:
            lock.close()


def parsed(text: str) -> Mapping[str, ApiKey]:
    """The keys in a file's text. Raises InvalidKeys."""
    try:
        tables = tomllib.loads(text).get("key", [])
        keys = [_key(table) for table in tables]
    except (tomllib.TOMLDecodeError, TypeError, AttributeError) as error:
        raise InvalidKeys(f"the file of keys can't be read: {error}") from None
    return {key.id: key for key in keys}


def as_toml(keys: Mapping[str, ApiKey]) -> str:
    """A file's text."""
    return "# API keys: mailwake keys create|list|revoke\n" + "".join(_table(key) for key in keys.values())


def _key(table: Mapping[str, Any]) -> ApiKey:
    key = ApiKey(**{**table, "scopes": tuple(table.get("scopes", ()))})
    texts = (key.id, key.name, key.tenant, key.sha256, key.created, *key.scopes)
    if not all(isinstance(text, str) for text in texts) or set(key.scopes) - set(SCOPES):
        raise InvalidKeys(f"the file of keys: key {key.id} has something that is no text, or no scope")
    return key


def _table(key: ApiKey) -> str:
    scopes = ", ".join(f'"{scope}"' for scope in key.scopes)
    lines = [f'id = "{key.id}"', f'name = "{key.name}"', f'tenant = "{key.tenant}"', f"scopes = [{scopes}]"]
    lines += [f'sha256 = "{key.sha256}"', f'created = "{key.created}"']
    lines += [f'revoked = "{key.revoked}"'] if key.revoked else []
    return "\n[[key]]\n" + "\n".join(lines) + "\n"


def _check_words(name: str, tenant: str) -> None:
    for what, text in (("name", name), ("tenant", tenant)):
        if not text or not text.isprintable() or set(text) & set('"\\/') or len(text) > 200:
            raise InvalidKeys(f'{what}: wants 1 to 200 printable characters without " \\ and /')


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
