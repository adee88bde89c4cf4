"""How fast traffic is simulated: generated, encoded, and appended to the embedded log.

    python bench/simulator.py [--days N] [--json]

`default` is the default scenario with one incident of each kind and its DMARC reports, `dense` and `sparse` the
plain traffic of the other benchmarks. Each stage includes those before it. The log lies in a folder of its own
beneath the current one, which is removed afterwards.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from sources.simulator import Scenario, into_log, mail_records, records_of, simulate
from sources.simulator.traffic import Traffic, dense, sparse
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

WANTED = 50_000


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: `wanted` is the rate it should reach, in events per second."""

    what: str
    stage: str
    events: int
    seconds: float
    per_second: int
    wanted: int | None


def measure(folder: Path, scenario: Scenario, events: int) -> Iterator[Row]:
    """Simulate three ways, each up to each of its stages."""
    yield row("default", "generate", lambda: sum(part.events for part in simulate(scenario)))
    yield row(
        "default",
        "generate, encode",
        lambda: sum(len(records_of(part)["mail.events"]) for part in simulate(scenario)),
    )
    with closing(SqliteLog.open(folder / "log.db", TOPICS)) as log:
        yield row("default", "generate, encode, append", lambda: into_log(log, scenario).events, WANTED)
    for what, traffic in (("dense", dense(1, events)), ("sparse", sparse(1, events))):
        yield row(what, "generate", lambda traffic=traffic: generated(traffic))
        yield row(
            what,
            "generate, encode",
            lambda traffic=traffic: sum(len(mail_records(frames)) for frames in traffic.frames()),
        )


def generated(traffic: Traffic) -> int:
    """Generate all of it; how many events there were."""
    return sum(frame.height for frames in traffic.frames() for frame in frames.values())


def row(what: str, stage: str, work: Callable[[], int], wanted: int | None = None) -> Row:
    """Do the work, which returns how many events it was, and time it."""
    start = time.perf_counter()
    events = work()
    seconds = time.perf_counter() - start
    return Row(what, stage, events, round(seconds, 3), round(events / seconds), wanted)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--days", type=float, default=30.0, help="length of the scenario (%(default)s)")
    arguments.add_argument("--events", type=int, default=1_000_000, help="of plain traffic (%(default)s)")
    arguments.add_argument("--json", action="store_true", help="print a line of JSON for each measurement")
    asked = arguments.parse_args()
    if asked.events < 1:
        arguments.error("--events must be 1 or more")
    try:
        scenario = Scenario(days=asked.days, incidents="all")
    except ValueError as error:
        arguments.error(str(error))
    if not asked.json:
        print(f"{'':9}{'stage':26}{'events':>11}{'seconds':>10}{'events/s':>12}{'wanted':>12}")
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix="bench-simulator-") as folder:
        for one in measure(Path(folder), scenario, asked.events):
            if asked.json:
                print(json.dumps(asdict(one)))
            else:
                wanted = f"≥ {one.wanted:,}" if one.wanted else ""
                print(
                    f"{one.what:9}{one.stage:26}{one.events:>11,}{one.seconds:>10.2f}"
                    f"{one.per_second:>12,}{wanted:>12}"
                )


if __name__ == "__main__":
    main()
