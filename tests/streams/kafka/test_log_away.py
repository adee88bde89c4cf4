"""The broker goes away, or stands still, and comes back: an error that passes, nothing lost, steps kept once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from log_samples import EVENTS, TOPICS, records, values_of

from deploy.kafka.broker import Broker, free_port
from mailwake.cli.failures import NO_ROOM, code_of
from streams.kafka.cluster import KafkaCluster
from streams.kafka.log import KafkaLog
from streams.log import LogUnavailable
from tests.conftest import FOR_TESTS, started


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """One of the test's own, to be stopped."""
    with started(Broker(0, tmp_path / "broker", properties=FOR_TESTS)) as broker:
        yield broker


def test_nobody_at_the_address() -> None:
    address = f"kafka://127.0.0.1:{free_port()}"
    with pytest.raises(LogUnavailable, match=rf"{address} does not answer.*MAILWAKE_LOG") as away:
        KafkaLog.open(KafkaCluster.of(address), TOPICS, timeout_s=0.5)
    assert code_of(away.value) == NO_ROOM


def test_a_broker_that_goes_away_and_comes_back(broker: Broker) -> None:
    log = KafkaLog.open(KafkaCluster.of(f"kafka://{broker.address}"), TOPICS)
    log.append("events", records(2))
    with log.hold():
        with log.transaction() as step:
            step.append("events", records(1, start=2))
        broker.stop(kill=True)
        log._connection.timeout_s = 2

        def again() -> None:
            with log.transaction() as step:
                step.append("events", records(1, start=3))
                step.put_state("stage", {b"chunk": b"3"})
                step.commit("group", EVENTS, 2)

        for act in (
            lambda: log.append("events", records(1)),
            lambda: log.append_all({"events": records(1), "brief": records(1)}),
            lambda: log.read(EVENTS, 0, 10),
            lambda: log.end(EVENTS),
            lambda: log.committed("group"),
            again,
        ):
            with pytest.raises(LogUnavailable, match="does not answer"):
                act()
        broker.run()
        log._connection.timeout_s = 30
        patient(again)
        patient(lambda: log.append("events", records(1, start=4)))
        assert values_of(log, EVENTS) == [record.value for record in records(5)]
        assert (log.committed("group"), dict(log.state("stage"))) == ({EVENTS: 2}, {b"chunk": b"3"})
    log.close()
    other = KafkaLog.open(KafkaCluster.of(f"kafka://{broker.address}"), TOPICS)
    assert other.id == log.id
    other.close()


def test_a_broker_that_stands_still(broker: Broker) -> None:
    log = KafkaLog.open(KafkaCluster.of(f"kafka://{broker.address}"), TOPICS)
    with log.hold():
        with log.transaction() as step:
            step.append("events", records(1))
        broker.pause()
        log._connection.timeout_s = 2
        try:
            with pytest.raises(LogUnavailable), log.transaction() as step:
                step.append("events", records(1, start=1))
        finally:
            broker.resume()
            log._connection.timeout_s = 30

        def again() -> None:
            with log.transaction() as step:
                step.append("events", records(1, start=1))

        patient(again)
        assert values_of(log, EVENTS) == [record.value for record in records(2)]
    log.close()


def patient(act) -> None:
    """Do it again while it says that this passes, as runners do."""
    for _ in range(60):
        try:
            act()
        except LogUnavailable:
            continue
        return
    pytest.fail("the broker is back, and the log does not find it")
