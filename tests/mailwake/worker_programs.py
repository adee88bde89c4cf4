"""Programs that tests run as processes of their own: workers that die, or stop, at a chosen place.

    die PLACE NTH      `mailwake worker`; the process kills itself at the NTH time that PLACE is reached
    stop PLACE NTH     the same, with SIGSTOP: it goes on when it gets SIGCONT

A place is a part and a boundary: `count flushed`, `fold sent`; `warehouse TABLE` (the data of that table is in and its
position is not), `warehouse position` (the position is in and the log does not know of it).
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from pipeline_programs import FATES, Fate, _inside_the_warehouse


def run(fate: Fate) -> None:
    from mailwake import worker
    from mailwake.cli.failures import explained
    from mailwake.cli.worker import worker as command

    opened = worker.opened

    def opened_to_die(settings: Any, parts: Any) -> Any:
        return opened(settings, parts, lambda part, boundary: fate.at(f"{part} {boundary}"))

    worker.opened = opened_to_die  # type: ignore[assignment]
    _inside_the_warehouse(fate)
    with explained():
        command(only=None)


PROGRAMS = {
    name: partial(lambda signal, place, nth: run(Fate(signal, place, int(nth))), number)
    for name, number in FATES.items()
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
