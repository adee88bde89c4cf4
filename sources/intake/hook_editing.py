"""Adding hooks to hooks.toml and removing them, leaving everything else in the file as its owner wrote it."""

import json
import os
import re
import secrets
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sources.hooks.configured import Hook, InvalidHook, hooks_from, secret_of
from sources.hooks.verifiers import require_usable
from sources.intake.kept_file import written
from streams.file_lock import FileLock

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_TURN_S = 10.0


def hooks_in(path: Path) -> tuple[Hook, ...]:
    """The hooks of a file, none where there is no file; secrets that are elsewhere are not looked up.

    Raises InvalidHook, OSError.
    """
    return _parsed(path, path.read_text("utf-8")) if path.exists() else ()


def token_of(path: Path, name: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The end of a hook's URL, looked up where the file says it is; None for no hook. Raises InvalidHook, OSError."""
    hook = next((hook for hook in hooks_in(path) if hook.name == name), None)
    return None if hook is None else secret_of(name, "token", hook.token, environment)


def trouble_with(hook: Hook, environment: Mapping[str, str] = os.environ) -> str | None:
    """What keeps a hook of a file from being used, as far as that can be seen from here; None for nothing."""
    try:
        require_usable(hook, environment)
    except InvalidHook as error:
        return str(error).removeprefix(f"hook {hook.name}: ")
    return None


def not_set_here(hook: Hook, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The variables that a hook's secrets are in, and that are not set."""
    secrets = (hook.token, *hook.keys, hook.basic or "", hook.header_value or "")
    named = (secret[4:] for secret in secrets if secret.startswith("env:"))
    return tuple(name for name in named if not environment.get(name))


def add_hook(
    path: Path,
    name: str,
    settings: Mapping[str, str | bool | list[str]],
    environment: Mapping[str, str] = os.environ,
) -> Hook:
    """Add a hook with these settings and a token of its own.

    Raises InvalidHook, also for secrets that can't be read or are none of the provider's kind; OSError. The file is then as
    it was.
    """
    if not _NAME(name):
        raise InvalidHook(f"hook {name!r}: a name wants 1 to 64 of A-Z a-z 0-9 _ -")
    with _editing(path) as text:
        if any(hook.name == name for hook in _parsed(path, text)):
            raise InvalidHook(f"hook {name}: there is one of that name in {path}; give another with --name")
        table = {"provider": settings["provider"], "token": secrets.token_urlsafe(24), **settings}
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
        changed = f"{text.rstrip()}\n\n[{name}]\n".lstrip() + "\n".join(lines) + "\n"
        hook = next(hook for hook in _parsed(path, changed) if hook.name == name)
        require_usable(hook, environment)
        written(path, changed)
    return hook


def remove_hook(path: Path, name: str) -> None:
    """Remove a hook's table. Raises InvalidHook where there is none, OSError."""
    with _editing(path) as text:
        lines = text.splitlines(keepends=True)
        heads = [at for at, line in enumerate(lines) if line.lstrip().startswith("[")]
        begin = next((at for at in heads if lines[at].strip().partition("]")[0].strip("[ \"'") == name), None)
        if begin is None:
            raise InvalidHook(f"there is no hook {name} in {path}: mailwake hooks list")
        end = next((at for at in heads if at > begin), len(lines))
        changed = "".join(lines[:begin] + lines[end:])
        if any(hook.name == name for hook in _parsed(path, changed)):
            raise InvalidHook(f"hook {name} is written in a way that this does not take out: edit {path}")
        written(path, changed)


@contextmanager
def _editing(path: Path) -> Iterator[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(path.name + ".lock"))
    try:
        if not lock.acquire(time.monotonic() + _TURN_S):
            raise InvalidHook(f"{path} is being changed by process {lock.holder()}: try again")
        yield path.read_text("utf-8") if path.exists() else ""
    finally:
        lock.close()


def _parsed(path: Path, text: str) -> tuple[Hook, ...]:
    try:
        return hooks_from(tomllib.loads(text), environment=None)
    except tomllib.TOMLDecodeError as error:
        raise InvalidHook(f"{path} is no TOML: {error}") from None
