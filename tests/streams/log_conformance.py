"""What every `streams.log.Log` must do, sentence by sentence of the contract.

Offsets are compared with those that `append` gave back: a log may leave gaps where a transaction ended.

Subclass `LogConformance` and provide its `opener` fixture and `retain`; pytest then runs the suite against it.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from log_mark_conformance import MarkConformance
from log_samples import BRIEF, EVENTS, LATEST, TOPICS, Opener, read_all, records, values_of
from log_step_conformance import StepConformance

from streams.log import (
    Log,
    LogError,
    NotedLog,
    OffsetGone,
    Record,
    Topic,
    TopicPartition,
    UnknownTopic,
)
from streams.partitioner import partition_of


class LogConformance(StepConformance, MarkConformance):
    """The whole of it."""

    # Identity and topics

    def test_id_stays_and_is_the_same_for_everyone(self, opener: Opener) -> None:
        first = opener(TOPICS)
        made = first.id
        assert made and made == opener(TOPICS).id
        first.append("events", records(3))
        first.close()
        assert opener(TOPICS).id == made

    def test_notes_stay_and_the_last_one_holds(self, opener: Opener) -> None:
        first = cast(NotedLog, opener(TOPICS))
        assert first.noted("keyring") is None
        first.note("keyring", b"one")
        first.note("other", b"another")
        second = cast(NotedLog, opener(TOPICS))
        assert second.noted("keyring") == b"one"
        second.note("keyring", b"two")
        second.note("keyring", b"two")
        assert first.noted("keyring") == b"two" and first.noted("other") == b"another"
        assert "notes" not in first.topics() and set(first.topics()) >= {"events", "spread"}

    def test_partitions(self, log: Log) -> None:
        assert list(log.partitions("events")) == [EVENTS]
        assert list(log.partitions("spread")) == [TopicPartition("spread", p) for p in range(4)]

    def test_unknown_topic_and_partition(self, log: Log) -> None:
        nowhere = TopicPartition("nowhere")
        for act in (
            lambda: log.partitions("nowhere"),
            lambda: log.append("nowhere", records(1)),
            lambda: log.append("events", records(1), partition=1),
            lambda: log.append_all({"events": records(1), "nowhere": records(1)}),
            lambda: log.read(nowhere, 0, 1),
            lambda: log.read(TopicPartition("spread", 4), 0, 1),
            lambda: log.begin(nowhere),
            lambda: log.end(nowhere),
            lambda: log.mark(nowhere, 0),
        ):
            with pytest.raises(UnknownTopic):
                act()
        assert log.end(EVENTS) == 0

    def test_topics_are_added_at_opening(self, opener: Opener) -> None:
        earlier = opener(TOPICS)
        opener((*TOPICS, Topic("new", partitions=2))).append("new", records(1), partition=1)
        assert [record for _, record in read_all(earlier, TopicPartition("new", 1))] == records(1)

    def test_another_number_of_partitions_is_refused(self, opener: Opener) -> None:
        opener(TOPICS)
        with pytest.raises(LogError, match=r"events.*1.*2"):
            opener((Topic("events", partitions=2),))

    # Appending and reading

    def test_empty_partition(self, log: Log) -> None:
        batch = log.read(EVENTS, 0, 10)
        assert (batch.first, batch.next, len(batch)) == (0, 0, 0)
        assert (log.begin(EVENTS), log.end(EVENTS)) == (0, 0)

    def test_offsets_count_up_from_zero_without_gaps(self, log: Log) -> None:
        assert list(log.append("events", records(3))) == [0, 1, 2]
        assert list(log.append("events", [])) == []
        assert list(log.append("events", records(2, start=3))) == [3, 4]
        assert log.end(EVENTS) == 5
        assert read_all(log, EVENTS) == list(enumerate(records(5)))

    def test_every_record_comes_back_as_it_went_in(self, log: Log) -> None:
        odd = [
            Record(None, b"no key", 5),
            Record(b"", b"", 0),
            Record(b"tombstone", None, 4),
            Record(bytes(range(256)), bytes(range(256)) * 5_000, 2**53),
        ]
        log.append("events", odd)
        assert [record for _, record in read_all(log, EVENTS)] == odd

    def test_what_is_appended_is_there_for_everyone_and_after_reopening(self, opener: Opener) -> None:
        one, other = opener(TOPICS), opener(TOPICS)
        one.append("events", records(2))
        other.append("events", records(2, start=2))
        assert read_all(one, EVENTS) == read_all(other, EVENTS) == list(enumerate(records(4)))
        one.close()
        other.close()
        assert read_all(opener(TOPICS), EVENTS) == list(enumerate(records(4)))

    @pytest.mark.parametrize("limit", [1, 2, 99, 100, 101, 1_000])
    def test_batches_join_up(self, log: Log, limit: int) -> None:
        log.append("events", records(100))
        assert read_all(log, EVENTS, limit) == list(enumerate(records(100)))

    def test_reading_from_the_middle(self, log: Log) -> None:
        log.append("events", records(10))
        batch = log.read(EVENTS, 4, 3)
        assert (batch.first, list(batch.offsets), batch.next) == (4, [4, 5, 6], 7)
        assert list(batch.values) == [b"value 4", b"value 5", b"value 6"]

    def test_reading_past_the_end_is_refused(self, log: Log) -> None:
        log.append("events", records(10))
        assert len(log.read(EVENTS, 10, 1)) == 0
        with pytest.raises(LogError, match="10"):
            log.read(EVENTS, 11, 1)

    def test_a_batch_stays_what_it_was(self, log: Log) -> None:
        log.append("events", records(2))
        batch = log.read(EVENTS, 0, 10)
        log.append("events", records(2))
        assert len(batch) == batch.next == 2

    def test_large_records_are_all_read(self, log: Log) -> None:
        large = [Record(b"%d" % i, bytes([i]) * 300_000, i) for i in range(40)]
        log.append("events", large)
        assert [record for _, record in read_all(log, EVENTS, limit=1_000)] == large

    # Partitions

    def test_the_key_chooses_the_partition(self, log: Log) -> None:
        keyed = records(200)
        offsets = log.append("spread", keyed)
        for partition in range(4):
            expected = [r for r in keyed if partition_of(r.key, 4) == partition]
            found = read_all(log, TopicPartition("spread", partition))
            assert [r for _, r in found] == expected != []
            mine = [o for o, r in zip(offsets, keyed, strict=True) if partition_of(r.key, 4) == partition]
            assert mine == list(range(len(expected)))

    def test_a_partition_that_is_named_wins_over_the_key(self, log: Log) -> None:
        assert list(log.append("spread", records(5), partition=3)) == list(range(5))
        assert [r for _, r in read_all(log, TopicPartition("spread", 3))] == records(5)

    def test_append_all(self, log: Log) -> None:
        log.append_all({"events": records(3), "spread": records(50), "brief": []})
        assert values_of(log, EVENTS) == [r.value for r in records(3)]
        spread = [value for source in log.partitions("spread") for value in values_of(log, source)]
        assert sorted(filter(None, spread)) == sorted(filter(None, (r.value for r in records(50))))
        assert log.end(BRIEF) == 0

    # Retention and compaction

    def test_retention_leaves_offsets_as_they_were(self, log: Log) -> None:
        log.append("brief", [Record(None, b"%d" % i, i) for i in range(2_000)])
        self.retain(log, now_ms=2_500)
        assert (log.begin(BRIEF), log.end(BRIEF)) == (1_500, 2_000)
        assert [offset for offset, _ in read_all(log, BRIEF, 100)] == list(range(1_500, 2_000))
        with pytest.raises(OffsetGone) as gone:
            log.read(BRIEF, 1_499, 10)
        assert gone.value.begin == 1_500

    def test_offsets_are_never_reused(self, opener: Opener) -> None:
        log = opener(TOPICS)
        log.append("brief", records(10))
        self.retain(log, now_ms=10**9)
        assert log.begin(BRIEF) == log.end(BRIEF) == 10
        log.close()
        log = opener(TOPICS)
        assert list(log.append("brief", records(1))) == [10]
        assert read_all(log, BRIEF) == [(10, records(1)[0])]

    def test_a_topic_without_retention_keeps_everything(self, log: Log) -> None:
        log.append("events", records(10))
        self.retain(log, now_ms=10**15)
        assert len(read_all(log, EVENTS)) == 10

    def test_compaction_keeps_the_latest_of_each_key(self, log: Log) -> None:
        at = log.append("latest", [Record(b"%d" % (i % 3), b"%d" % i, i) for i in range(10)])
        self.retain(log, now_ms=10)
        assert [(o, r.value) for o, r in read_all(log, LATEST)] == [
            (at[7], b"7"),
            (at[8], b"8"),
            (at[9], b"9"),
        ]
        (new,) = log.append("latest", [Record(b"0", b"new", 10)])
        assert new > at[9]
        self.retain(log, now_ms=11)
        assert [(o, r.value) for o, r in read_all(log, LATEST)] == [
            (at[7], b"7"),
            (at[8], b"8"),
            (new, b"new"),
        ]

    def test_a_compacted_topic_can_be_read_from_anywhere(self, log: Log) -> None:
        log.append("latest", [Record(b"same", b"%d" % i, i) for i in range(10)])
        self.retain(log, now_ms=10)
        assert log.begin(LATEST) == 0
        for offset in range(10):
            batch = log.read(LATEST, offset, 5)
            assert (batch.first, list(batch.offsets), batch.next) == (offset, [9], log.end(LATEST))

    def test_a_tombstone_forgets_its_key_at_once(self, log: Log) -> None:
        log.append("latest", [Record(b"a", b"1", 1), Record(b"b", b"2", 2), Record(b"a", None, 3)])
        self.retain(log, now_ms=4)
        assert [(o, r.value) for o, r in read_all(log, LATEST)] == [(1, b"2"), (2, None)]

    def test_a_tombstone_goes_after_a_while(self, log: Log) -> None:
        log.append("latest", [Record(b"a", b"1", 1), Record(b"b", b"2", 2), Record(b"a", None, 3)])
        self.retain(log, now_ms=10**10)
        assert [(o, r.value) for o, r in read_all(log, LATEST)] == [(1, b"2")]
        batch = log.read(LATEST, 2, 5)
        assert (batch.first, len(batch), batch.next) == (2, 0, log.end(LATEST))
        (back,) = log.append("latest", [Record(b"a", b"back", 5)])
        assert back > 2
        assert [(o, r.value) for o, r in read_all(log, LATEST)] == [(1, b"2"), (back, b"back")]

    # Threads

    def test_threads_share_a_log(self, log: Log) -> None:
        def write(name: bytes) -> None:
            for i in range(20):
                log.append("events", [Record(name, b"%d.%d" % (i, j), i) for j in range(5)])

        def follow() -> None:
            offset = 0
            while offset < 300:
                batch = log.read(EVENTS, offset, 50)
                assert list(batch.offsets) == list(range(offset, batch.next))
                offset = batch.next

        with ThreadPoolExecutor(5) as threads:
            acts = [threads.submit(follow), threads.submit(follow)]
            acts += [threads.submit(write, b"%d" % n) for n in range(3)]
        for act in acts:
            act.result()
        found = [record for _, record in read_all(log, EVENTS, 1_000)]
        for n in range(3):
            mine = [record.value for record in found if record.key == b"%d" % n]
            assert mine == [b"%d.%d" % (i, j) for i in range(20) for j in range(5)]
