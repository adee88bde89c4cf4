"""Seats by themselves: which partitions are stepped, who is told, and what a sharing out does to what is kept."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from streams.log import TopicPartition
from streams.running.done import Done
from streams.running.seats import Seats


class Busy(Exception):
    pass


@dataclass
class Chair:
    """A seat that does as it is told."""

    source: TopicPartition
    act: Callable[[], int] = lambda: 1
    still_ours: bool = True
    told: list[str] = field(default_factory=list)

    def step(self) -> int:
        self.told.append("step")
        return self.act()

    def lag(self) -> int:
        return 7

    def lag_seconds(self) -> float:
        return 7.5

    def renew(self) -> bool:
        self.told.append("renew")
        return self.still_ours

    def close(self) -> None:
        self.told.append("close")


@dataclass
class Room:
    """Seats, and every chair that was taken."""

    taken: list[Chair] = field(default_factory=list)
    acts: dict[int, Callable[[], int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.seats = Seats("count", self.take, (Busy,))

    def take(self, source: TopicPartition) -> Chair:
        self.taken.append(Chair(source, lambda: self.acts.get(source.partition, lambda: 1)()))
        return self.taken[-1]


ZERO, ONE, TWO = (TopicPartition("t", number) for number in range(3))


def busy() -> int:
    raise Busy("come back")


def test_what_is_given_is_taken_when_its_turn_comes_and_stepped_from_then_on() -> None:
    room = Room()
    assert room.seats.step() == 0
    room.seats.give([ONE, ZERO])
    assert not room.taken and room.seats.lag(ZERO) == 0
    assert room.seats.step() == room.seats.step() == 2
    assert [chair.source for chair in room.taken] == [ZERO, ONE]
    assert (room.seats.lag(ZERO), room.seats.lag_seconds(ONE), room.seats.lag(TWO)) == (7, 7.5, 0)


def test_what_is_given_again_goes_on_if_nobody_had_it_meanwhile() -> None:
    room = Room()
    room.seats.give([ZERO, ONE, TWO])
    room.seats.step()
    zero, one, two = room.taken
    one.still_ours = False
    room.seats.suspend()
    assert room.seats.step() == 0
    room.seats.give([ZERO, ONE])
    assert two.told == ["step", "close"]
    assert room.seats.step() == room.seats.step() == 2
    assert zero.told == ["step", "renew", "step", "step"]
    assert one.told == ["step", "renew", "close"]
    assert [chair.source for chair in room.taken] == [ZERO, ONE, TWO, ONE]


def test_whether_it_is_still_ours_is_asked_again_when_the_answer_did_not_come() -> None:
    room = Room()
    room.seats.give([ZERO])
    room.seats.step()
    (zero,) = room.taken
    answers = iter([busy, lambda: True])
    zero.renew = lambda: next(answers)()  # type: ignore[assignment, method-assign]
    room.seats.suspend()
    room.seats.give([ZERO])
    with pytest.raises(Busy):
        room.seats.step()
    assert zero.told == ["step"]
    assert room.seats.step() == 1 and next(answers, None) is None
    assert room.taken == [zero] and zero.told == ["step", "step"]


def test_what_is_busy_on_one_partition_does_not_hold_up_the_others_and_is_told() -> None:
    room = Room(acts={0: busy})
    waits, went_well = [], []
    room.seats.waits = lambda source, error: waits.append((source, str(error)))
    room.seats.stepped = lambda source, records: went_well.append((source, records))
    room.seats.give([ZERO, ONE])
    assert room.seats.step() == 1
    assert waits == [(ZERO, "come back")] and went_well == [(ONE, 1)]
    room.acts[1] = lambda: 0
    with pytest.raises(Busy, match="come back"):
        room.seats.step()
    room.acts[0] = lambda: 5
    assert room.seats.step() == 5


def test_nothing_is_said_to_wait_on_a_partition_that_went_to_another() -> None:
    room = Room(acts={0: busy, 1: busy})
    went_well = []
    room.seats.stepped = lambda source, records: went_well.append((source, records))
    room.seats.give([ZERO, ONE])
    with pytest.raises(Busy):
        room.seats.step()
    room.seats.suspend()
    room.seats.give([ONE])
    assert went_well == [(ZERO, 0)]


def test_a_partition_that_could_not_be_taken_is_taken_the_next_time() -> None:
    room = Room()
    tries = []

    def take(source: TopicPartition) -> Chair:
        tries.append(source)
        return busy() if len(tries) == 1 else room.take(source)  # type: ignore[return-value]

    seats = Seats("count", take, (Busy,))
    seats.give([ZERO])
    with pytest.raises(Busy):
        seats.step()
    assert seats.step() == 1 and tries == [ZERO, ZERO]


def test_what_is_no_busy_neighbour_is_raised_at_once() -> None:
    room = Room(acts={0: lambda: 1 // 0})
    room.seats.give([ZERO, ONE])
    with pytest.raises(ZeroDivisionError):
        room.seats.step()
    assert [chair.source for chair in room.taken] == [ZERO]


def test_the_failure_of_the_group_is_raised_by_the_next_step() -> None:
    room = Room()
    room.seats.give([ZERO])
    room.seats.fail(RuntimeError("thrown out"))
    with pytest.raises(RuntimeError, match="thrown out"):
        room.seats.step()
    assert not room.taken


def test_suspending_waits_for_the_step_under_way_and_the_next_one_does_not_begin() -> None:
    room = Room()
    begun, go_on = threading.Event(), threading.Event()

    def act() -> int:
        begun.set()
        assert go_on.wait(60)
        return 1

    room.acts = {0: act}
    room.seats.give([ZERO, ONE])
    done: list[int] = []
    stepping = threading.Thread(target=lambda: done.append(room.seats.step()))
    suspending = threading.Thread(target=room.seats.suspend)
    stepping.start()
    assert begun.wait(60)
    suspending.start()
    while room.seats._given:
        threading.Event().wait(0.001)
    assert suspending.is_alive()
    go_on.set()
    stepping.join()
    suspending.join()
    assert done == [1] and [chair.source for chair in room.taken] == [ZERO]


def test_closing_leaves_every_partition() -> None:
    room = Room()
    room.seats.give([ZERO, ONE])
    room.seats.step()
    room.seats.close()
    assert [chair.told for chair in room.taken] == [["step", "close"]] * 2
    assert room.seats.step() == room.seats.lag(ZERO) == 0


def test_each_partition_rests_by_itself_and_what_left_some_does_not() -> None:
    clock = [0.0]
    acts = {0: lambda: Done(5, more=True), 1: lambda: Done(1), 2: lambda: 0}
    room = Room(acts=acts)
    seats = Seats("count", room.take, (Busy,), rest_s=10, now=lambda: clock[0])
    seats.give([ZERO, ONE, TWO])
    first = seats.step()
    assert (first, first.more) == (6, True)
    assert [len(chair.told) for chair in room.taken] == [1, 1, 1]
    room.acts[0] = lambda: Done(2)
    clock[0] = 1
    second = seats.step()
    assert (second, second.more) == (2, False)
    assert [len(chair.told) for chair in room.taken] == [2, 1, 1], "only the one that had left some"
    assert seats.step() == 0
    clock[0] = 10
    assert seats.step() == 1
    assert [len(chair.told) for chair in room.taken] == [2, 2, 2]
    clock[0] = 11
    assert seats.step() == 2, "its rest began with its last step"


def test_the_partition_that_has_waited_longest_comes_next() -> None:
    clock, order = [0.0], []
    room = Room(acts={number: lambda number=number: order.append(number) or 1 for number in range(3)})
    seats = Seats("count", room.take, (Busy,), rest_s=1, now=lambda: clock[0])
    seats.give([TWO])
    seats.step()
    clock[0] = 0.5
    seats.give([ONE, TWO])
    seats.step()
    clock[0] = 5
    seats.give([ZERO, ONE, TWO])
    seats.step()
    assert order == [2, 1, 2, 1, 0]


def test_what_waits_on_a_partition_counts_while_taking_it_over_hangs() -> None:
    room, begun, go_on = Room(), threading.Event(), threading.Event()

    def take(source: TopicPartition) -> Chair:
        begun.set()
        assert go_on.wait(60)
        return room.take(source)

    seats = Seats("count", take, (Busy,), {ZERO: 12, ONE: 3, TWO: 4}.__getitem__)
    seats.give([ZERO, ONE])
    assert (seats.lag(ZERO), seats.lag(ONE), seats.lag(TWO)) == (12, 3, 0)
    stepping = threading.Thread(target=seats.step)
    stepping.start()
    assert begun.wait(60)
    suspending = threading.Thread(target=seats.suspend)
    suspending.start()
    while seats._given:
        threading.Event().wait(0.001)
    assert (seats.lag(ZERO), seats.lag(ONE)) == (12, 0), "it is still under way"
    go_on.set()
    stepping.join()
    suspending.join()
    assert seats.lag(ZERO) == 7


def test_taking_over_that_goes_on_is_told() -> None:
    room, told = Room(), []
    room.seats.stepped = lambda source, records: told.append((source, records))
    room.seats.goes_on(ONE)
    assert told == [(ONE, 1)]
