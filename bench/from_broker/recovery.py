"""How long the fold stands still when a worker is killed: 100,000 identities, an hour of traffic in the state."""

import re
import time
from contextlib import ExitStack
from dataclasses import dataclass

from from_broker.places import Place
from from_broker.workers import REPUTATION, WorkerHandle, drained, worker

_FOLD = re.compile(r"^(\S+ \S+) INFO \S+ fold: given (?!nothing)(.*)$", re.MULTILINE)
_LONGEST_S = 180


@dataclass(frozen=True, slots=True)
class Recovered:
    """Seconds from the kill until the fold has all its partitions again, state and all."""

    what: str
    seconds: float
    since_start_s: float | None = None
    """The same, from the start of the process that took over; None where it ran already."""


def restarted(place: Place) -> Recovered:
    """One worker is killed and started again at once, under the same name."""
    with worker(place, REPUTATION, "before", MAILWAKE_WORKER_NAME="one") as first:
        drained(place, [first], REPUTATION)
        first.process.kill()
        first.process.wait()
        killed = time.time()
    begun = time.time()
    with worker(place, REPUTATION, "after", MAILWAKE_WORKER_NAME="one") as second:
        _until_all(second)
        return Recovered(
            "killed, started again", round(time.time() - killed, 1), round(time.time() - begun, 1)
        )


def taken_over(place: Place, standby: bool) -> Recovered:
    """One of two workers is killed, and the other takes over all it had."""
    settings = {"MAILWAKE_STANDBY_REPLICAS": "1"} if standby else {}
    with ExitStack() as stack:
        both = [stack.enter_context(worker(place, REPUTATION, f"w{n}", **settings)) for n in (1, 2)]
        drained(place, both, REPUTATION)
        # Standby replicas follow what was written last.
        time.sleep(5)
        both[0].process.kill()
        both[0].process.wait()
        killed = time.time()
        _until_all(both[1])
    what = "with a standby replica" if standby else "without standby replicas"
    return Recovered(f"one of two killed, {what}", round(time.time() - killed, 1))


def _until_all(one: WorkerHandle, partitions: int = 8) -> None:
    deadline = time.time() + _LONGEST_S
    while time.time() < deadline:
        one.check()
        given = _FOLD.findall(one.said.read_text())
        if given and len(given[-1][1].split()) == 1 + partitions:
            return
        time.sleep(0.05)
    raise SystemExit(
        f"the fold has not all its partitions after {_LONGEST_S} s: {one.said.read_text()[-2000:]}"
    )
