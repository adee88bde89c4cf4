"""What Faust delivers, as a runner reads it: only the owner's, nothing missing, nothing twice, bounded, paced."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from streams.faust.feed import Feed, Pace
from streams.kafka.cluster import KafkaCluster, KafkaPartition
from streams.log import Batch, LogError, TopicPartition

SOURCE, OTHER = TopicPartition("deltas", 3), TopicPartition("deltas", 4)


@dataclass
class Topic:
    """The part of a log that a feed asks: records at these offsets, of every partition."""

    offsets: list[int] = field(default_factory=list)
    begins: int = 0
    ends: int = 0
    asked: int = 0
    cluster: KafkaCluster = field(default_factory=lambda: KafkaCluster.of("kafka://nowhere:1"))

    def begin(self, source: TopicPartition) -> int:
        return self.begins

    def end(self, source: TopicPartition) -> int:
        return self.ends

    def visible_end(self, place: KafkaPartition) -> int:
        self.asked += 1
        return max(self.offsets, default=-1) + 1

    def read(self, source: TopicPartition, offset: int, limit: int) -> Batch:
        found = [one for one in self.offsets if one >= offset][:limit]
        nothing: tuple[Any, ...] = (None,) * len(found)
        return Batch(source, offset, found[-1] + 1 if found else self.ends, found, nothing, nothing, nothing)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def feed_of(topic: Topic, pace: Pace = Pace(linger_s=0), clock: Clock | None = None) -> Feed:  # noqa: B008
    clock = clock or Clock()
    return Feed(topic, pace, clock, lambda: clock.now - 100)  # type: ignore[arg-type]


def put(feed: Feed, *offsets: int, partition: int = 3, size: int = 10) -> None:
    for offset in offsets:
        feed.put(partition, offset, b"k%d" % offset, b"v" * size, 1_000 + offset)


def taken(feed: Feed, offset: int = 0, limit: int = 100) -> list[int]:
    return list(feed.read(SOURCE, offset, limit).offsets)


def test_records_come_as_they_were_put() -> None:
    feed = feed_of(Topic([0, 1, 2], ends=4))
    feed.open(SOURCE, 0)
    put(feed, 0, 1, 2)
    batch = feed.read(SOURCE, 0, 2)
    assert (batch.first, batch.next, batch.offsets, batch.keys) == (0, 2, [0, 1], [b"k0", b"k1"])
    assert (batch.values, batch.timestamps) == ([b"v" * 10] * 2, [1_000, 1_001])
    assert taken(feed, 2) == [2]
    assert (feed.read(SOURCE, 3, 2).first, feed.read(SOURCE, 3, 2).next) == (3, 3)


def test_what_was_read_for_the_owner_before_is_dropped() -> None:
    feed = feed_of(Topic([0, 1, 2, 5, 6, 9], ends=10))
    put(feed, 0, 1)
    feed.open(SOURCE, 2)
    put(feed, 6, 9)  # Faust had gone further for that owner, and this was still on its way.
    put(feed, 0, 1)
    assert taken(feed) == []
    put(feed, 2, 5, 6, 2, 5, 9)
    assert taken(feed) == [2, 5, 6, 9]
    put(feed, 5, 9)
    assert taken(feed) == []


def test_at_the_end_the_next_record_may_have_any_offset_from_there_on() -> None:
    """Control markers lie between: which offset comes next, nobody knows yet."""
    feed = feed_of(Topic([0, 1], ends=4))
    feed.open(SOURCE, 2)
    put(feed, 1, 3)
    assert taken(feed) == []
    put(feed, 5, 6)
    assert taken(feed) == [5, 6]


def test_partitions_do_not_see_each_other_and_closing_forgets() -> None:
    feed = feed_of(Topic([0, 1, 2], ends=3))
    for source in (SOURCE, OTHER):
        feed.open(source, 0)
    put(feed, 0, 1)
    put(feed, 0, partition=4)
    feed.close(OTHER)
    put(feed, 1, partition=4)
    assert list(feed.read(OTHER, 0, 10).offsets) == []
    assert taken(feed) == [0, 1]
    feed.open(OTHER, 0)
    assert list(feed.read(OTHER, 0, 10).offsets) == []


def test_faust_waits_while_much_is_waiting_over_all_partitions() -> None:
    feed = feed_of(Topic([0, 1, 2, 3], ends=4), Pace(linger_s=0, most_bytes=100))
    for source in (SOURCE, OTHER):
        feed.open(source, 0)
    put(feed, 0, 1, size=30)
    assert not feed.full()
    put(feed, 0, partition=4, size=40)
    assert feed.full()
    assert taken(feed, limit=1) == [0]
    assert not feed.full()
    put(feed, 2, size=30)
    assert feed.full()
    feed.close(OTHER)
    assert not feed.full()


def test_little_lingers_and_much_does_not() -> None:
    clock = Clock(100.0)
    feed = feed_of(Topic(list(range(9)), ends=9), Pace(linger_s=2.0, step_bytes=100), clock)
    feed.open(SOURCE, 0)
    clock.now = 110.0
    put(feed, 0)
    assert taken(feed) == []
    clock.now = 111.9
    put(feed, 1)
    assert taken(feed) == []
    clock.now = 112.0
    assert taken(feed) == [0, 1]
    put(feed, 2)
    assert taken(feed) == []
    put(feed, 3, size=90)
    assert taken(feed) == [2, 3]


def test_what_is_late_anyway_lingers_longer_as_long_as_more_comes() -> None:
    clock = Clock(101.0)
    feed = feed_of(Topic(list(range(99)), ends=99), Pace(linger_s=2.0, most_bytes=500), clock)
    for source in (SOURCE, OTHER):
        feed.open(source, 0)
    clock.now = 181.0
    for offset in range(8):
        put(feed, offset)
        clock.now += 1
        assert taken(feed) == []
    put(feed, 8)
    clock.now = 190.0
    assert taken(feed) == list(range(9)), "nine seconds, as it was ninety behind"
    put(feed, 9)
    clock.now = 192.0
    assert taken(feed, 9) == [9], "nothing came for two seconds"
    clock.now = 999.0
    for offset in range(10, 30):
        put(feed, offset)
        clock.now += 1
        assert (taken(feed, offset) != []) == (offset == 29), "never more than ten times the usual"
    put(feed, 0, size=500, partition=OTHER.partition)
    put(feed, 30)
    assert taken(feed, 30) == [30], "Faust waits: nothing more would come"


def test_a_position_that_is_no_longer_kept_is_refused() -> None:
    feed = feed_of(Topic([50], begins=40, ends=60))
    with pytest.raises(LogError, match=r"deltas/3 begins at 40.*stopped at 39.*mailwake log copy"):
        feed.open(SOURCE, 39)
    feed.open(SOURCE, 40)
    put(feed, 50)
    assert taken(feed, 40) == [50]


def test_the_end_is_after_the_last_record_and_looked_for_when_something_was_added() -> None:
    topic = Topic([0, 1], ends=3)
    feed = feed_of(topic)
    assert feed.end(SOURCE) == feed.end(SOURCE) == 2 and topic.asked == 1
    topic.offsets, topic.ends = [0, 1, 4], 6
    assert feed.end(SOURCE) == 5 and topic.asked == 2
