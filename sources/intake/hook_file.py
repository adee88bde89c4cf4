"""The configured hooks with who judges their requests, read again when hooks.toml changes, or a file that it names."""

import hashlib
import hmac
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sources.hooks.configured import Hook, InvalidHook, hooks_from, secret_files
from sources.hooks.signature import Verifier
from sources.intake.kept_file import Watched


@dataclass(frozen=True, slots=True)
class Mounted:
    """A hook, and who judges what is posted to it."""

    hook: Hook
    verifier: Verifier


class HookFile:
    """The hooks in a file. Those that a change leaves alone keep what their verifiers remember."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mounted: dict[Hook, Mounted] = {}
        self._named: tuple[Path, ...] = ()
        self._watched: Watched[Mapping[tuple[str, bytes], Mounted]] = Watched(
            path, self._parsed, {}, named=lambda: self._named
        )

    def hooks(self) -> Mapping[tuple[str, bytes], Mounted]:
        """By provider and the token's SHA-256; up to a second old. Raises InvalidHook at first."""
        return self._watched.value()

    @property
    def was_used(self) -> bool:
        """Whether there ever was a hook in it, or something that should have been one."""
        return self._watched.said_something

    def find(self, provider: str, token: str) -> Mounted | None:
        """The hook behind a URL; None where there is none. The time it takes tells nothing of any token."""
        found = self.hooks().get((provider, _hash(token)))
        if found is None or not hmac.compare_digest(found.hook.token.encode(), token.encode()):
            return None
        return found

    def _parsed(self, text: str) -> Mapping[tuple[str, bytes], Mounted]:
        from sources.hooks.verifiers import verifier_of

        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidHook(f"{self.path} is no TOML: {error}") from None
        self._named = secret_files(tables)
        before = self._mounted
        self._mounted = {
            hook: before.get(hook) or Mounted(hook, verifier_of(hook)) for hook in hooks_from(tables)
        }
        return {(hook.provider, _hash(hook.token)): mounted for hook, mounted in self._mounted.items()}


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
