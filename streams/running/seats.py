"""The partitions of one stage that a worker has at the moment: given and taken by a group, stepped in turn."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Protocol

from streams import metrics
from streams.log import TopicPartition
from streams.running.done import Done

logger = logging.getLogger(__name__)


class Work(Protocol):
    """A stage, or a loader, at work on one partition."""

    def step(self) -> int:
        """Deal with some records; how many, 0 when there are none."""

    def lag(self) -> int:
        """How many records are waiting."""

    def lag_seconds(self) -> float:
        """How much event time is waiting."""


class Seat(Work, Protocol):
    """Work on a partition that may be another's one day."""

    def renew(self) -> bool:
        """Whether nobody else has had the partition meanwhile; if so, go on as if nothing had been."""

    def close(self) -> None:
        """Let go of everything but what is durable."""


class Seats:
    """Steps the partitions it was given. A group gives and takes from another thread than those that step.

    Several threads may call `step`: each partition is one's at a time, and while one waits for the log another works.
    The partition that has waited longest comes next. Each rests between its steps, so that something comes together,
    unless a step left some; it rests by itself, and none waits until a round of all is done.

    A group takes everything back before it shares out anew. What is kept meanwhile goes on without recovery if it is
    given to this worker again.
    """

    def __init__(
        self,
        stage: str,
        take: Callable[[TopicPartition], Seat],
        busy: tuple[type[Exception], ...],
        left_there: Callable[[TopicPartition], int] = lambda source: 0,
        rest_s: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`take` takes a partition over from whoever had it; `busy` are the errors that pass.

        `rest_s` lies between the beginnings of two steps on a partition. `left_there` says how many records wait on a partition as far as others know, before it is taken over.
        """
        self._stage, self._take, self._busy, self._left_there = stage, take, busy, left_there
        self.stepped: Callable[[TopicPartition, int], None] = lambda source, records: None
        """Told of every step that ended well."""
        self.waits: Callable[[TopicPartition, Exception], None] = lambda source, error: None
        """Told of every step that found something busy, whatever becomes of the other partitions."""
        self._rest_s, self._now = rest_s, now
        self._due: dict[TopicPartition, float] = {}
        self._given: frozenset[TopicPartition] = frozenset()
        self._seats: dict[TopicPartition, Seat] = {}
        self._interrupted: set[TopicPartition] = set()
        self._under_way: set[TopicPartition] = set()
        self._changing = threading.Condition()
        self._waiting: set[TopicPartition] = set()
        self._failure: BaseException | None = None

    def suspend(self) -> None:
        """No partition is this worker's until it is given. Returns when nothing is under way any more."""
        with self._changing:
            self._given = frozenset()
            self._changing.wait_for(lambda: not self._under_way)
            self._interrupted = set(self._seats)

    def give(self, sources: Collection[TopicPartition]) -> None:
        """These are this worker's from now on, and no others; they are taken over when their turn comes."""
        with self._changing:
            self._given &= frozenset(sources)
            self._changing.wait_for(lambda: self._under_way <= self._given)
            for source in self._seats.keys() - set(sources):
                self._leave(source)
            for source in self._waiting - set(sources):
                self._went_well(source, 0)
            self._given = frozenset(sources)
        metrics.STAGE_PARTITIONS.set(len(self._given), self._stage)
        logger.info("%s: given %s", self._stage, _told(sources))

    def goes_on(self, source: TopicPartition) -> None:
        """A partition is being taken over, and that has come further: however long it takes, it is no standstill."""
        self.stepped(source, 1)

    def fail(self, error: BaseException) -> None:
        """The group has failed: the next step raises this."""
        self._failure = error

    def step(self) -> Done:
        """A step on each partition whose turn it is and that no other thread is at. Raises what they raise.

        What is busy on one partition does not hold up the others: it is raised when all have had their turn, and
        nothing was done.
        """
        if self._failure is not None:
            raise self._failure
        had: set[TopicPartition] = set()
        begun, done, more, busy = self._now(), 0, False, None
        while True:
            with self._turn(begun, had) as source:
                if source is None:
                    break
                had.add(source)
                try:
                    dealt_with = self._seat(source).step()
                except self._busy as error:
                    self._waiting.add(source)
                    self.waits(source, error)
                    busy = error
                    continue
                self._went_well(source, dealt_with)
                done += dealt_with
                if isinstance(dealt_with, Done) and dealt_with.more:
                    more = True
                    self._due[source] = begun
        if busy is not None and not done:
            raise busy
        return Done(done, more)

    def lag(self, source: TopicPartition) -> int:
        """How many records wait on a partition; 0 where it is another's. Raises LogError.

        Those of one that is given and not taken over yet wait too: else a taking over that hangs would look well.
        """
        seat = self._seats.get(source)
        if seat is not None:
            return seat.lag()
        return self._left_there(source) if source in self._given or source in self._under_way else 0

    def lag_seconds(self, source: TopicPartition) -> float:
        """How much event time waits on a partition, in seconds. Raises LogError."""
        seat = self._seats.get(source)
        return 0.0 if seat is None else seat.lag_seconds()

    def close(self) -> None:
        """Leave every partition."""
        self.suspend()
        with self._changing:
            for source in list(self._seats):
                self._leave(source)

    @contextmanager
    def _turn(self, begun: float, had: Collection[TopicPartition]) -> Iterator[TopicPartition | None]:
        """The partition that was due first, and by now, for the block alone; None if there is no other to be had."""
        with self._changing:
            due = [
                (self._due.get(source, begun), source)
                for source in self._given
                if source not in self._under_way and source not in had
            ]
            source = min((one for one in due if one[0] <= begun), default=(0.0, None))[1]
            if source is not None:
                self._under_way.add(source)
                self._due[source] = self._now() + self._rest_s
        try:
            yield source
        finally:
            if source is not None:
                with self._changing:
                    self._under_way.discard(source)
                    self._changing.notify_all()

    def _seat(self, source: TopicPartition) -> Seat:
        if source in self._interrupted and source in self._seats:
            if not self._seats[source].renew():
                self._leave(source)
            self._interrupted.discard(source)
        if source not in self._seats:
            with metrics.TAKE_OVER_SECONDS.timing(self._stage):
                self._seats[source] = self._take(source)
        return self._seats[source]

    def _went_well(self, source: TopicPartition, records: int) -> None:
        self._waiting.discard(source)
        self.stepped(source, records)

    def _leave(self, source: TopicPartition) -> None:
        seat = self._seats.pop(source, None)
        if seat is not None:
            seat.close()


def _told(sources: Collection[TopicPartition]) -> str:
    topics: dict[str, list[int]] = {}
    for source in sorted(sources):
        topics.setdefault(source.topic, []).append(source.partition)
    return (
        "; ".join(f"{topic} {' '.join(map(str, several))}" for topic, several in topics.items()) or "nothing"
    )
