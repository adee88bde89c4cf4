"""From a broker: mailwake's workers beside other systems, all on the same events in the same topics, in one run.

    python bench/streaming.py [--events N] [--only SYSTEM,...] [--workers 1,2,3] [--latency] [--memory] [--recovery]

One broker (Kafka, one node), eight partitions of `mail.events`, the two shapes of traffic of bench/embedded.py. Every
system decodes all of each event and, if it has state, counts the same five identities of it (domain, DKIM domain,
address, stream and campaign, each at its provider).

    aiokafka getmany                   aiokafka's consumer, which does nothing with what it reads
    faust table                        bench/from_broker/systems/faust_table.py
    quixstreams state                  bench/from_broker/systems/quix_state.py; `one write` counts only the domain
    mailwake reputation                mailwake worker --only count,fold: exactly once, minutes, hours and days, repeats
                                       dropped, state in changelogs, buckets emitted
    mailwake reputation + warehouse    the same, and every event and bucket loaded into ClickHouse

Each works on a topic that was filled beforehand. Rates of mailwake are from when a worker is first given partitions
(it says so) until all parts have committed everything there is; the others' from the first event taken to the last.
The warehouse is the embedded engine behind ClickHouse's HTTP interface, in a process of its own. Broker, warehouse and
everything measured share the cores of the machine. quixstreams is installed beside the bench, in an environment of
its own, unless --quixstreams names a Python that has it.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from from_broker import rivals
from from_broker.platform import Place, Server, brokers, servers
from from_broker.processes import in_front
from from_broker.workers import EVERYTHING, REPUTATION, drained, worker

from deploy.kafka.broker import Broker

FAUST, QUIX = "faust table", "quixstreams state"
SYSTEMS = (
    "aiokafka getmany",
    FAUST,
    QUIX,
    "quixstreams one write",
    "mailwake reputation",
    "mailwake reputation + warehouse",
)
FEW = {FAUST: 25, QUIX: 5, "quixstreams one write": 5}
"""What goes through a slow system: one of so many of the events. A rate does not depend on it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement."""

    system: str
    traffic: str
    events_per_s: int
    events: int
    cpu_us: Mapping[str, float] = field(default_factory=dict)
    """Microseconds of CPU an event, by process."""


@dataclass(slots=True)
class Bench:
    """One run: a broker, perhaps a warehouse's server, and places in them made as they are needed."""

    broker: Broker
    folder: Path
    server: Server | None
    python: str | None
    made: int = 0

    def place(self, traffic: str, events: int, warehouse: bool = False) -> Place:
        """A log filled with traffic."""
        self.made += 1
        place = Place(self.broker, self.folder, f"{traffic}-{self.made}", self.server if warehouse else None)
        place.fill(traffic, events)
        if warehouse:
            place.migrate()
        return place

    def rows(self, traffic: str, events: int, systems: list[str]) -> Iterator[Row]:
        """Each system, one after another."""
        shared = self.place(traffic, events)
        for system in systems:
            if system.startswith("mailwake"):
                warehouse = system.endswith("warehouse")
                place = self.place(traffic, events, True) if warehouse else shared
                yield mailwake(system, traffic, place, events, 1)
            else:
                some = events // FEW.get(system, 1)
                yield Row(system, traffic, round(self._rivals()[system](shared, some)), some)

    def _rivals(self) -> dict[str, Callable[[Place, int], float]]:
        return {
            "aiokafka getmany": rivals.getmany,
            FAUST: rivals.faust_table,
            QUIX: lambda place, events: rivals.quix_state(place, events, rivals.quix_python(self.python)),
            "quixstreams one write": lambda place, events: rivals.quix_state(
                place, events, rivals.quix_python(self.python), 1
            ),
        }


def mailwake(system: str, traffic: str, place: Place, events: int, workers: int) -> Row:
    """So many workers on what waits in a place."""
    parts = EVERYTHING if place.server is not None else REPUTATION
    with ExitStack() as stack:
        every = [stack.enter_context(worker(place, parts, f"worker-{n}")) for n in range(workers)]
        took = drained(place, every, parts)
    cpu = {name: round(seconds / events * 1e6, 1) for name, seconds in took.cpu_s.items()}
    return Row(system, traffic, round(events / took.seconds), events, cpu)


def printed(rows: list[Row]) -> None:
    """A table."""
    rates = {(row.system, row.traffic): row.events_per_s for row in rows}
    print(
        f"{'system':<34}{'traffic':<8}{'events':>10}{'events/s':>11}{'x faust':>9}{'x quix':>8}  CPU us an event"
    )
    for row in rows:
        ratios = [
            f"{row.events_per_s / base:.1f}" if (base := rates.get((name, row.traffic))) else ""
            for name in (FAUST, QUIX)
        ]
        cpu = ", ".join(f"{name} {value}" for name, value in row.cpu_us.items())
        print(
            f"{row.system:<34}{row.traffic:<8}{row.events:>10,}{row.events_per_s:>11,}{ratios[0]:>9}{ratios[1]:>8}  {cpu}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--traffic", default="dense,sparse")
    parser.add_argument("--only", default=",".join(SYSTEMS), help="systems, separated by commas")
    parser.add_argument("--workers", default="", help="so many workers, one after another: 1,2,3")
    parser.add_argument("--quixstreams", metavar="PYTHON", help="a Python that has quixstreams and fastavro")
    parser.add_argument("--json", action="store_true", help="a JSON line for each measurement")
    given = parser.parse_args()
    systems = [name for name in given.only.split(",") if name]
    if unknown := set(systems) - set(SYSTEMS):
        parser.error(f"--only: got {', '.join(sorted(unknown))}, wants some of {', '.join(SYSTEMS)}")
    if not in_front():
        sys.stderr.write("  nice -n -15 is not allowed here: neighbours will show\n")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".bench-", dir="."))).absolute()
        broker = stack.enter_context(brokers(folder))
        wanted = any(name.endswith("warehouse") for name in systems)
        server = stack.enter_context(servers(folder)) if wanted else None
        bench = Bench(broker, folder, server, given.quixstreams)
        rows: list[Row] = []

        def told(row: Row) -> None:
            rows.append(row)
            if given.json:
                print(json.dumps(asdict(row)), flush=True)

        for traffic in given.traffic.split(","):
            for row in bench.rows(traffic, given.events, systems):
                told(row)
            for workers in map(int, filter(None, given.workers.split(","))):
                name = f"mailwake reputation, {workers} workers"
                told(mailwake(name, traffic, bench.place(traffic, given.events), given.events, workers))
        if not given.json:
            printed(rows)


if __name__ == "__main__":
    main()
