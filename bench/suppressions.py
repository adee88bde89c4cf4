"""Suppressions of so many distinct recipients: the fold, its state, the index, and what a look-up takes.

    python bench/suppressions.py [--recipients N] [--json]

Each recipient has one fatal bounce, told in steps of 25,000 into a log in a temporary folder beneath the current one, and
folded as workers do, with Python's search for cycles made seldom. Then
10,000 more bounces of known recipients are one step; the index follows, and 20,000 recipients, half of them unknown, are
looked up, each by a hash of its own.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from mailwake.suppressed.recipients import source_of
from processors.suppressions.stage import SuppressStage
from schemas.codec import encode_rows
from schemas.suppression import SuppressionEvidence
from sinks.suppressions.index import SuppressionIndex
from streams.log import Record, TopicPartition
from streams.running.runner import StageRunner
from streams.running.workers import seldom_collecting
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

STEP = 25_000
AT = 1_780_272_000_000
MIB = 2**20


def who(number: int) -> str:
    """A recipient's hash: 32 hex digits, spread as real ones are."""
    return blake2b(b"%d" % number, digest_size=16).hexdigest()


def evidence(numbers: range, at: int) -> list[Record]:
    """A fatal bounce of each recipient."""
    rows = []
    for number in numbers:
        fact = SuppressionEvidence.id_of("default", f"{number}/{at}")
        rows.append(
            {
                "event_id": fact, "tenant": "default", "occurred_at": at, "recorded_at": at + 9, "source": "mailwake",
                "source_event_id": f"{fact}/bounce/all", "kind": "bounce", "recipient_hash": who(number),
                "recipient_domain": "gmail.com", "stream": "all", "fact_event_id": fact,
                "bounce_class": "bad_mailbox", "leaf": "unknown", "ruleset": "2026-11-30",
            }
        )  # fmt: skip
    keys = (f"default/{row['recipient_hash']}".encode() for row in rows)
    values = encode_rows(SuppressionEvidence, rows)
    return [Record(key, value, at) for key, value in zip(keys, values, strict=True)]


def measured(recipients: int, folder: Path) -> dict[str, float]:
    """Everything, in this process."""
    log = SqliteLog.open(folder / "log.db", TOPICS)
    for first in range(0, recipients, STEP):
        log.append("suppressions.evidence", evidence(range(first, min(recipients, first + STEP)), AT))
    found: dict[str, float] = {"recipients": recipients}
    with log.hold(), seldom_collecting():
        runner = StageRunner(log, SuppressStage(), step_records=STEP)
        with _timed(found, "fold_s"):
            while runner.step():
                pass
        log.append("suppressions.evidence", evidence(range(10_000), AT + 60_000))
        with _timed(found, "fold_10k_known_s"):
            while runner.step():
                pass
        state = dict(log.state("suppress"))
        found["state_bytes_each"] = sum(map(len, state.values())) / recipients
        found["chunks"] = len(state)
        del state, runner
        with _timed(found, "restore_s"):
            StageRunner(log, SuppressStage(), step_records=STEP)
    found["evidence_per_s"] = recipients / found["fold_s"]
    found["fold_cpu_us_each"] = found["fold_cpu_s"] / recipients * 1e6
    index = SuppressionIndex(folder / "index")
    with _timed(found, "index_s"):
        index.follow(log, source_of(log))
    found["index_cpu_us_each"] = found["index_cpu_s"] / recipients * 1e6
    found["indexed_per_s"] = log.end(TopicPartition("suppressions")) / found["index_s"]
    found["index_bytes_each"] = (folder / "index").stat().st_size / recipients
    times = sorted(_look_ups(index, recipients))
    found |= {
        "look_up_us": statistics.median(times) * 1e6,
        "look_up_p99_us": times[len(times) * 99 // 100] * 1e6,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    index.close()
    log.close()
    return found


def _look_ups(index: SuppressionIndex, recipients: int) -> Iterator[float]:
    for number in range(20_000):
        known = number % 2 == 0
        hashed = who(number * 7_919 % recipients if known else recipients + number)
        begun = time.perf_counter()
        answer = index.is_suppressed("default", hashed, "marketing")
        yield time.perf_counter() - begun
        if (answer is not None) != known:
            raise AssertionError(f"recipient {number}: {answer}")


@contextmanager
def _timed(found: dict[str, float], name: str) -> Iterator[None]:
    """Seconds on the wall, and of the processor, which a busy machine does not lengthen as much."""
    begun, used = time.perf_counter(), time.process_time()
    yield
    found[name] = time.perf_counter() - begun
    found[name.replace("_s", "_cpu_s")] = time.process_time() - used


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipients", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="one JSON line")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=".") as folder:
        found = measured(given.recipients, Path(folder).absolute())
    if given.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:>18}  {value:>14,.1f}")


if __name__ == "__main__":
    main()
