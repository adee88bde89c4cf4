"""Printing: results on stdout, notes on stderr."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def print_json(value: Any) -> None:
    """One line of JSON on stdout, in ASCII where stdout can't say more; what is no text (a path's bytes) is escaped."""
    only_ascii = not (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(value, ensure_ascii=only_ascii, default=str)
    sys.stdout.write(_SURROGATES.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def print_line(text: str = "") -> None:
    """One line on stdout."""
    sys.stdout.write(text + "\n")


def plain(text: str) -> str:
    """Text with its control characters escaped: names in mail must not command the terminal or forge a line."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def answer_line(text: str) -> str:
    """A server's answer on one line, without the codes of its further lines (RFC 5321, 4.2.1), however they were joined.

    `550-5.1.1 No such user.` and `550 5.1.1 Goodbye.` become `550 5.1.1 No such user. Goodbye.`
    """
    first = _GOES_ON.search(text)
    if first is None:
        return " ".join(text.split())
    code, enhanced, rest = first[1], first[2] or "", text[first.end() :]
    if enhanced:
        both = rf"{code}[- ]{re.escape(enhanced)}(?=\s|$)"
        rest = re.sub(rf"(?<!\S){both}", "", rest)
    rest = re.sub(rf"\n[ \t]*{code}[- ]", "\n", rest)
    return " ".join(f"{text[: first.start()]}{code} {enhanced} {rest}".split())


_GOES_ON = re.compile(r"(?<!\S)([245]\d\d)-(?:([245]\.\d{1,3}\.\d{1,3})(?=\s)|(?=[^\W\d]))")
"""The beginning of an answer that has more than one line."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def note(text: str) -> None:
    """A line for the person at the terminal, never part of the result."""
    if sys.stderr.isatty():
        sys.stderr.write(text + "\n")


def say(text: str) -> None:
    """A line on stderr, on a terminal or not, for whoever looks after what runs: where it listens."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def complain(text: str) -> None:
    """A line on stderr about something that was passed over."""
    sys.stderr.write(f"mailwake: {text}\n")


def print_table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table as wide as the terminal; numbers to the right. Cells are shown as they are, brackets included."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    body = [[_shown(value) for value in row] for row in rows]
    numeric = [
        bool(body)
        and all(
            row[at].replace(",", "").strip("-%").replace(".", "").isdigit() or not row[at] for row in body
        )
        for at in range(len(columns))
    ]
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name, right in zip(columns, numeric, strict=True):
        table.add_column(name, justify="right" if right else "left", header_style="dim", overflow="fold")
    for row in body:
        table.add_row(*(Text(plain(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
