"""The Log contract on a real broker, and what is Kafka's own."""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiokafka import AIOKafkaProducer
from kafka_broker_side import apply_retention
from log_conformance import LogConformance
from log_samples import BRIEF, EVENTS, TOPICS, Opener, read_all, records, values_of

from streams.kafka.batches import encode
from streams.kafka.cluster import KafkaCluster
from streams.kafka.log import KafkaLog
from streams.kafka.producing import Producer
from streams.kafka.topics import LARGEST_BATCH
from streams.log import Log, LogError, Record, RecordTooLarge, Retention, Topic, TopicPartition


class TestKafkaLog(LogConformance):
    @pytest.fixture
    def opener(self, cluster: KafkaCluster) -> Iterator[Opener]:
        opened: list[KafkaLog] = []

        def open_it(topics: Sequence[Topic]) -> Log:
            opened.append(KafkaLog.open(cluster, topics))
            return opened[-1]

        yield open_it
        for log in opened:
            log.close()

    def retain(self, log: Log, now_ms: int) -> None:
        assert isinstance(log, KafkaLog)
        apply_retention(log, now_ms)


@pytest.fixture
def log(cluster: KafkaCluster) -> Iterator[KafkaLog]:
    opened = KafkaLog.open(cluster, TOPICS)
    yield opened
    opened.close()


def test_those_who_create_a_log_at_the_same_time_agree_on_its_id(cluster: KafkaCluster) -> None:
    with ThreadPoolExecutor(4) as threads:
        logs = list(threads.map(lambda _: KafkaLog.open(cluster, TOPICS), range(4)))
    assert len({log.id for log in logs}) == 1
    for log in logs:
        log.close()


def test_logs_of_other_prefixes_are_apart(kafka, cluster: KafkaCluster, log: KafkaLog) -> None:
    other = KafkaLog.open(
        KafkaCluster(cluster.servers, cluster.prefix + "other"), [Topic("events"), Topic("odd@2 é")]
    )
    assert other.id != log.id
    other.append("events", records(1))
    assert log.end(EVENTS) == 0
    assert (log.topics(), other.topics()) == (sorted(topic.name for topic in TOPICS), ["events", "odd@2 é"])
    other.close()


def test_a_record_that_is_too_large_is_refused_with_its_size(log: KafkaLog) -> None:
    large = Record(b"large", bytes(LARGEST_BATCH), 1)
    for append in (
        lambda: log.append("events", [*records(2), large]),
        lambda: log.append_all({"events": [*records(2), large], "brief": records(1)}),
    ):
        with pytest.raises(
            RecordTooLarge, match=r"events/0 takes 8388\d{3} bytes.*max.message.bytes"
        ) as refused:
            append()
        assert refused.value.size > refused.value.limit == LARGEST_BATCH
    with log.hold():
        with pytest.raises(RecordTooLarge), log.transaction() as step:
            step.append("events", records(1))
            step.put_state("stage", {b"chunk": bytes(LARGEST_BATCH)})
        with log.transaction() as step:
            step.append("events", records(1))
    assert values_of(log, EVENTS) == [b"value 0"] and log.end(BRIEF) == 0


def test_a_record_without_a_key_is_refused_where_compaction_needs_one(log: KafkaLog) -> None:
    with pytest.raises(LogError, match=r"latest/0.*key"):
        log.append("latest", [Record(None, b"x", 1)])
    assert list(log.append("latest", records(1))) == [0]


def test_what_was_given_up_is_not_read(log: KafkaLog) -> None:
    async def write_and_give_up(number: int) -> None:
        producer = Producer(log._connection, f"{place.topic}.given-up")
        await producer.begin()
        await producer.add_partitions([place])
        await producer.produce(
            {place: encode([Record(b"lost", b"%d" % number, 1)] * 5, LARGEST_BATCH, True, "here")}
        )
        if number % 2:
            await producer.begin()
        else:
            await producer.end()

    place = log.place(EVENTS)
    for number in range(4):
        log._background.run(write_and_give_up(number))
        log.append("events", records(2, start=2 * number))
    kept = [b"0"] * 5 + [b"value 0", b"value 1", b"value 2", b"value 3"]
    kept += [b"2"] * 5 + [b"value 4", b"value 5", b"value 6", b"value 7"]
    assert values_of(log, EVENTS) == kept
    assert log.mark(EVENTS, log.end(EVENTS)).digest


def test_a_mark_after_what_was_just_read_is_the_one_that_the_log_gives(
    cluster: KafkaCluster, log: KafkaLog
) -> None:
    for number in range(3):
        with log.hold(), log.transaction() as step:
            step.append("events", records(4, start=4 * number))
    marks, offset = [], 0
    while len(batch := log.read(EVENTS, offset, 3)):
        offset = batch.next
        marks.append(log.mark(EVENTS, offset))
    assert offset > 12, "control records stand between"
    afresh = KafkaLog.open(cluster, TOPICS)
    assert [afresh.mark(EVENTS, mark.offset) for mark in marks] == marks
    afresh.close()


def test_a_batch_says_whether_more_was_behind_it_and_one_record_is_read_beside_it(log: KafkaLog) -> None:
    log.append("events", records(6))
    assert log.read(EVENTS, 0, 4).more
    assert log.read(EVENTS, 2, 1).values == [b"value 2"]
    rest = log.read(EVENTS, 4, 4)
    assert rest.values == [b"value 4", b"value 5"] and not rest.more
    assert log.read(EVENTS, 5, 1).values == [b"value 5"] and log.read(EVENTS, 6, 1).next == 6


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_what_other_producers_compress_is_read(
    cluster: KafkaCluster, log: KafkaLog, compression: str
) -> None:
    async def produce() -> None:
        async with AIOKafkaProducer(
            compression_type=compression, linger_ms=50, **cluster.options()
        ) as producer:
            for record in records(200):
                await producer.send(
                    log.place(EVENTS).topic, record.value, record.key, timestamp_ms=record.timestamp
                )

    log._background.run(produce())
    assert [record for _, record in read_all(log, EVENTS)] == records(200)


def test_positions_are_kafkas_too_for_whoever_watches_lag(log: KafkaLog) -> None:
    log.append("events", records(5))
    with log.hold(), log.transaction() as step:
        step.commit("one", EVENTS, 3)
        step.commit("two", EVENTS, 5)
        step.commit("two", TopicPartition("spread", 3), 0)

    assert log.group_positions("one") == {EVENTS: 3}
    assert log.group_positions("two") == {EVENTS: 5, TopicPartition("spread", 3): 0}
    assert log.group_positions("three") == {}


def test_a_topic_keeps_what_it_declares(cluster: KafkaCluster) -> None:
    from streams.kafka.topics import configured

    both = Topic("both", retention=Retention(max_age_ms=5, max_bytes=2**30, compacted=True))
    log = KafkaLog.open(cluster, [both, Topic("all")])
    assert log._background.run(configured(log._connection, cluster.topic("both"))).compacted
    assert not log._background.run(configured(log._connection, cluster.topic("all"))).compacted
    log.close()


def test_a_closed_log_says_so(log: KafkaLog) -> None:
    log.close()
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.end(EVENTS)


@pytest.mark.parametrize(
    "name", ["mail.events", "reputation.buckets@2", "a_b", "é", "state/1", "UPPER-case.x_2e"]
)
@pytest.mark.parametrize("prefix", ["", "staging"])
def test_names_come_back(name: str, prefix: str) -> None:
    cluster = KafkaCluster(("broker:9092",), prefix)
    assert cluster.named(cluster.topic(name)) == name
    assert set(cluster.topic(name)) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
    )
    assert cluster.named(cluster.meta_topic) is None and cluster.named("__consumer_offsets") is None


@pytest.mark.parametrize(
    ("url", "servers", "prefix"),
    [
        ("kafka://broker", ["broker:9092"], ""),
        ("kafka://broker:1234,other/", ["broker:1234", "other:9092"], ""),
        ("kafka://[::1]:9092,[::2]/staging", ["[::1]:9092", "[::2]:9092"], "staging"),
    ],
)
def test_addresses(url: str, servers: list[str], prefix: str) -> None:
    cluster = KafkaCluster.of(url)
    assert (list(cluster.servers), cluster.prefix) == (servers, prefix)


@pytest.mark.parametrize(
    "url",
    [
        "kafka:///x",
        "kafka://user:word@broker",
        "kafka://a,,b",
        "kafka://a/b/c",
        "kafka://a?x=1",
        "sqlite:///x",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"kafka://HOST:PORT"):
        KafkaCluster.of(url)


def test_keys_of_positions_are_told_apart_from_those_of_other_groups(log: KafkaLog) -> None:
    odd = json.dumps(["a", "b"])
    with log.hold(), log.transaction() as step:
        step.commit(odd, EVENTS, 0)
    assert log.committed(odd) == {EVENTS: 0} and log.committed("a") == {}


def test_in_a_forked_child_it_says_so_instead_of_waiting_for_ever(log: KafkaLog) -> None:
    child = os.fork()
    if child == 0:
        try:
            log.end(EVENTS)
        except LogError as error:
            os._exit(0 if "forked" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
