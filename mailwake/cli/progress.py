"""Progress: on stderr, only on a terminal, and never with --json."""

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class Advance(Protocol):
    """Told how much more was done, from any thread."""

    def __call__(self, name: str, records: int, left: int | None = None) -> None:
        """So many more records of this name are done, and so many are left, if that is known."""


@contextmanager
def progress(
    label: str = "",
    totals: Mapping[str, int] | None = None,
    *,
    at_first: str = "opening",
    as_json: bool = False,
) -> Iterator[Advance]:
    """A bar for each name with count, rate and remaining time; `at_first` moves until there is one.

    Nothing may be printed meanwhile.
    """
    if as_json or not sys.stderr.isatty():
        yield _nobody_watches
        return
    with _bars() as bars:
        yield _Watched(bars, label, totals or {}, at_first)


@contextmanager
def waiting(what: str, *, as_json: bool = False) -> Iterator[None]:
    """Something moves while nobody can say how much is done. Nothing may be printed meanwhile."""
    with progress(at_first=what, as_json=as_json):
        yield


class Increments:
    """Turns "so many events so far" into how many more."""

    def __init__(self, advance: Advance) -> None:
        self._advance, self._before = advance, 0

    def __call__(self, so_far: int) -> None:
        """So many events are done in all."""
        self._advance("events", so_far - self._before)
        self._before = so_far


def _nobody_watches(name: str, records: int, left: int | None = None) -> None:
    """What progress is told where there is no terminal."""


class _Watched:
    def __init__(self, bars: "Bars", label: str, totals: Mapping[str, int], at_first: str) -> None:
        self._bars, self._label, self._totals = bars, label, totals
        self._began, self._lock = time.monotonic(), threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._at_first = bars.add_task(at_first, total=None, counted="")

    def __call__(self, name: str, records: int, left: int | None = None) -> None:
        with self._lock:
            if name in self._tasks or records or left:
                self._show(self._task(name), records, left)

    def _task(self, name: str) -> "TaskID":
        if name not in self._tasks:
            self._bars.update(self._at_first, visible=False)
            described = f"{self._label} {name}".strip()
            self._tasks[name] = self._bars.add_task(described, total=self._totals.get(name), counted="")
        return self._tasks[name]

    def _show(self, task: "TaskID", records: int, left: int | None) -> None:
        self._bars.advance(task, records)
        (known,) = (each for each in self._bars.tasks if each.id == task)
        total = known.total if left is None else known.completed + left
        of_all = "" if total is None else f"/{total:,.0f}"
        per_s = known.completed / max(time.monotonic() - self._began, 0.001)
        self._bars.update(task, total=total, counted=f"{known.completed:,.0f}{of_all} {per_s:,.0f}/s")


def _bars() -> "Bars":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[counted]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
    )
