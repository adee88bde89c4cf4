"""Printing: results on stdout; progress on stderr, and only on a terminal."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol


class Progress(Protocol):
    """Told how much more was done."""

    def __call__(self, name: str, records: int) -> None:
        """So many more records of this kind are done."""


def print_json(value: Any) -> None:
    """One line of JSON on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def print_line(text: str = "") -> None:
    """One line on stdout."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """A line for the person at the terminal, never part of the result."""
    if sys.stderr.isatty():
        sys.stderr.write(text + "\n")


def complain(text: str) -> None:
    """A line on stderr about something that was passed over."""
    sys.stderr.write(f"mailwake: {text}\n")


def print_table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table as wide as the terminal; numbers to the right."""
    from rich.console import Console
    from rich.table import Table

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
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


class Increments:
    """Turns "so many events so far" into how many more."""

    def __init__(self, advance: Progress) -> None:
        self._advance, self._before = advance, 0

    def __call__(self, so_far: int) -> None:
        """So many events are done in all."""
        self._advance("events", so_far - self._before)
        self._before = so_far


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Progress]:
    """A bar with count, rate and remaining time on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda name, records: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bars:
        tasks: Mapping[str, Any] = {}

        def advance(name: str, records: int) -> None:
            nonlocal tasks
            if name not in tasks:
                tasks = {**tasks, name: bars.add_task(f"{label} {name}".strip(), total=total)}
            bars.advance(tasks[name], records)

        yield advance
