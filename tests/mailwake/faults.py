"""What can happen to workers, and what must come of it: nothing lost, nothing twice, the state of an undisturbed run.

Each fault takes a platform whose warehouse is made and whose log is empty, has everything appended while it does its
damage, and leaves when nothing waits any more. `seconds` is how long the long ones last.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from platforms import Platform
from worlds import finished

PAUSE_S = 0.15
"""Between two appends of the load: the whole takes some ten seconds."""

PLACES = {
    "documents": ("fenced", "written", "begun", "ended"),
    "count": ("fenced", "recovered", "read", "taken", "flushed", "written", "begun", "sent", "positioned", "ended", "committed"),
    "fold": ("fenced", "recovered", "read", "taken", "flushed", "written", "begun", "sent", "positioned", "ended", "committed"),
    "classify": ("fenced", "written", "begun", "ended"),
    "suppress": ("fenced", "written", "begun", "ended"),
    "warehouse": ("fenced", "read", "mail_events_told", "position", "loaded", "begun", "ended", "committed"),
}  # fmt: skip
"""The parts of a worker, and where each is killed."""

Damage = Callable[[Platform, float], None]


@dataclass(frozen=True)
class Fault:
    """Something that happens."""

    name: str
    damage: Damage


def faults() -> Sequence[Fault]:
    """Every fault there is."""
    killed = [
        Fault(f"SIGKILL, {part} {place}", partial(killed_at, places=[f"{part} {place}"]))
        for part, places in PLACES.items()
        for place in places
    ]
    return [*killed, *OTHERS]


def killed_at(platform: Platform, seconds: float, places: Sequence[str], nth: int = 1) -> None:
    """A worker dies at each of these places in turn; each time another one of the same name goes on."""
    for part, place in enumerate(places):
        platform.fill(0, part, len(places) + 1)
        code = finished(platform.program("die", place, nth, MAILWAKE_WORKER_NAME="one")).code
        assert code == -signal.SIGKILL, f"{place} was not reached"
    with platform.working(1, MAILWAKE_WORKER_NAME="one") as workers:
        platform.fill(0, len(places), len(places) + 1)
        platform.settle(workers)


def broker_killed(platform: Platform, seconds: float) -> None:
    """The broker dies amid the load, and is started again on its data."""
    with platform.working(2) as workers:
        with platform.filling(PAUSE_S):
            time.sleep(3)
            platform.broker.stop(kill=True)
            time.sleep(min(seconds, 3))
            platform.broker.run()
        platform.settle_supervised(workers)


def broker_slow(platform: Platform, seconds: float) -> None:
    """The broker answers in jerks: it stands still for most of each second."""
    with platform.working(2) as workers:
        with platform.filling(PAUSE_S) as load:
            until = time.monotonic() + seconds
            while load.is_alive() and time.monotonic() < until:
                platform.broker.pause()
                time.sleep(0.6)
                platform.broker.resume()
                time.sleep(0.2)
        platform.settle_supervised(workers)


def warehouse_away(platform: Platform, seconds: float) -> None:
    """The warehouse does not answer for a while; everything else goes on."""
    with platform.working(2) as workers:
        with platform.filling(PAUSE_S):
            _wait_until_at_work(workers)
            time.sleep(3)
            with platform.warehouse_away():
                time.sleep(seconds)
        platform.settle_supervised(workers)


def zombie(platform: Platform, seconds: float) -> None:
    """A worker stands still within a transaction, past its session; another one goes on; then it wakes up."""
    with platform.filling(PAUSE_S):
        asleep = platform.program("stop", "fold sent", 2)
        _wait_until_stopped(asleep)
        with platform.working(1) as workers:
            time.sleep(15)
            asleep.send_signal(signal.SIGCONT)
            said = finished(asleep)
            assert said.code == 3 and "has taken" in said.err, said
            platform.settle_supervised(workers)


def more_and_fewer(platform: Platform, seconds: float) -> None:
    """One worker, then three, then one again, under load."""
    with platform.working(1) as workers:
        with platform.filling(PAUSE_S):
            time.sleep(3)
            with platform.working(2) as others:
                _wait_until_at_work(others)
                time.sleep(5)
        platform.settle_supervised(workers)


def killed_while_sharing(platform: Platform, seconds: float) -> None:
    """A worker joins, and one dies while the partitions are shared out anew."""
    with platform.filling(PAUSE_S):
        dying = platform.program("die", "fold fenced", 6)
        time.sleep(4)
        with platform.working(1) as workers:
            time.sleep(4)
            dying.kill()
            finished(dying)
            platform.settle_supervised(workers)


def all_at_once(platform: Platform, seconds: float) -> None:
    """Workers come and go, the warehouse is away and the broker dies, while the load goes on."""
    with platform.working(1) as workers:
        with platform.filling(PAUSE_S), platform.working(2) as others:
            _wait_until_at_work([*workers, *others])
            time.sleep(3)
            with platform.warehouse_away():
                time.sleep(seconds)
                platform.broker.stop(kill=True)
                platform.broker.run()
        platform.settle_supervised(workers)


OTHERS = (
    Fault("SIGKILL while partitions are shared out", killed_while_sharing),
    Fault("a worker stops past its session and wakes up", zombie),
    Fault("workers 1, 3, 1 under load", more_and_fewer),
    Fault("SIGKILL of the broker, started again", broker_killed),
    Fault("a broker that answers slowly", broker_slow),
    Fault("the warehouse away", warehouse_away),
)


def _wait_until_at_work(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Until each has opened log and warehouse: one that finds them away at its start ends."""
    for process in processes:
        assert process.stderr is not None
        while b"working on" not in (line := process.stderr.readline()):
            assert line, finished(process)


def _wait_until_stopped(process: "subprocess.Popen[bytes]") -> None:
    while True:
        if Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            return
        assert process.poll() is None, finished(process)
        time.sleep(0.05)
