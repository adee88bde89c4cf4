"""A runtime that was overtaken writes nothing, and a step whose fate was in doubt is kept once."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from log_samples import EVENTS, TOPICS, records, values_of

from streams.kafka import producing as kafka_producing
from streams.kafka.cluster import KafkaCluster
from streams.kafka.log import KafkaLog
from streams.kafka.producing import Producer
from streams.kafka.reading import LATEST, offsets
from streams.kafka.steps import Steps, Writes
from streams.log import Fenced, LogInUse, LogUnavailable, Record


@pytest.fixture
def log(cluster: KafkaCluster) -> Iterator[KafkaLog]:
    opened = KafkaLog.open(cluster, TOPICS)
    yield opened
    opened.close()


def step_of(log: KafkaLog, word: bytes) -> Writes:
    return Writes(
        {log.place(EVENTS): [Record(b"key", word, 1)] * 3}, {log.cluster.group("g"): {log.place(EVENTS): 0}}
    )


def write(log: KafkaLog, steps: Steps, word: bytes) -> None:
    step = step_of(log, word)
    log._background.run(steps.write(step, log.routing.limits_of({place.topic for place in step.records})))


def runtime(log: KafkaLog) -> Steps:
    steps: Steps = log._background.run(log._new_runtime())[1]
    log._background.run(steps.take_over())
    return steps


def test_one_that_was_overtaken_between_steps_writes_nothing(log: KafkaLog) -> None:
    former = runtime(log)
    write(log, former, b"before")
    latter = runtime(log)
    write(log, latter, b"after")
    for _ in range(2):
        with pytest.raises(Fenced, match="taken"):
            write(log, former, b"zombie")
    write(log, latter, b"later")
    assert values_of(log, EVENTS) == [b"before"] * 3 + [b"after"] * 3 + [b"later"] * 3


def test_one_that_was_overtaken_in_the_middle_of_a_step_writes_nothing(log: KafkaLog, monkeypatch) -> None:
    former, latter = runtime(log), []
    whole = Producer.commit_positions

    async def overtaken(self, positions) -> None:
        monkeypatch.setattr(Producer, "commit_positions", whole)
        steps = Steps(log._connection, self.transactional_id)
        await steps.take_over()
        latter.append(steps)
        await whole(self, positions)

    monkeypatch.setattr(Producer, "commit_positions", overtaken)
    with pytest.raises(Fenced):
        write(log, former, b"zombie")
    write(log, latter[0], b"after")
    assert values_of(log, EVENTS) == [b"after"] * 3


def test_one_that_stood_still_for_long_and_was_not_overtaken_goes_on(log: KafkaLog, monkeypatch) -> None:
    monkeypatch.setattr(kafka_producing, "TRANSACTION_MS", 500)
    steps = runtime(log)
    whole = Producer.commit_positions

    async def too_late(self, positions) -> None:
        monkeypatch.setattr(Producer, "commit_positions", whole)
        await self.commit_positions(positions)
        while (await offsets(log._connection, [log.place(EVENTS)], LATEST))[log.place(EVENTS)] == 0:
            pass  # Until the broker has given the transaction up.

    monkeypatch.setattr(Producer, "commit_positions", too_late)
    with pytest.raises(LogUnavailable, match="nothing of it was kept"):
        write(log, steps, b"again")
    write(log, steps, b"again")
    assert values_of(log, EVENTS) == [b"again"] * 3


@pytest.mark.parametrize("arrives", [True, False])
def test_a_step_that_got_no_answer_is_kept_once_when_it_is_done_again(
    log: KafkaLog, monkeypatch, arrives
) -> None:
    steps = runtime(log)
    whole = Producer.end

    async def unanswered(self) -> None:
        monkeypatch.setattr(Producer, "end", whole)
        if arrives:
            await whole(self)
        raise LogUnavailable("no answer")

    monkeypatch.setattr(Producer, "end", unanswered)
    with pytest.raises(LogUnavailable):
        write(log, steps, b"first")
    write(log, steps, b"other stage")
    write(log, steps, b"first")
    write(log, steps, b"second")
    assert values_of(log, EVENTS) == [b"first"] * 3 + [b"other stage"] * 3 + [b"second"] * 3


def test_a_step_that_failed_half_way_is_not_kept_and_the_next_is(log: KafkaLog, monkeypatch) -> None:
    steps = runtime(log)
    whole = Producer.commit_positions

    async def unanswered(self, positions) -> None:
        monkeypatch.setattr(Producer, "commit_positions", whole)
        raise LogUnavailable("no answer")

    monkeypatch.setattr(Producer, "commit_positions", unanswered)
    with pytest.raises(LogUnavailable):
        write(log, steps, b"lost")
    write(log, steps, b"kept")
    assert values_of(log, EVENTS) == [b"kept"] * 3


PROGRAM = """
import sys
from streams.kafka import hold as kafka_hold
from streams.kafka.cluster import KafkaCluster
from streams.kafka.log import KafkaLog
from streams.log import Fenced, Record
kafka_hold.SESSION_MS = 6_000
log = KafkaLog.open(KafkaCluster.of(sys.argv[1]), ())
try:
    with log.hold():
        print("holding", flush=True)
        for line in sys.stdin:
            with log.transaction() as step:
                step.append("events", [Record(b"key", line.strip().encode(), 0)])
            print("stepped", flush=True)
except Fenced:
    print("fenced", flush=True)
"""


def test_a_process_that_was_paused_and_overtaken_is_fenced(cluster: KafkaCluster, log: KafkaLog) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(cluster)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert child.stdin and child.stdout
    try:
        assert child.stdout.readline() == "holding\n"
        child.stdin.write("before\n")
        child.stdin.flush()
        assert child.stdout.readline() == "stepped\n"
        with pytest.raises(LogInUse, match=rf"held by another runtime, .*:{child.pid} "), log.hold():
            pass
        child.send_signal(signal.SIGSTOP)
        _when_free(log)
        child.send_signal(signal.SIGCONT)
        child.stdin.write("zombie\n")
        child.stdin.flush()
        assert child.stdout.readline() == "fenced\n"
        assert values_of(log, EVENTS) == [b"before", *(r.value for r in records(1))]
    finally:
        child.kill()
        child.wait()


def _when_free(log: KafkaLog) -> None:
    """Take a step as soon as the broker has taken the paused one out of its group."""
    for _ in range(600):
        try:
            with log.hold(), log.transaction() as step:
                step.append("events", records(1))
            return
        except LogInUse:
            time.sleep(0.2)
    pytest.fail("the broker never let the hold of a paused process go")
