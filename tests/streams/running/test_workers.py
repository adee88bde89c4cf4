import threading

import pytest

from streams.running.done import Done
from streams.running.workers import Patience, Worker, Workers


class Busy(Exception):
    pass


def test_a_worker_is_not_idle_before_those_it_comes_after():
    made, taken = [], []
    release = threading.Event()

    def make() -> int:
        release.wait(5)
        if len(made) < 3:
            made.append(len(made))
            return 1
        return 0

    def take() -> int:
        release.set()
        if len(taken) < len(made):
            taken.append(len(taken))
            return 1
        return 0

    workers = [Worker("take", take, after=("make",)), Worker("make", make)]
    Workers(workers, Patience(())).run(until_idle=True)
    assert taken == [0, 1, 2]


def test_a_busy_neighbour_is_waited_for():
    calls = []

    def step() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise Busy("come back")
        return 0

    Workers([Worker("busy", step)], Patience((Busy,), give_up_after_s=60)).run(until_idle=True)
    assert len(calls) == 3


def test_patience_ends():
    def step() -> int:
        raise Busy("for good")

    with pytest.raises(Busy, match="for good"):
        Workers([Worker("busy", step)], Patience((Busy,), give_up_after_s=0.1)).run(until_idle=True)


def test_a_failure_stops_all_and_is_raised():
    def fail() -> int:
        raise ZeroDivisionError("a bug")

    forever = Worker("forever", lambda: 1)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        Workers([forever, Worker("fails", fail)], Patience((), linger_s=0)).run(until_idle=False)


def test_a_paused_worker_takes_no_step():
    calls = []
    paused = Worker("paused", lambda: calls.append(1) or 0, lambda: True)
    Workers([paused], Patience(())).run(until_idle=True)
    assert calls == []


@pytest.mark.parametrize(
    ("done", "rests"), [(Done(1, more=True), False), (Done(9), True), (9, False), (2, True)]
)
def test_a_step_says_whether_it_left_some_or_its_size_does(done, rests):
    assert Patience((), full_step=3).rests(done) is rests


def test_what_left_nothing_is_not_idle_when_it_did_something():
    left = [Done(2), Done(1, more=True), Done(0)]
    Workers([Worker("steps", lambda: left.pop(0))], Patience(())).run(until_idle=True)
    assert left == []


def test_a_full_step_takes_no_rest():
    rests, left = [], [3, 3, 1, 0]

    class Stopping(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            rests.append(timeout)
            self.set()
            return True

    stopping = Stopping()
    steps = Worker("steps", lambda: left.pop(0))
    Workers([steps], Patience((), linger_s=9, full_step=3), stopping=stopping).run(until_idle=False)
    assert left == [0] and rests == [9]
