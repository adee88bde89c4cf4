"""A SqliteLog does what a few lists and dicts do, whatever is asked of it in whatever order."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.log import LogError, OffsetGone, Record, Retention, Topic, TopicPartition
from streams.partitioner import partition_of
from streams.sqlite.log import SqliteLog

AGE = 50
TOPICS = (
    Topic("plain"),
    Topic("spread", partitions=3),
    Topic("brief", retention=Retention(max_age_ms=AGE)),
    Topic("small", retention=Retention(max_bytes=100)),
    Topic("latest", retention=Retention(compacted=True)),
)
PARTITIONS = {topic.name: topic.partitions for topic in TOPICS}
SOURCES = [TopicPartition(topic.name, p) for topic in TOPICS for p in range(topic.partitions)]

keys = st.sampled_from([None, b"", b"a", b"b", b"c", b"d"])
records = st.lists(
    st.builds(Record, keys, st.none() | st.binary(max_size=12), st.integers(0, 200)), max_size=6
)
sources = st.sampled_from(SOURCES)
topics = st.sampled_from(sorted(PARTITIONS))
chunks = st.dictionaries(st.sampled_from([b"x", b"y", b"z"]), st.none() | st.binary(max_size=5))


class Partition:
    """Records by offset, and what is gone."""

    def __init__(self) -> None:
        self.records: dict[int, Record] = {}
        self.begin = 0
        self.end = 0

    def append(self, record: Record) -> int:
        self.records[self.end] = record
        self.end += 1
        return self.end - 1

    def size(self) -> int:
        return sum(len(r.key or b"") + len(r.value or b"") for r in self.records.values())

    def retain(self, rule: Retention, now: int, until: int) -> None:
        for offset in sorted(o for o in self.records if o < until):
            old = rule.max_age_ms is not None and self.records[offset].timestamp < now - rule.max_age_ms
            large = rule.max_bytes is not None and self.size() > rule.max_bytes
            if not (old or large):
                return
            del self.records[offset]
            self.begin = offset + 1

    def compact(self, until: int) -> None:
        latest = {r.key: o for o, r in sorted(self.records.items()) if o < until and r.key is not None}
        for offset, record in list(self.records.items()):
            if offset < until and record.key is not None and latest[record.key] != offset:
                del self.records[offset]


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.log = self.open()
        self.model = {source: Partition() for source in SOURCES}
        self.positions: dict[str, dict[TopicPartition, int]] = {"g": {}, "h": {}}
        self.state: dict[bytes, bytes] = {}
        self.marks = [self.log.mark(source, 0) for source in SOURCES]

    def open(self) -> SqliteLog:
        return SqliteLog.open(self.folder / "log.db", TOPICS)

    def teardown(self) -> None:
        self.log.close()
        shutil.rmtree(self.folder)

    def put(self, topic: str, some: list[Record]) -> list[int]:
        count = PARTITIONS[topic]
        return [self.model[TopicPartition(topic, partition_of(r.key, count))].append(r) for r in some]

    @rule(topic=topics, some=records)
    def append(self, topic: str, some: list[Record]) -> None:
        assert list(self.log.append(topic, some)) == self.put(topic, some)

    @rule(some=st.dictionaries(topics, records))
    def append_all(self, some: dict[str, list[Record]]) -> None:
        self.log.append_all(some)
        for topic, of_topic in some.items():
            self.put(topic, of_topic)

    @rule(
        some=st.lists(st.tuples(topics, records), max_size=3),
        group=st.sampled_from(["g", "h"]),
        source=sources,
        part=st.floats(0, 1),
        put=chunks,
        fails=st.booleans(),
    )
    def step(
        self,
        some: list[tuple[str, list[Record]]],
        group: str,
        source: TopicPartition,
        part: float,
        put: dict[bytes, bytes | None],
        fails: bool,
    ) -> None:
        position = int(self.model[source].end * part)
        try:
            with self.log.hold(), self.log.transaction() as step:
                for topic, of_topic in some:
                    step.append(topic, of_topic)
                step.commit(group, source, position)
                step.put_state("stage", put)
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            return
        for topic, of_topic in some:
            self.put(topic, of_topic)
        self.positions[group][source] = position
        for key, value in put.items():
            self.state.pop(key, None)
            if value is not None:
                self.state[key] = value

    @rule(now=st.integers(0, 300))
    def retain(self, now: int) -> None:
        self.log.retain(now)
        for topic in TOPICS:
            for source in self.log.partitions(topic.name):
                model = self.model[source]
                committed = [p[source] for p in self.positions.values() if source in p]
                until = min([model.end, *committed])
                model.retain(topic.retention, now, until)
                if topic.retention.compacted:
                    model.compact(until)

    @rule(group=st.sampled_from(["g", "h"]))
    def forget(self, group: str) -> None:
        self.log.forget(group)
        self.positions[group] = {}

    @rule(source=sources, part=st.floats(0, 1))
    def mark(self, source: TopicPartition, part: float) -> None:
        self.marks.append(self.log.mark(source, int(self.model[source].end * part)))

    @rule()
    def reopen(self) -> None:
        self.log.close()
        self.log = self.open()

    @rule()
    def back_up_and_restore(self) -> None:
        copy = self.folder / "copy.db"
        self.log.backup(copy)
        self.log.close()
        copy.replace(self.folder / "log.db")
        self.log = self.open()

    @rule(source=sources, offset=st.integers(0, 40), limit=st.integers(1, 10))
    def read(self, source: TopicPartition, offset: int, limit: int) -> None:
        model = self.model[source]
        if offset < model.begin:
            with pytest.raises(OffsetGone) as gone:
                self.log.read(source, offset, limit)
            assert gone.value.begin == model.begin
            return
        if offset > model.end:
            with pytest.raises(LogError):
                self.log.read(source, offset, limit)
            return
        expected = [(o, r) for o, r in sorted(model.records.items()) if o >= offset]
        batch = self.log.read(source, offset, limit)
        assert list(batch.offsets) == [o for o, _ in expected[:limit]]
        assert list(zip(batch.keys, batch.values, batch.timestamps, strict=True)) == [
            r for _, r in expected[:limit]
        ]
        assert batch.next == (expected[limit - 1][0] + 1 if len(expected) >= limit else model.end)

    @precondition(lambda self: self.marks)
    @rule(which=st.randoms(use_true_random=False))
    def check(self, which: "st.random.Random") -> None:  # type: ignore[name-defined]
        mark = which.choice(self.marks)
        if mark.offset < self.model[mark.source].begin:
            with pytest.raises(LogError, match="begins after"):
                self.log.check(mark)
        else:
            self.log.check(mark)

    @invariant()
    def bounds_and_counts_agree(self) -> None:
        stats = {one.source: one for one in self.log.stats()}
        for source, model in self.model.items():
            one = stats[source]
            assert (one.begin, one.end) == (model.begin, model.end)
            assert (one.records, one.bytes) == (len(model.records), model.size())

    @invariant()
    def positions_and_state_agree(self) -> None:
        for group, positions in self.positions.items():
            assert self.log.committed(group) == positions
        assert dict(self.log.state("stage")) == self.state


TestModel = LogMachine.TestCase
TestModel.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
