"""The configured hooks with who judges their requests, read again when hooks.toml changes, or a file that it names.

A hook that can't be used as it is configured keeps no other from being used.
"""

import hashlib
import hmac
import logging
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sources.hooks.configured import Hook, InvalidHook, hook_from, secret_files, secret_of
from sources.hooks.signature import Verifier
from sources.intake.kept_file import Watched
from sources.intake.seldom import Seldom

logger = logging.getLogger("mailwake.intake")
_SELDOM = Seldom()

_Url = tuple[str, bytes]
"""A provider, and the SHA-256 of a token."""


@dataclass(frozen=True, slots=True)
class Mounted:
    """A hook, and who judges what is posted to it."""

    hook: Hook
    verifier: Verifier


class HookUnusable(Exception):
    """A URL of a hook that can't be used as it is configured."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What a file says: the hooks by their URLs, and what is wrong with others, by their names."""

    mounted: Mapping[_Url, Mounted] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    unusable_at: Mapping[_Url, str] = field(default_factory=dict)
    """The names of these, where their URLs are known."""


class HookFile:
    """The hooks in a file. Those that a change leaves alone keep what their verifiers remember.

    A hook that worked and can't be used any more as it is configured now stays what it was, a new one is not there but said
    to be unusable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._named: tuple[Path, ...] = ()
        self._before = self._no_file = _Read()
        self._watched: Watched[_Read] = Watched(path, self._parsed, self._no_file, named=lambda: self._named)

    def hooks(self) -> Mapping[_Url, Mounted]:
        """By provider and the token's SHA-256; up to a second old. Raises InvalidHook at first, for what is no TOML."""
        return self._watched.value().mounted

    @property
    def was_used(self) -> bool:
        """Whether there ever was a hook in it, or something that should have been one."""
        return self._watched.said_something

    def find(self, provider: str, token: str) -> Mounted | None:
        """The hook behind a URL; None where there is none. The time it takes tells nothing of any token.

        Raises HookUnusable for one that can't be used, and for any while a file is away that had some: a 404 would be the
        last that some providers ask.
        """
        read, url = self._watched.value(), (provider, _hash(token))
        found = read.mounted.get(url)
        if found is None or not hmac.compare_digest(found.hook.token.encode(), token.encode()):
            if url in read.unusable_at:
                raise HookUnusable(read.unusable_at[url])
            if read is self._no_file and self.was_used:
                _SELDOM.warning(str(self.path), "%s is away: what is posted is told to come again", self.path)
                raise HookUnusable(str(self.path))
            return None
        return found

    def _parsed(self, text: str) -> _Read:
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidHook(f"{self.path} is no TOML: {error}") from None
        self._named = secret_files(tables)
        by_name = {mounted.hook.name: mounted for mounted in self._before.mounted.values()}
        mounted: dict[_Url, Mounted] = {}
        unusable: dict[str, str] = {}
        unusable_at: dict[_Url, str] = {}
        for name, table in tables.items():
            before = by_name.get(name)
            try:
                found = _mounted(name, table, before, mounted)
            except InvalidHook as error:
                unusable[name] = str(error)
                if before is None or _url(before.hook) in mounted:
                    unusable_at |= dict.fromkeys(_urls(name, table), name)
                    continue
                found = before
            mounted[_url(found.hook)] = found
        self._tell(unusable, {one.hook.name for one in mounted.values()})
        self._before = _Read(mounted, unusable, unusable_at)
        return self._before

    def _tell(self, unusable: Mapping[str, str], still_there: set[str]) -> None:
        for name, why in unusable.items():
            if self._before.unusable.get(name) != why:
                what = (
                    "it stays as it was" if name in still_there else "nothing of it is taken; the others work"
                )
                logger.error("%s. Mend that in %s; until then %s", why, self.path, what)
        for name in self._before.unusable.keys() & still_there - unusable.keys():
            logger.info("hook %s can be used again", name)


def _mounted(name: str, table: object, before: Mounted | None, others: Mapping[_Url, Mounted]) -> Mounted:
    from sources.hooks.verifiers import verifier_of

    hook = hook_from(name, table)
    if _url(hook) in others:
        raise InvalidHook(
            f"hook {name}: token is that of hook {others[_url(hook)].hook.name}; give each its own"
        )
    return before if before is not None and before.hook == hook else Mounted(hook, verifier_of(hook))


def _urls(name: str, table: Any) -> list[_Url]:
    """Where a hook that can't be used would be: nowhere, if not even that is known."""
    if not isinstance(table, Mapping):
        return []
    provider, token = table.get("provider"), table.get("token")
    if not (isinstance(provider, str) and isinstance(token, str)):
        return []
    try:
        return [(provider, _hash(secret_of(name, "token", token)))]
    except InvalidHook:
        return []


def _url(hook: Hook) -> _Url:
    return hook.provider, _hash(hook.token)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
