"""Programs that tests run as processes of their own: workers that die, or stop, at a chosen place.

    die PLACE NTH      `mailwake worker`; the process kills itself at the NTH time that PLACE is reached
    stop PLACE NTH     the same, with SIGSTOP: it goes on when it gets SIGCONT
    hang PLACE         `mailwake worker`; whatever reaches PLACE goes no further
    leaving SECONDS    `mailwake worker`, which takes no longer to end when it is told to
    telling FILE       `mailwake worker`; FILE gets a JSON line of each taking over by the fold: for each partition how
                       far its changelog was followed by then, and where that ends

A place is a part and a boundary: `count flushed`, `fold sent`; `warehouse TABLE` (the data of that table is in and its
position is not), `warehouse position` (the position is in and the log does not know of it).
"""

import json
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from pipeline_programs import FATES, Fate, _inside_the_warehouse


def run(fate: Fate) -> None:
    from mailwake.cli.failures import explained
    from mailwake.cli.worker import worker as command
    from mailwake.worker import opening

    opened = opening.opened

    def opened_to_die(settings: Any, parts: Any) -> Any:
        return opened(settings, parts, lambda part, boundary: fate.at(f"{part} {boundary}"))

    opening.opened = opened_to_die  # type: ignore[assignment]
    _inside_the_warehouse(fate)
    with explained():
        command(only=None)


class _Hanging(Fate):
    def at(self, place: str) -> None:
        if place == self._place:
            threading.Event().wait()


def leaving(seconds: str) -> None:
    from mailwake.worker import ending

    ending._LEAVING_S = float(seconds)
    run(Fate(signal.SIGKILL, "never", 1))


def telling(file: str) -> None:
    from streams.faust.fold import Fold

    own = Fold._own

    def told(self: Fold, sources: Any) -> None:
        own(self, sources)
        found = {
            one.source.partition: (self._store.applied(one.source.partition), self.visible_end(one.changelog))
            for one in self._owned.values()
        }
        with Path(file).open("a") as lines:
            lines.write(json.dumps(found) + "\n")

    Fold._own = told  # type: ignore[method-assign]
    run(Fate(signal.SIGKILL, "never", 1))


PROGRAMS: dict[str, Callable[..., None]] = {
    "hang": lambda place: run(_Hanging(signal.SIGKILL, place, 1)),
    "leaving": leaving,
    "telling": telling,
} | {
    name: partial(lambda sent, place, nth: run(Fate(sent, place, int(nth))), number)
    for name, number in FATES.items()
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
