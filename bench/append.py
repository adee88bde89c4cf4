"""How fast a log takes and gives back encoded records.

    python bench/append.py [--records N] [--json] [--log kafka://HOST:PORT]

Records are 290 bytes, as an encoded event is, with a key of 18 bytes. An append is one call of `Log.append`, durable
when it returns; what goes into a spool is as durable, and what goes out goes nowhere. The log is the embedded one, in a folder of its own beneath the current one, which is removed
afterwards; or one in Kafka, whose topics stay there under a prefix of their own.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from streams.kafka.cluster import KafkaCluster
from streams.kafka.log import KafkaLog
from streams.log import Log, Record, Topic, TopicPartition
from streams.spool.spool import Group, Most, Spool
from streams.sqlite.log import SqliteLog

VALUE_BYTES = 290
WANTED_APPENDS = 200_000
SOURCE = TopicPartition("events")


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: `wanted` is the rate it should reach, in records per second."""

    what: str
    batch: int
    records: int
    seconds: float
    per_second: int
    wanted: int | None


def measure(open_log: Callable[[int], Log], records: int) -> Iterator[Row]:
    """Append and then read so many records, in batches of each size."""
    for batch, count, sample in batches(records):
        with closing(open_log(batch)) as log:
            chunk = sample[:batch]
            start = time.perf_counter()
            for _ in range(count // batch):
                log.append("events", chunk)
            yield row("append", batch, count, start, WANTED_APPENDS if batch > 1 else None)
            if batch > 1:
                start = time.perf_counter()
                offset = 0
                while found := len(log.read(SOURCE, offset, batch)):
                    offset += found
                yield row("read", batch, offset, start, None)


def measure_spool(folder: Path, records: int) -> Iterator[Row]:
    """Emit so many records into a spool, so many to an emit, and take them out again as a drainer does."""
    for batch, count, sample in batches(records):
        with closing(Spool.open(folder / f"spool-{batch}.db", 2**40, "nowhere")) as spool:
            start = time.perf_counter()
            for _ in range(count // batch):
                spool.add([{"events": sample[:batch]}])
            yield row("spool in", batch, count, start, WANTED_APPENDS if batch > 1 else None)
            start = time.perf_counter()
            group: Group | None = None
            while group := spool.next_group(group, Most()):
                pass
            yield row("out", batch, count, start, None)


def batches(records: int) -> Iterator[tuple[int, int, list[Record]]]:
    """Batch sizes, how many records in all, and records to take."""
    sample = [Record(b"tenant/example.com", os.urandom(VALUE_BYTES), i) for i in range(20_000)]
    for batch in (1, 1_000, 20_000):
        yield batch, max(batch, records // batch * batch) if batch > 1 else min(records, 2_000), sample


def row(what: str, batch: int, records: int, start: float, wanted: int | None) -> Row:
    """A measurement that started at `start` and ends now."""
    seconds = time.perf_counter() - start
    return Row(what, batch, records, round(seconds, 3), round(records / seconds), wanted)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument(
        "--records", type=int, default=1_000_000, help="how many per batch size (%(default)s)"
    )
    arguments.add_argument("--log", help="where the log is, if not in SQLite: kafka://HOST:PORT")
    arguments.add_argument("--json", action="store_true", help="print a line of JSON for each measurement")
    asked = arguments.parse_args()
    if asked.records < 1:
        arguments.error("--records must be 1 or more")
    if not asked.json:
        print(f"{'':8}{'batch':>10}{'records':>12}{'seconds':>10}{'records/s':>12}{'wanted':>12}")
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix="bench-append-") as folder:

        def opened(batch: int) -> Log:
            if asked.log:
                return KafkaLog.open(
                    KafkaCluster.of(f"{asked.log}/bench-{time.time_ns()}"), [Topic("events")]
                )
            return SqliteLog.open(Path(folder) / f"{batch}.db", [Topic("events")])

        spooled = () if asked.log else measure_spool(Path(folder), asked.records)
        for one in chain(measure(opened, asked.records), spooled):
            if asked.json:
                print(json.dumps(asdict(one)))
            else:
                wanted = f"≥ {one.wanted:,}" if one.wanted else ""
                print(
                    f"{one.what:8}{one.batch:>10,}{one.records:>12,}{one.seconds:>10.2f}"
                    f"{one.per_second:>12,}{wanted:>12}"
                )


if __name__ == "__main__":
    main()
