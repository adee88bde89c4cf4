"""Header fields as mail has them in fact: bounded, unfolded, whatever their bytes are."""

import re
from collections.abc import Iterator

from processors.mails.text import words_of

HEADER_BYTES = 256 * 1024
"""How much of a header is read."""
FIELD_CHARACTERS = 8192
"""How much of one field is read."""
FIELDS = 2000
"""How many fields of a header are read."""

_NAME = re.compile(r"[!-9;-~]{1,100}[ \t]{0,20}")
_PARAMETER = re.compile(
    r';\s{0,50}([A-Za-z0-9*_-]{1,60})\s{0,20}=\s{0,20}(?:"((?:[^"\\]|\\.)*)"?|([^;\s"]{1,300}))'
)


class Fields:
    """The fields of one header, by lower-case name, in order."""

    __slots__ = ("_by_name", "is_cut")

    def __init__(self, header: bytes) -> None:
        self.is_cut = len(header) > HEADER_BYTES
        self._by_name: dict[str, list[str]] = {}
        for count, (name, value) in enumerate(_unfolded(_as_text(header[:HEADER_BYTES]))):
            if count == FIELDS:
                self.is_cut = True
                return
            self._by_name.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> str:
        """The first field of that lower-case name, unfolded; empty where there is none."""
        values = self._by_name.get(name)
        return values[0] if values else ""

    def all(self, name: str) -> list[str]:
        """Every field of that name."""
        return self._by_name.get(name, [])

    def words(self, name: str) -> str:
        """The first field of that name with its encoded words (RFC 2047) decoded."""
        return words_of(self.get(name))

    def names(self) -> Iterator[str]:
        """The names there are."""
        return iter(self._by_name)


def _as_text(header: bytes) -> str:
    try:
        return header.decode()
    except UnicodeDecodeError:
        return header.decode("latin-1")


def _unfolded(header: str) -> Iterator[tuple[str, str]]:
    lines = header.split("\n") if "\n" in header else header.split("\r")
    name, held, length = "", [""], 0
    for line in lines:
        if line[:1] in (" ", "\t"):
            if name and length < FIELD_CHARACTERS:
                held.append(line.strip())
                length += len(line)
            continue
        if name:
            yield name, " ".join(held)[:FIELD_CHARACTERS]
            name = ""
        before, colon, after = line.partition(":")
        if colon and _NAME.fullmatch(before):
            name = before.rstrip().lower()
            held, length = [after.strip()[:FIELD_CHARACTERS]], len(after)
    if name:
        yield name, " ".join(held)[:FIELD_CHARACTERS]


def parameters_of(value: str) -> tuple[str, dict[str, str]]:
    """A Content-Type's type, in lower case, and its parameters; the first of a name counts (RFC 2045, 5.1)."""
    kind = value.partition(";")[0].strip().lower()
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(value[:2000]):
        quoted, bare = match.group(2), match.group(3)
        found.setdefault(match.group(1).lower(), bare if quoted is None else quoted.replace("\\", ""))
    return kind, found
