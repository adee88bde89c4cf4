"""How many partitions topics have in Kafka: remembered when they are made, not a matter of who opens the log."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiokafka.protocol.admin import CreatePartitionsRequest, DeleteTopicsRequest

from streams.kafka import topics as kafka_topics
from streams.kafka.cluster import KafkaCluster
from streams.kafka.log import KafkaLog
from streams.log import LogError, Topic
from streams.topics import declared

Open = Callable[[int], KafkaLog]
SPREAD = [topic.name for topic in declared(2) if topic.partitions == 2]


@pytest.fixture
def open_with(cluster: KafkaCluster) -> Iterator[Open]:
    """Opens the log as somebody does whose setting is this number of partitions."""
    opened: list[KafkaLog] = []

    def open_it(partitions: int, topics: Sequence[Topic] | None = None) -> KafkaLog:
        opened.append(KafkaLog.open(cluster, topics or declared(partitions)))
        return opened[-1]

    yield open_it
    for log in opened:
        log.close()


def counts(log: KafkaLog) -> set[int]:
    return {len(log.partitions(name)) for name in SPREAD}


def give(log: KafkaLog, topic: str, partitions: int) -> None:
    """What an operator does with Kafka's own tool."""
    name = log.cluster.topic(topic)
    request = CreatePartitionsRequest([(name, (partitions, None))], 10_000, False)

    async def ask() -> None:
        answer = await log._connection.send_to_any(request)
        assert [code for _, code, _ in answer.topic_errors] == [0]
        while log._connection.known_partitions(name) != partitions:
            await log._connection.refresh()

    log._background.run(ask())


def make(log: KafkaLog, topic: str, partitions: int) -> None:
    name = log.cluster.topic(topic)
    log._background.run(kafka_topics.make(log._connection, name, partitions, {}))


def test_a_log_is_opened_whatever_number_the_opener_has_set(open_with: Open) -> None:
    assert counts(open_with(3)) == {3}
    assert counts(open_with(8)) == {3}
    assert counts(open_with(1)) == {3}


def test_a_topic_that_comes_later_is_made_with_the_number_set_then(open_with) -> None:
    open_with(3, [topic for topic in declared(3) if topic.name != "reputation.scores"])
    later = open_with(5)
    assert (len(later.partitions("mail.events")), len(later.partitions("reputation.scores"))) == (3, 5)


def test_a_topic_that_was_given_more_partitions_since_is_refused(open_with: Open) -> None:
    give(open_with(3), "mail.events", 5)
    with pytest.raises(LogError, match=r"mail.events has 5 partitions.*made with 3.*mailwake log copy"):
        open_with(5)


def test_a_topic_that_was_deleted_is_made_as_it_was(open_with: Open) -> None:
    log = open_with(3)
    name = log.cluster.topic("mail.events")

    async def delete() -> None:
        answer = await log._connection.send_to_any(DeleteTopicsRequest([name], 10_000))
        assert [code for _, code in answer.topic_error_codes] == [0]
        while name in log._connection.topics():
            await log._connection.refresh()

    log._background.run(delete())
    assert len(open_with(8).partitions("mail.events")) == 3


def test_a_topic_that_an_operator_made_is_taken_as_it_is_and_remembered(open_with: Open) -> None:
    first = open_with(2, [Topic("documents")])
    make(first, "mail.events", 6)
    assert len(open_with(8).partitions("mail.events")) == 6
    give(first, "mail.events", 7)
    with pytest.raises(LogError, match=r"7 partitions.*made with 6"):
        open_with(8)


def test_what_has_to_have_one_partition_is_refused_with_more(open_with: Open) -> None:
    first = open_with(2, [Topic("dead.letters")])
    make(first, "documents", 2)
    with pytest.raises(LogError, match=r"documents has 2 partitions.*declared with 1"):
        open_with(8)


def test_those_who_open_at_once_with_other_numbers_agree(open_with: Open) -> None:
    with ThreadPoolExecutor(4) as threads:
        logs = list(threads.map(open_with, (2, 3, 4, 5)))
    for name in SPREAD:
        assert len({len(log.partitions(name)) for log in logs}) == 1
    assert len({log.id for log in [*logs, open_with(9)]}) == 1


def test_only_what_is_much_goes_after_some_days() -> None:
    kept = {topic.name: topic.retention.max_age_ms for topic in declared(2, kept_days=30)}
    assert kept["mail.events"] == kept["reputation.buckets"] == 30 * 86_400_000
    assert kept["documents"] is kept["dmarc.records"] is kept["dead.letters"] is None
