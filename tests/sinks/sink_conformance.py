"""What every `sinks.sink.Sink` must do, sentence by sentence of the contract.

Subclass `SinkConformance` and provide its `sink` fixture and the three methods; pytest then runs the suite
against it. Slices and marks are made here: no log is needed.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from hashlib import sha256

import pytest

from processors.stage import Slice
from sinks.sink import Sink, SinkRefused
from streams.log import Mark, TopicPartition

LOG = "the-log"
GARBAGE = (b"", b"\x00", b"not a record", b"\x00\x00\x0f\x42\x42" + b"\xff" * 40)


def mark(values: Sequence[bytes | None], offset: int, topic: str, partition: int = 0, log: str = LOG) -> Mark:
    """The position after `values[:offset]`."""
    before = values[offset - 1] if offset else b""
    return Mark(log, TopicPartition(topic, partition), offset, sha256(before or b"").hexdigest())


def cut(values: Sequence[bytes | None], first: int, end: int, topic: str, partition: int = 0) -> Slice:
    """Records `first` to `end` of a partition that holds `values`."""
    return Slice(topic, partition, first, end, range(first, end), values[first:end])


class SinkConformance(ABC):
    topic: str
    """One that the sink has a place for."""

    @pytest.fixture
    @abstractmethod
    def sink(self) -> Sink:
        """One that nothing was loaded into."""

    @abstractmethod
    def reopened(self, sink: Sink) -> Sink:
        """Another object over what this one holds."""

    @abstractmethod
    def contents(self, sink: Sink) -> object:
        """All that can be read of it, positions left out; equal when nothing changed."""

    @abstractmethod
    def values(self, count: int) -> list[bytes | None]:
        """Framed records of `topic`, each another fact."""

    def load(self, sink: Sink, values: Sequence[bytes | None], first: int, end: int) -> int:
        loaded = sink.load(cut(values, first, end, self.topic), mark(values, end, self.topic))
        assert not loaded.bad
        return loaded.rows

    def at(self, sink: Sink) -> int | None:
        held = sink.position(TopicPartition(self.topic))
        return held and held.offset

    def test_has_a_name_and_its_topic(self, sink: Sink) -> None:
        assert sink.name
        assert self.topic in sink.topics

    def test_holds_no_position_before_the_first_load(self, sink: Sink) -> None:
        assert sink.position(TopicPartition(self.topic)) is None

    def test_holds_what_was_loaded_and_the_mark_of_it(self, sink: Sink) -> None:
        values = self.values(20)
        before = self.contents(sink)
        self.load(sink, values, 0, 20)
        assert sink.position(TopicPartition(self.topic)) == mark(values, 20, self.topic)
        assert self.contents(sink) != before

    def test_holds_it_for_whoever_opens_it_next(self, sink: Sink) -> None:
        values = self.values(20)
        self.load(sink, values, 0, 20)
        other = self.reopened(sink)
        assert other.position(TopicPartition(self.topic)) == mark(values, 20, self.topic)
        assert self.contents(other) == self.contents(sink)

    def test_is_the_same_however_it_is_cut(self, sink: Sink) -> None:
        values = self.values(20)
        self.load(sink, values, 0, 20)
        whole = self.contents(sink)
        for first, end in ((0, 1), (1, 7), (7, 8), (8, 20)):
            self.load(sink, values, first, end)
        assert self.contents(sink) == whole

    @pytest.mark.parametrize("seed", range(3))
    def test_repeats_change_nothing_in_any_order(self, sink: Sink, seed: int) -> None:
        rng = random.Random(seed)
        values = self.values(30)
        for first in range(0, 30, 10):
            self.load(sink, values, first, first + 10)
        once = self.contents(sink)
        for _ in range(6):
            first = rng.randrange(29)
            self.load(sink, values, first, rng.randrange(first + 1, 31))
        assert self.contents(sink) == once
        assert sink.position(TopicPartition(self.topic)) == mark(values, 30, self.topic)

    def test_goes_on_from_within_a_slice(self, sink: Sink) -> None:
        values = self.values(20)
        self.load(sink, values, 0, 12)
        self.load(sink, values, 5, 20)
        overlapped = self.contents(sink)
        self.load(sink, values, 0, 20)
        assert self.contents(sink) == overlapped
        assert self.at(sink) == 20

    def test_loads_what_was_prepared_and_what_was_not(self, sink: Sink) -> None:
        values = self.values(30)
        self.load(sink, values, 0, 30)
        whole = self.contents(sink)
        fresh = self.topic + "@7"
        for prepared, loaded in (
            ((0, 9), (0, 9)),
            ((9, 20), (9, 15)),
            ((9, 20), (15, 20)),
            ((20, 30), (20, 30)),
        ):
            sink.prepare(cut(values, *prepared, fresh))
            sink.load(cut(values, *loaded, fresh), mark(values, loaded[1], fresh))
        sink.prepare(cut(values, 29, 30, fresh))
        held = sink.position(TopicPartition(fresh))
        assert held is not None
        assert held.offset == 30
        assert self.contents(sink) == whole

    def test_may_begin_anywhere(self, sink: Sink) -> None:
        values = self.values(20)
        self.load(sink, values, 15, 20)
        assert self.at(sink) == 20

    def test_takes_a_slice_of_nothing_but_gaps_and_tombstones(self, sink: Sink) -> None:
        values = [*self.values(2), None, None]
        self.load(sink, values, 0, 4)
        assert self.at(sink) == 4
        sink.load(Slice(self.topic, 0, 4, 9, (), ()), mark([*values, *[None] * 5], 9, self.topic))
        assert self.at(sink) == 9

    def test_reports_garbage_and_loads_the_rest(self, sink: Sink) -> None:
        good = self.values(12)
        self.load(sink, good, 0, 12)
        clean = self.contents(sink)
        dirty: list[bytes | None] = [*good]
        for at, garbage in zip((0, 5, 9, 11), GARBAGE, strict=True):
            dirty.insert(at, garbage)
        fresh = self.topic + "@7"
        loaded = sink.load(cut(dirty, 0, 16, fresh), mark(dirty, 16, fresh))
        assert [index for index, _ in loaded.bad] == [0, 5, 9, 11]
        assert all(reason for _, reason in loaded.bad)
        assert self.contents(sink) == clean

    def test_keeps_a_position_for_each_partition_and_shadow(self, sink: Sink) -> None:
        values = self.values(10)
        self.load(sink, values, 0, 10)
        other, shadow = TopicPartition(self.topic, 3), TopicPartition(self.topic + "@2")
        assert sink.position(other) is None
        assert sink.position(shadow) is None
        sink.load(cut(values, 0, 4, self.topic, 3), mark(values, 4, self.topic, 3))
        sink.load(cut(values, 0, 6, shadow.topic), mark(values, 6, shadow.topic))
        held = [sink.position(source) for source in (TopicPartition(self.topic), other, shadow)]
        assert [position and position.offset for position in held] == [10, 4, 6]

    def test_refuses_another_log(self, sink: Sink) -> None:
        values = self.values(10)
        self.load(sink, values, 0, 5)
        before = self.contents(sink)
        with pytest.raises(SinkRefused, match="rebuild"):
            sink.load(cut(values, 5, 10, self.topic), mark(values, 10, self.topic, log="another"))
        assert (self.contents(sink), self.at(sink)) == (before, 5)

    def test_refuses_to_leave_a_gap(self, sink: Sink) -> None:
        values = self.values(10)
        self.load(sink, values, 0, 5)
        before = self.contents(sink)
        with pytest.raises(SinkRefused, match="5"):
            sink.load(cut(values, 6, 10, self.topic), mark(values, 10, self.topic))
        assert (self.contents(sink), self.at(sink)) == (before, 5)

    def test_refuses_a_log_that_was_cut_and_grew_again(self, sink: Sink) -> None:
        values = self.values(10)
        self.load(sink, values, 0, 10)
        regrown = [*values[:9], self.values(11)[10]]
        with pytest.raises(SinkRefused, match="another record"):
            sink.load(cut(regrown, 0, 10, self.topic), mark(regrown, 10, self.topic))
        assert sink.position(TopicPartition(self.topic)) == mark(values, 10, self.topic)
