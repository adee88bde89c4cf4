"""How fast mail events become reputation, in one process, from framed records in memory to what a flush emits.

`python bench/fold.py [--events N] [--json]`: dense and sparse traffic in slices of 50,000, each step by itself,
flushed after every slice and after every fourth; memory per (identity, provider); and the fold that comes to
mind (fastavro, dicts, one event at a time, emitting nothing) as the baseline.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from naive_fold import NaiveFold

from processors.reputation import counting
from processors.reputation.admission import Admission
from processors.reputation.fold import Fold
from processors.reputation.stage import ReputationStage
from processors.stage import Slice
from sources.simulator.records import mail_records
from sources.simulator.traffic import dense, sparse

SLICE = 50_000
STEPS = ("decode", "admit", "combine", "fold", "flush")


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the table: seconds by step, and what is left in memory and in chunks."""

    traffic: str
    flush_every: int
    events: int
    seconds: float
    cpu_seconds: float
    steps: dict[str, float]
    emitted_bytes: int
    pairs: int
    memory_bytes: int
    chunks: int
    chunk_bytes: int

    @property
    def per_second(self) -> float:
        """Events a second."""
        return self.events / self.seconds


@contextmanager
def timed(owner: Any, name: str, step: str, into: dict[str, float]) -> Iterator[None]:
    """Add the time that a function takes to a step."""
    function: Callable[..., Any] = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            into[step] += time.perf_counter() - start

    setattr(owner, name, wrapped)
    try:
        yield
    finally:
        setattr(owner, name, function)


def records(traffic: str, events: int) -> list[bytes]:
    """Framed records in order of arrival."""
    made = {"dense": dense, "sparse": sparse}[traffic](7, events)
    return [record.value or b"" for frames in made.frames() for record in mail_records(frames)]


def slices(values: list[bytes]) -> Iterator[Slice]:
    """The records as the runtime reads them."""
    for first in range(0, len(values), SLICE):
        part = values[first : first + SLICE]
        following = first + len(part)
        yield Slice("mail.events", 0, first, following, range(first, following), part)


def measure(traffic: str, values: list[bytes], flush_every: int) -> Measured:
    """Take all slices and flush every so many."""
    stage, steps, chunks, emitted = ReputationStage(), defaultdict[str, float](float), dict[bytes, bytes](), 0
    parts = list(slices(values))
    with (
        timed(counting, "decode_frames", "decode", steps),
        timed(counting, "id_bits", "admit", steps),
        timed(Admission, "admit", "admit", steps),
        timed(counting, "combine", "combine", steps),
        timed(Fold, "add", "fold", steps),
        timed(ReputationStage, "flush", "flush", steps),
    ):
        start, cpu = time.perf_counter(), time.process_time()
        for number, part in enumerate(parts, 1):
            stage.take(part)
            if number % flush_every and number < len(parts):
                continue
            flush = stage.flush()
            emitted += sum(len(emission.value) for emission in flush.emissions)
            chunks |= {key: chunk for key, chunk in flush.chunks.items() if chunk is not None}
            for key in [key for key, chunk in flush.chunks.items() if chunk is None]:
                chunks.pop(key, None)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    size = stage._fold.size()
    state = {key: chunk for key, chunk in chunks.items() if not key.startswith(b"admission/")}
    return Measured(
        traffic, flush_every, len(values), seconds, cpu_seconds, {step: steps[step] for step in STEPS}, emitted,
        size["identities"][0], sum(held for _, held in size.values()), len(state), sum(map(len, state.values())),
    )  # fmt: skip


def naive(values: list[bytes]) -> float:
    """Events a second of the baseline."""
    start = time.perf_counter()
    NaiveFold().take(values)
    return len(values) / (time.perf_counter() - start)


def show(measured: Measured, baseline: float) -> None:
    """A line for people."""
    steps = "  ".join(f"{step} {measured.steps[step] / measured.seconds:4.0%}" for step in STEPS)
    print(
        f"{measured.traffic:7} flush every {measured.flush_every}: {measured.per_second:>9,.0f} events/s "
        f"({measured.per_second / baseline:.1f} x naive), {measured.cpu_seconds / measured.events * 1e6:.1f} us of CPU "
        f"an event;  {steps}"
    )
    print(
        f"{'':8}{measured.pairs:,} (identity, provider) pairs: {measured.memory_bytes / measured.pairs:,.0f} bytes each "
        f"in memory, {measured.chunk_bytes / measured.pairs:,.0f} in {measured.chunks} chunks; "
        f"{measured.emitted_bytes / measured.events:,.0f} bytes emitted an event"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    results = []
    for traffic in ("dense", "sparse"):
        values = records(traffic, asked.events)
        baseline = naive(values[: min(100_000, len(values))])
        if not asked.json:
            print(f"{traffic:7} naive:         {baseline:>9,.0f} events/s")
        for flush_every in (1, 4):
            measured = measure(traffic, values, flush_every)
            results.append(
                {**asdict(measured), "per_second": measured.per_second, "naive_per_second": baseline}
            )
            if not asked.json:
                show(measured, baseline)
    if asked.json:
        json.dump(results, sys.stdout, indent=1)
        print()


if __name__ == "__main__":
    main()
