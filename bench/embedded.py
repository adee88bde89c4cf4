"""The embedded pipeline, part by part and all together, beside the same fold written naively.

    python bench/embedded.py [--events N] [--json] [--only PART]

Each part runs in a process of its own, over a fresh log in a temporary folder beneath the current one, so that its
peak memory is its own. `dense` is traffic of 30 domains at 6 providers in 10 minutes, `sparse` of 300 domains in 10,000
minutes; events are some 300 bytes encoded. Rates count events; the naive fold's are of the same events, one at a time.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from naive_fold import NaiveFold

from mailwake.allocators import ENVIRONMENT
from mailwake.pipeline import Pipeline, open_log, opened
from mailwake.settings import Settings
from schemas.codec import decode
from sources.simulator import Scenario, into_log
from sources.simulator.records import mail_records
from sources.simulator.traffic import dense, sparse
from streams.emitter import Emitter
from streams.log import Record, TopicPartition
from streams.running.workers import Patience, Worker, Workers
from streams.sqlite.log import SqliteLog

MAIL = TopicPartition("mail.events")
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. `wanted` is the rate it should reach, events per second."""

    part: str
    traffic: str
    events: int
    seconds: float
    events_per_s: int
    wanted: int | None
    cpu_us: float
    """Microseconds of both cores an event, setting up included."""
    peak_mib: int
    note: str = ""


def settings(folder: Path) -> Settings:
    """Everything below one folder."""
    return Settings(
        log=f"sqlite:///{folder}/log.db", warehouse=f"chdb:///{folder}/warehouse", blobs=folder / "blobs"
    )


def traffic(kind: str, events: int) -> list[list[Record]]:
    """Encoded records, 100,000 a list."""
    made = {"dense": dense, "sparse": sparse}[kind](7, events)
    return [mail_records(frames) for frames in made.frames()]


def fill(folder: Path, kind: str, events: int) -> None:
    """Put traffic into the log, in another process: neither its time nor its memory are measured."""
    command = [sys.executable, __file__, "--fill", str(folder), "--here", kind, "--events", str(events)]
    subprocess.run(command, check=True)


def filled(folder: Path, kind: str, events: int) -> None:
    """Put traffic into the log, here."""
    log = open_log(settings(folder))
    for frames in {"dense": dense, "sparse": sparse}[kind](7, events).frames():
        log.append("mail.events", mail_records(frames))
    log.close()


def timed(work: Callable[[], object]) -> float:
    """Seconds on the wall."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def append(folder: Path, kind: str, events: int) -> tuple[float, str]:
    """Encoded records into the log, 20,000 an append."""
    records = [record for part in traffic(kind, events) for record in part]
    log = open_log(settings(folder))

    def work() -> None:
        for begin in range(0, len(records), 20_000):
            log.append("mail.events", records[begin : begin + 20_000])

    return timed(work), f"{len(records[0].value or b'')} bytes a record"


def emit_many(folder: Path, kind: str, events: int) -> tuple[float, str]:
    """Typed events through the Emitter, 1,000 a call."""
    typed = [decode(record.value or b"") for part in traffic(kind, events) for record in part]
    with Emitter(open_log(settings(folder))) as emitter:

        def work() -> None:
            for begin in range(0, len(typed), 1_000):
                emitter.emit_many(typed[begin : begin + 1_000])

        return timed(work), "1,000 a call"


def simulate(folder: Path, kind: str, events: int) -> tuple[float, str]:
    """The simulator into the log: lifecycle, responses, reports and all."""
    log = open_log(settings(folder))
    days = 10.0
    scenario = Scenario(seed=3, days=days, domains=50, messages_per_day=round(events / days / 2.5))
    report = into_log(log, scenario)
    start = time.perf_counter()
    again = into_log(log, Scenario(seed=4, days=days, domains=50, messages_per_day=scenario.messages_per_day))
    seconds = time.perf_counter() - start
    return seconds * events / again.events, f"{again.events:,} events, {report.documents:,} reports"


def _pipeline(folder: Path, pick: Callable[[Pipeline], list[Worker]]) -> tuple[float, str]:
    with opened(settings(folder)) as pipeline:
        workers = Workers(pick(pipeline), Patience(()))
        seconds = timed(lambda: workers.run(until_idle=True))
        (stage,) = (runner.stage for runner in pipeline.runners if runner.stage.name == "reputation")
        return (
            seconds,
            f"{stage.tally().taken:,} taken, {pipeline.log.end(TopicPartition('reputation.buckets')):,} bucket records",
        )


def reputation(folder: Path, kind: str, events: int) -> tuple[float, str]:
    """Log to reputation, five identity kinds, minutes, hours and days."""
    fill(folder, kind, events)
    return _pipeline(
        folder, lambda p: [Worker(r.stage.name, r.step) for r in p.runners if r.stage.name == "reputation"]
    )


def warehouse(folder: Path, kind: str, events: int) -> tuple[float, str]:
    """Log to warehouse, every column."""
    fill(folder, kind, events)
    return _pipeline(folder, lambda p: [Worker("warehouse", p.loader.step)])


def together(folder: Path, kind: str, events: int) -> tuple[float, str]:
    """Everything at once: log to reputation, and events and buckets to the warehouse."""
    fill(folder, kind, events)
    with opened(settings(folder)) as pipeline:
        seconds = timed(pipeline.drain)
        ((rows,),) = pipeline.warehouse.rows("SELECT count() FROM mail_events")
        ((pairs,),) = pipeline.warehouse.rows(
            "SELECT uniq(tenant, kind, identity, provider) FROM reputation_days"
        )
    size = sum(f.stat().st_size for f in folder.glob("log.db*")) / events
    return seconds, f"{rows:,} rows, {pairs:,} (identity, provider) pairs, log {size:.0f} bytes an event"


def naive(folder: Path, kind: str, events: int) -> tuple[float, str]:
    """The fold that comes to mind; see `naive_fold`."""
    fill(folder, kind, events)
    log: SqliteLog = open_log(settings(folder))
    fold = NaiveFold()

    def work() -> None:
        offset = 0
        while values := (batch := log.read(MAIL, offset, 50_000)).values:
            offset = batch.next
            fold.take(values)

    return timed(work), f"{len(fold.counts):,} counts"


PARTS: dict[
    str, tuple[Callable[[Path, str, int], tuple[float, str]], tuple[str, ...], int | dict[str, int] | None]
] = {
    "append": (append, ("dense",), 200_000),
    "emit_many": (emit_many, ("dense",), 40_000),
    "simulate": (simulate, ("dense",), 50_000),
    "reputation": (reputation, ("dense", "sparse"), {"dense": 120_000, "sparse": 50_000}),
    "warehouse": (warehouse, ("dense",), 150_000),
    "together": (together, ("dense", "sparse"), {"dense": 50_000}),
    "naive": (naive, ("dense", "sparse"), None),
}


def measured(part: str, kind: str, events: int) -> Row:
    """Run one part here, in this process."""
    work, _, wanted = PARTS[part]
    some = min(events, 200_000) if part in ("naive", "emit_many") else events
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".bench-", dir=".")))
        seconds, note = work(folder.absolute(), kind, some)
    target = wanted.get(kind) if isinstance(wanted, dict) else wanted
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = round((used.ru_utime + used.ru_stime) / some * 1e6, 1)
    return Row(
        part, kind, some, round(seconds, 3), round(some / seconds), target, cpu, used.ru_maxrss // 1024, note
    )


def main() -> None:
    """Measure each part in a process of its own and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="a JSON line per row")
    parser.add_argument("--only", choices=[*PARTS], help="one part alone")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fill:
        filled(given.fill, given.here, given.events)
        return
    if given.here:
        print(json.dumps(asdict(measured(given.only, given.here, given.events))))
        return
    rows = []
    for part, (_, kinds, _) in PARTS.items():
        for kind in kinds if given.only in (None, part) else ():
            command = [
                sys.executable,
                __file__,
                "--only",
                part,
                "--here",
                kind,
                "--events",
                str(given.events),
            ]
            environment = {**ENVIRONMENT, **os.environ}
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
            rows.append(Row(**json.loads(done.stdout)))
            if given.json:
                print(done.stdout.strip(), flush=True)
    if not given.json:
        _print_table(rows)


def _print_table(rows: list[Row]) -> None:
    base = {row.traffic: row.events_per_s for row in rows if row.part == "naive"}
    print(
        f"{'part':<12}{'traffic':<8}{'events':>10}{'events/s':>11}{'wanted':>9}{'x naive':>9}{'cpu us':>8}{'peak MiB':>10}  note"
    )
    for row in rows:
        ratio = f"{row.events_per_s / base[row.traffic]:.1f}" if row.traffic in base else ""
        wanted = f"{row.wanted:,}" if row.wanted else ""
        print(
            f"{row.part:<12}{row.traffic:<8}{row.events:>10,}{row.events_per_s:>11,}{wanted:>9}{ratio:>9}"
            f"{row.cpu_us:>8}{row.peak_mib:>10,}  {row.note}"
        )


if __name__ == "__main__":
    main()
