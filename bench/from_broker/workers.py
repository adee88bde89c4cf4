"""`mailwake worker` as processes: started, watched until nothing waits, ended."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from from_broker.places import Place
from from_broker.processes import Shares, started
from mailwake.worker.status import READS
from streams.kafka.log import KafkaLog

REPUTATION = ("count", "fold")
EVERYTHING = ("documents", "count", "fold", "warehouse")
_GIVEN = re.compile(r"^(\S+ \S+) INFO \S+ (\w+): given (?!nothing)", re.MULTILINE)
_LOOK_EVERY_S = 0.1
_LONGEST_S = 600


@dataclass(slots=True)
class WorkerHandle:
    """One worker, and what it says."""

    process: "subprocess.Popen[bytes]"
    said: Path

    def given(self, part: str) -> float | None:
        """When it was first given partitions for a part, Unix time; None before."""
        moments = [_unix(moment) for moment, name in _GIVEN.findall(self.said.read_text()) if name == part]
        return moments[0] if moments else None

    def check(self) -> None:
        """Raises SystemExit if it has ended."""
        if self.process.poll() is not None:
            raise SystemExit(
                f"a worker ended with {self.process.returncode}: {self.said.read_text()[-3000:]}"
            )


@contextmanager
def worker(
    place: Place, parts: Sequence[str], name: str = "worker", **settings: str
) -> Iterator[WorkerHandle]:
    """A worker for the length of the block."""
    said = place.folder / f"{place.prefix}-{name}.log"
    command = [sys.executable, "-m", "mailwake", "worker", "--only", ",".join(parts)]
    process = started(command, place.environment | settings, said)
    try:
        yield WorkerHandle(process, said)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class Drained:
    """What it took to deal with everything that waited."""

    seconds: float
    """On the wall, from when the first worker was given partitions to when all was committed; start-up is not in it."""
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds of CPU of each process since then."""


def drained(place: Place, workers: Sequence[WorkerHandle], parts: Sequence[str]) -> Drained:
    """Wait until nothing waits for these parts. To be called as soon as the workers were started."""
    pids = {f"worker {number}": one.process.pid for number, one in enumerate(workers, 1)}
    shares = Shares({**pids, "broker": place.broker.pid or 0} | _server(place))
    with place.log() as log:
        reads = [(name, topic) for name, topic in READS if name in parts]
        begun = _first_given(workers)
        shares.begin()
        deadline = time.time() + _LONGEST_S
        while any(_waits(log, name, topic) for name, topic in reads):
            for one in workers:
                one.check()
            if time.time() > deadline:
                raise SystemExit(f"{place.prefix}: not done within {_LONGEST_S} s")
            time.sleep(_LOOK_EVERY_S)
        return Drained(time.time() - begun, shares.seconds())


def _server(place: Place) -> dict[str, int]:
    return {} if place.server is None else {"warehouse server": place.server.pid}


def until_given(one: WorkerHandle) -> None:
    """Wait until a worker counts."""
    _first_given([one])


def _first_given(workers: Sequence[WorkerHandle]) -> float:
    while True:
        moments = [moment for one in workers if (moment := one.given("count")) is not None]
        if moments:
            return min(moments)
        for one in workers:
            one.check()
        time.sleep(0.02)


def _waits(log: KafkaLog, name: str, topic: str) -> bool:
    """Whether anything waits for a part; what came last is looked at first, as it most likely does."""
    positions = log.group_positions(name)
    return any(
        log.waiting(source, positions.get(source, log.begin(source))) for source in log.partitions(topic)
    )


def _unix(moment: str) -> float:
    return datetime.strptime(moment, "%Y-%m-%d %H:%M:%S,%f").timestamp()
