"""The partitions of one stage that a worker has at the moment: given and taken by a group, stepped in turn."""

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Protocol

from streams import metrics
from streams.log import TopicPartition

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

    A group takes everything back before it shares out anew. What is kept meanwhile goes on without recovery if it is
    given to this worker again.
    """

    def __init__(
        self, stage: str, take: Callable[[TopicPartition], Seat], busy: tuple[type[Exception], ...]
    ) -> None:
        """`take` takes a partition over from whoever had it; `busy` are the errors that pass."""
        self._stage, self._take, self._busy = stage, take, busy
        self.stepped: Callable[[TopicPartition, int], None] = lambda source, records: None
        """Told of every step that ended well."""
        self.waits: Callable[[TopicPartition, Exception], None] = lambda source, error: None
        """Told of every step that found something busy, whatever becomes of the other partitions."""
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

    def fail(self, error: BaseException) -> None:
        """The group has failed: the next step raises this."""
        self._failure = error

    def step(self) -> int:
        """A step on each partition that no other thread is at; how many records they dealt with. Raises what they raise.

        What is busy on one partition does not hold up the others: it is raised when all have had their turn, and
        nothing was done.
        """
        if self._failure is not None:
            raise self._failure
        done, busy = 0, None
        for source in sorted(self._given):
            try:
                with self._turn(source) as ours:
                    if ours:
                        dealt_with = self._seat(source).step()
                        self._went_well(source, dealt_with)
                        done += dealt_with
            except self._busy as error:
                self._waiting.add(source)
                self.waits(source, error)
                busy = error
        if busy is not None and not done:
            raise busy
        return done

    def lag(self, source: TopicPartition) -> int:
        """How many records wait on a partition; 0 where it is another's. Raises LogError."""
        seat = self._seats.get(source)
        return 0 if seat is None else seat.lag()

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
    def _turn(self, source: TopicPartition) -> Iterator[bool]:
        """Whether the partition is the block's alone; not if it is another thread's turn, or another worker's."""
        with self._changing:
            ours = source in self._given and source not in self._under_way
            if ours:
                self._under_way.add(source)
        try:
            yield ours
        finally:
            if ours:
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
