"""Several threads step the same seats: each partition is one's at a time, and a group waits for what is under way."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from streams.log import TopicPartition
from streams.running.seats import Seats

SOURCES = [TopicPartition("mail.events", number) for number in range(2)]
LONGEST_S = 30


@dataclass
class Held:
    """Work whose step ends when it is let go."""

    begun: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    steps: int = 0

    def step(self) -> int:
        self.steps += 1
        self.begun.set()
        assert self.let_go.wait(LONGEST_S)
        return 1

    def lag(self) -> int:
        return 0

    def lag_seconds(self) -> float:
        return 0.0

    def renew(self) -> bool:
        return True

    def close(self) -> None:
        pass


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_two_threads_are_at_two_partitions_at_once() -> None:
    works = {source: Held() for source in SOURCES}
    seats = Seats("count", works.__getitem__, ())
    seats.give(SOURCES)
    threads = [in_thread(seats.step) for _ in range(2)]
    for work in works.values():
        assert work.begun.wait(LONGEST_S)
    assert [work.steps for work in works.values()] == [1, 1]
    for work in works.values():
        work.let_go.set()
    for thread in threads:
        thread.join(LONGEST_S)


def test_what_another_thread_is_at_is_passed_over() -> None:
    work = Held()
    seats = Seats("count", lambda source: work, ())
    seats.give(SOURCES[:1])
    thread = in_thread(seats.step)
    assert work.begun.wait(LONGEST_S)
    assert seats.step() == 0
    work.let_go.set()
    thread.join(LONGEST_S)
    assert work.steps == 1


def test_a_group_that_takes_partitions_back_waits_for_what_is_under_way() -> None:
    work = Held()
    seats = Seats("count", lambda source: work, ())
    seats.give(SOURCES[:1])
    stepping = in_thread(seats.step)
    assert work.begun.wait(LONGEST_S)
    suspending = in_thread(seats.suspend)
    suspending.join(0.05)
    assert suspending.is_alive()
    work.let_go.set()
    suspending.join(LONGEST_S)
    stepping.join(LONGEST_S)
    assert not suspending.is_alive()
    assert seats.step() == 0
