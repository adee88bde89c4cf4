"""What a fold does when Faust gives partitions and says that they are recovered, on a real broker; Faust is not run."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from faust.types import TP

from processors.reputation.stage import FoldStage
from streams.faust.feed import Pace
from streams.faust.fold import Fold, FoldSettings
from streams.kafka.cluster import KafkaCluster
from streams.kafka.log import KafkaLog
from streams.kafka.membership import Member
from streams.log import LogError, Record, TopicPartition
from streams.topics import declared

DELTAS = "reputation.deltas"
ZERO, ONE = TopicPartition(DELTAS), TopicPartition(DELTAS, 1)


@pytest.fixture
def log(cluster: KafkaCluster) -> Iterator[KafkaLog]:
    opened = KafkaLog.open(cluster, declared(2))
    opened.append(DELTAS, [Record(b"k", b"garbage", 1_000)] * 4, 0)
    yield opened
    opened.close()


@pytest.fixture
def fold(log: KafkaLog) -> Iterator[Fold]:
    made = fold_on(log)
    yield made
    made.seats.close()


def fold_on(log: KafkaLog) -> Fold:
    return Fold(log, FoldStage, FoldSettings(Member(), Pace(linger_s=0), step_messages=2), (LogError,))


def given(fold: Fold, *sources: TopicPartition) -> None:
    """As Faust gives partitions."""
    topic = fold.log.cluster.topic(DELTAS)
    asyncio.run(fold.take_over({TP(topic, source.partition) for source in sources}))


def delivered(fold: Fold, *offsets: int) -> None:
    for offset in offsets:
        fold.feed.put(0, offset, b"k", b"garbage", 1_000)


def position(fold: Fold) -> int:
    return fold.positions()[TP(fold.log.cluster.topic(DELTAS), 0)]


def test_a_recovery_that_is_complete_twice_takes_no_position_back(fold: Fold) -> None:
    given(fold, ZERO, ONE)
    fold._open()
    delivered(fold, 0, 1, 2, 3)
    assert fold.seats.step() == 2 and position(fold) == 2
    fold._open()
    assert fold.seats.step() == 2 and position(fold) == 4
    delivered(fold, 2, 3)  # Faust goes on from the position that it was told.
    assert fold.seats.step() == 0 and position(fold) == 4
    letters = fold.log.read(TopicPartition("dead.letters"), 0, 100)
    assert len(letters) == 4


def test_what_is_not_recovered_waits_and_is_not_stepped(log: KafkaLog, fold: Fold) -> None:
    assert fold.lag(ZERO) == fold.lag(ONE) == 0
    told: list[TopicPartition] = []
    fold.seats.stepped = lambda source, records: told.append(source)
    given(fold, ZERO)
    assert (fold.lag(ZERO), fold.lag(ONE)) == (4, 0)
    fold._recovers({ONE.partition})  # A changelog that this worker only follows, as a standby.
    assert told == []
    fold._recovers({ZERO.partition, ONE.partition})
    assert told == [ZERO] and fold.seats.step() == 0
    fold._open()
    delivered(fold, 0, 1)
    assert fold.seats.step() == 2 and fold.lag(ZERO) == 2

    next_one = fold_on(log)
    given(next_one, ZERO)
    next_one._open()  # Nothing of its changelog was read: it is not recovered, whatever Faust says.
    assert next_one.seats.step() == 0 and next_one.lag(ZERO) == 2
    asyncio.run(next_one.suspend())
    assert next_one.lag(ZERO) == 0


def test_what_waits_counts_while_taking_over_hangs(log: KafkaLog, fold: Fold) -> None:
    fenced, go_on = threading.Event(), threading.Event()

    def hang(boundary: str) -> None:
        if boundary == "fenced":
            fenced.set()
            assert go_on.wait(60)

    fold._at = hang
    taking = threading.Thread(target=given, args=(fold, ZERO))
    taking.start()
    assert fenced.wait(60)
    assert (fold.lag(ZERO), fold.lag(ONE)) == (4, 0)
    go_on.set()
    taking.join()
