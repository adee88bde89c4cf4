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

    --workers 1,2,3    reputation by so many workers, one after another
    --latency          traffic at a steady 20,000 events/s for a minute, through one worker and the warehouse: seconds from
                       append until a probe's reputation is in the topic, and in the warehouse's view
    --memory           one worker's resident memory over a run of three times the events, the highest of each fifth of it
    --recovery         a worker is killed after an hour of traffic of 100,000 identities: seconds until the fold goes on

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
from typing import Any

from from_broker import latency, recovery, rivals
from from_broker.places import Place, Server, brokers, servers
from from_broker.processes import in_front
from from_broker.sampling import by_fifths, memory_of
from from_broker.workers import EVERYTHING, REPUTATION, drained, until_given, worker

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
        if events:
            place.fill(traffic, events)
        if warehouse:
            place.migrate()
        return place

    def rows(self, traffic: str, events: int, systems: list[str]) -> Iterator[Row]:
        """Each system, one after another."""
        if not systems:
            return
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


def latencies(bench: Bench, rate: int, seconds: int) -> Iterator[dict[str, Any]]:
    """Of reputation alone, and with the warehouse."""
    for warehouse in (False, True):
        place = bench.place("dense", 0, warehouse)
        parts = EVERYTHING if warehouse else REPUTATION
        with worker(place, parts) as one, memory_of(one) as samples:
            until_given(one)
            seen = latency.measured(place, rate, seconds)
        for where, took in (("topic", seen.in_topic), ("warehouse", seen.in_warehouse)):
            if took:
                yield {
                    "latency": f"to the {where}" + (", warehouse loading" if warehouse else ""),
                    "events_per_s": rate,
                    "probes": seen.appended,
                    **{f"p{p}_s": latency.percentile(took, p / 100) for p in (50, 99, 100)},
                    "producer_late_s": round(seen.slipped_s, 2),
                    "rss_mib": by_fifths(samples),
                }


def memory(bench: Bench, traffic: str, events: int) -> dict[str, Any]:
    """Of one worker that has much to do."""
    place = bench.place(traffic, events)
    with worker(place, REPUTATION) as one:
        until_given(one)
        with memory_of(one) as samples:
            drained(place, [one], REPUTATION)
    return {"memory": "worker", "traffic": traffic, "events": events, "rss_mib": by_fifths(samples)}


def recoveries(bench: Bench, events: int) -> Iterator[dict[str, Any]]:
    """Each way of going on."""
    yield asdict(recovery.restarted(bench.place("many", events)))
    for standby in (False, True):
        yield asdict(recovery.taken_over(bench.place("many", events), standby))


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
    parser.add_argument("--latency", action="store_true")
    parser.add_argument("--rate", type=int, default=20_000, help="events/s of --latency (%(default)s)")
    parser.add_argument("--seconds", type=int, default=60, help="how long --latency goes on (%(default)s)")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--recovery", action="store_true")
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
        wanted = given.latency or any(name.endswith("warehouse") for name in systems)
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
        if not given.json and rows:
            printed(rows)
        if given.latency:
            for measured in latencies(bench, given.rate, given.seconds):
                print(json.dumps(measured), flush=True)
        if given.memory:
            print(json.dumps(memory(bench, given.traffic.split(",")[0], 3 * given.events)), flush=True)
        if given.recovery:
            for measured in recoveries(bench, given.events):
                print(json.dumps(measured), flush=True)


if __name__ == "__main__":
    main()
