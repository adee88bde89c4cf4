"""What a process holds in memory while it works."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from from_broker.processes import rss_mib
from from_broker.workers import WorkerHandle


@contextmanager
def memory_of(one: WorkerHandle, every_s: float = 0.5) -> Iterator[list[int]]:
    """Its resident memory, MiB, again and again for the length of the block."""
    ended, samples = threading.Event(), [rss_mib(one.process.pid)]

    def look() -> None:
        while not ended.wait(every_s) and one.process.poll() is None:
            samples.append(rss_mib(one.process.pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def by_fifths(samples: list[int]) -> list[int]:
    """The highest of each fifth of the time: level from the second on if memory is."""
    return [
        max(samples[len(samples) * n // 5 : max(len(samples) * (n + 1) // 5, len(samples) * n // 5 + 1)])
        for n in range(5)
        if samples[len(samples) * n // 5 :]
    ]
