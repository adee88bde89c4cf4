"""Owning a partition of a stage on a real broker: state and position come back, and nobody else can write them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.kafka import topics as kafka_topics
from streams.kafka.cluster import KafkaCluster
from streams.kafka.log import KafkaLog
from streams.kafka.ownership import Ownership, changelog_of
from streams.log import Fenced, LogError, Record, TopicPartition
from streams.topics import declared

PARTITIONS = 3
IN, OUT = "mail.events", "reputation.deltas"
ZERO, ONE = TopicPartition(IN), TopicPartition(IN, 1)
SLEEPER = Path(__file__).with_name("ownership_programs.py")

Opener = Callable[[], KafkaLog]


@pytest.fixture
def opener(cluster: KafkaCluster) -> Iterator[Opener]:
    """Opens the log as another worker does."""
    opened: list[KafkaLog] = []

    def open_it() -> KafkaLog:
        opened.append(KafkaLog.open(cluster, declared(PARTITIONS)))
        return opened[-1]

    yield open_it
    for log in opened:
        log.close()


def owned(log: KafkaLog, group: str = "count", source: TopicPartition = ZERO) -> Ownership:
    ownership = log.own(group, source)
    ownership.take_over()
    ownership.recover()
    return ownership


def write(ownership: Ownership, offset: int, value: bytes = b"made", **chunks: bytes | None) -> None:
    with ownership.transaction() as transaction:
        transaction.append(OUT, [Record(b"k", value, 1)], 2)
        transaction.put_state(ownership.group, {key.encode(): chunk for key, chunk in chunks.items()})
        transaction.commit(ownership.group, ownership.source, offset)


def state(ownership: Ownership) -> dict[bytes, bytes]:
    return dict(ownership.state(ownership.group))


def made(log: KafkaLog) -> list[bytes | None]:
    return list(log.read(TopicPartition(OUT, 2), 0, 1_000).values)


def test_state_and_position_come_back_to_the_next_owner(opener: Opener) -> None:
    log = opener()
    first = owned(log)
    assert first.committed("count") == {} and state(first) == {}
    write(first, 10, b"1", a=b"a1", b=b"b1")
    write(first, 20, b"2", a=b"a2", b=None, c=b"c2")
    assert first.committed("count") == {ZERO: 20}

    next_one = owned(opener())
    assert next_one.committed("count") == {ZERO: 20}
    assert state(next_one) == {b"a": b"a2", b"c": b"c2"} and state(next_one) == {}
    assert log.group_positions("count") == {ZERO: 20}
    assert made(log) == [b"1", b"2"]


def test_an_owner_that_was_overtaken_writes_nothing_and_the_new_one_goes_on(opener: Opener) -> None:
    log = opener()
    first = owned(log)
    write(first, 10, b"1", a=b"a1")
    second = owned(opener())
    for _ in range(2):
        with pytest.raises(Fenced, match="has taken"):
            write(first, 20, b"lost", a=b"lost")
    assert not first.renew()
    write(second, 30, b"2", a=b"a2")
    third = owned(log)
    assert (third.committed("count"), state(third)) == ({ZERO: 30}, {b"a": b"a2"})
    assert made(log) == [b"1", b"2"] and log.group_positions("count") == {ZERO: 30}


def test_renewing_says_whether_somebody_else_had_it_meanwhile(opener: Opener) -> None:
    first = owned(opener())
    assert first.renew()
    write(first, 10, a=b"a1")
    assert first.renew() and first.renew()
    write(first, 20, a=b"a2")
    second = owned(opener())
    assert not first.renew() and second.renew()
    write(second, 30, a=b"a3")
    assert owned(opener()).committed("count") == {ZERO: 30}


def test_what_a_killed_owner_had_open_is_ended_by_the_next_one(cluster: KafkaCluster, opener: Opener) -> None:
    log = opener()
    write(owned(log), 10, b"kept", a=b"a1")
    command = [sys.executable, str(SLEEPER), str(cluster), str(PARTITIONS)]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert killed.stdout is not None and killed.stdout.readline() == b"sent\n"
    killed.kill()
    killed.wait()
    place = TopicPartition(OUT, 2)
    log.append(OUT, [Record(b"k", b"behind it", 1)], 2)
    assert made(log) == [b"kept"]  # Its transaction is open: nobody sees what is behind it.

    next_one = owned(opener())
    assert (next_one.committed("count"), state(next_one)) == ({ZERO: 10}, {b"a": b"a1"})
    log.until_decided(OUT)
    assert made(log) == [b"kept", b"behind it"] and log.end(place) > 2
    write(next_one, 20, b"again")
    log.until_decided(OUT)
    assert made(log) == [b"kept", b"behind it", b"again"]


def test_groups_and_partitions_do_not_see_each_other(opener: Opener) -> None:
    log = opener()
    several = [owned(log, group, source) for group in ("count", "other") for source in (ZERO, ONE)]
    for number, ownership in enumerate(several):
        write(ownership, 10 + number, a=b"%d" % number)
    for number, ownership in enumerate(several):
        assert ownership.renew()
        fresh = owned(log, ownership.group, ownership.source)
        assert fresh.committed(fresh.group) == {fresh.source: 10 + number}
        assert state(fresh) == {b"a": b"%d" % number}
    assert log.group_positions("count") == {ZERO: 10, ONE: 11}
    assert log.group_positions("other") == {ZERO: 12, ONE: 13}
    assert log.group_positions("nobody") == {}


def test_only_what_is_owned_is_written(opener: Opener) -> None:
    ownership = owned(opener())
    is_another = pytest.raises(LogError, match=r"count on mail.events/1 is not what is owned .*mail.events/0")
    with is_another, ownership.transaction() as transaction:
        transaction.append(OUT, [Record(b"k", b"lost", 1)], 2)
        transaction.commit("count", ONE, 5)
    with pytest.raises(LogError, match="is not what is owned"):
        ownership.committed("other")
    assert owned(opener()).committed("count") == {} and made(opener()) == []


def test_a_changelog_that_does_not_fit_its_topic_is_refused(opener: Opener) -> None:
    log = opener()
    name = changelog_of(log.cluster, "count", IN)
    log._background.run(kafka_topics.make(log._connection, name, PARTITIONS + 1, kafka_topics.STATE))
    with pytest.raises(LogError, match=rf"{name} has 4 partitions, and mail.events has 3.*mailwake log copy"):
        owned(log)


def test_nothing_waits_where_only_control_markers_follow(opener: Opener) -> None:
    log = opener()
    ownership = owned(log)
    place, source = log.place(TopicPartition(OUT, 2)), TopicPartition(OUT, 2)
    assert log.visible_end(place) == log.waiting(source, 0) == 0
    write(ownership, 1)
    log.until_decided(OUT)
    assert (log.visible_end(place), log.end(source)) == (1, 2)
    assert (log.waiting(source, 0), log.waiting(source, 1), log.waiting(source, 2)) == (2, 0, 0)
    for number in range(40):  # More markers than are looked at first: of transactions that were given up.
        with pytest.raises(ZeroDivisionError):
            steps = log.own("count", ZERO, at=lambda place: 1 // (place != "sent"))
            steps.take_over()
            write(steps, number)
    owned(log)
    log.until_decided(OUT)
    assert log.end(source) > 66 and log.visible_end(place) == 1
    assert (log.waiting(source, 1), log.waiting(source, 0)) == (0, log.end(source))
