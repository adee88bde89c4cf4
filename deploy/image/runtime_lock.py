"""The part of requirements.lock that mailwake needs when it runs, hashes and all: `python runtime_lock.py [PACKAGE ...]`.

The lock holds tools for development as well, which have no place in an image. It says of each package who asked for
it (`# via`), and pyproject.toml says what mailwake asks for itself. Runs in the image's first stage, with nothing
installed: the standard library only.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

_ENTRY = re.compile(r"^(?=[A-Za-z0-9])", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def entries(lock: str) -> Mapping[str, str]:
    """The lock's text of each package: its version, or one for each range of Pythons, hashes, and who asked for it."""
    texts: dict[str, str] = {}
    for text in _ENTRY.split(lock):
        if _NAME.match(text):
            texts[normal(text)] = texts.get(normal(text), "") + text
    return texts


def asked_by(entry: str) -> frozenset[str]:
    """Who asked for a package, mailwake itself apart."""
    comments = [
        line.strip().lstrip("#").strip() for line in entry.splitlines() if line.strip().startswith("#")
    ]
    names = (name for comment in comments for name in comment.removeprefix("via").split())
    return frozenset(normal(name) for name in names if _NAME.fullmatch(name))


def needed(lock: Mapping[str, str], roots: Iterable[str]) -> frozenset[str]:
    """These packages and whatever they bring. Raises KeyError for one that is not in the lock."""
    found: set[str] = set()
    new = {normal(root) for root in roots}
    if missing := new - lock.keys():
        raise KeyError(f"not in the lock: {', '.join(sorted(missing))}; make it anew (docs/dependencies.md)")
    while new:
        found |= new
        new = {name for name, entry in lock.items() if asked_by(entry) & found} - found
    return frozenset(found)


def normal(requirement: str) -> str:
    """The name in a requirement, as package indexes compare names. Raises ValueError where there is none."""
    name = _NAME.match(requirement)
    if name is None:
        raise ValueError(f"no requirement: {requirement}")
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def main(folder: Path, only: Iterable[str] = ()) -> str:
    """The runtime's part of the lock in this folder; or these packages' part, with what they bring."""
    lock = entries((folder / "requirements.lock").read_text())
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    wanted = needed(lock, only or project["dependencies"])
    return "".join(entry for name, entry in lock.items() if name in wanted)


if __name__ == "__main__":
    sys.stdout.write(main(Path(), sys.argv[1:]))
