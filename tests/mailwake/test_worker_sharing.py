"""Workers that follow each other's state, share parts between them, or go by the same name."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from platforms import PARTITIONS, Platform, assert_equal_to_embedded
from worlds import Undisturbed, finished

from deploy.kafka.broker import Broker
from deploy.kafka.secured import Secured
from sinks.clickhouse_http.server import HttpServer
from tests.conftest import FOR_TESTS, started

WORD = "s3cret-of-alice"


def told(file: Path) -> list[dict[str, list[int]]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_worker_that_followed_takes_over_without_reading_again(
    undisturbed: Undisturbed, platform: Callable[[], Platform], tmp_path: Path
) -> None:
    there, files = platform(), [tmp_path / "one", tmp_path / "two"]
    there.migrate()
    following = {"MAILWAKE_STANDBY_REPLICAS": "1"}
    with there.ending([there.program("telling", file, **following) for file in files]) as workers:
        while not all(told(file) and 0 < len(told(file)[-1]) < PARTITIONS for file in files):
            time.sleep(0.1)
            there.settle(workers)
        there.fill(0, 0, 2)
        there.settle(workers)
        before = [told(file) for file in files]
        killed = workers.pop(0)
        killed.kill()
        finished(killed)
        there.fill(0, 1, 2)
        there.settle(workers)
    taken = told(files[1])[len(before[1]) :]
    assert taken and len(taken[-1]) == PARTITIONS
    new = taken[-1].keys() - before[1][-1].keys()
    assert new, "there was nothing to take over"
    for partition, (followed, end) in taken[-1].items():
        assert end > 1 and followed >= end - 1, (partition, taken, before)
    assert_equal_to_embedded(there.views(), undisturbed.outcome.views)


@pytest.fixture
def walled(
    server: HttpServer, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> "Callable[[], Platform]":
    """Makes a platform whose broker speaks TLS, and asks who is there."""
    secured = Secured(users={"alice": WORD})
    return lambda: Platform(
        started(Broker(0, tmp_path_factory.mktemp("walled"), properties=FOR_TESTS, secured=secured)),
        server,
        tmp_path,
        "walled",
    )


def test_a_worker_is_let_in_over_tls_everywhere(walled: Callable[[], Platform]) -> None:
    there = walled()
    with there.broker:
        there.more = {
            "MAILWAKE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "MAILWAKE_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "MAILWAKE_KAFKA_SASL_USERNAME": "alice",
            "MAILWAKE_KAFKA_SASL_PASSWORD": WORD,
            "MAILWAKE_KAFKA_CA_FILE": str(Secured.certificate(there.broker.data)),
        }
        there.migrate()
        worker = there.start("worker")
        with there.ending([worker]) as workers:
            there.fill(0, 0, 6)
            there.settle(workers)
            workers.clear()
            worker.send_signal(signal.SIGTERM)
            said = finished(worker, expect=0)
        stages = there.run("status", "--json")
        wrong = there.run("worker", expect=3, MAILWAKE_KAFKA_SASL_PASSWORD="wrong-word")
        found = {(one["stage"], one["topic"]) for one in json.loads(stages.out)["stages"] if one["position"]}
        there.close()
    assert ("fold", "reputation.deltas") in found and ("warehouse", "reputation.buckets") in found
    opening, line = wrong.err.splitlines()
    assert "opening log" in opening
    assert "refused: see MAILWAKE_KAFKA_SASL_USERNAME" in line
    for text in (said.out, said.err, wrong.out, wrong.err, stages.out, stages.err):
        assert WORD not in text and "wrong-word" not in text


def test_workers_of_one_name_end_and_say_so_and_nothing_is_lost(
    undisturbed: Undisturbed, platform: Callable[[], Platform]
) -> None:
    """Each takes over from the other; which one finds out first, or both at once, is a matter of who writes when."""
    there, named = platform(), {"MAILWAKE_WORKER_NAME": "one"}
    there.migrate()
    both = [there.start("worker", **named)]
    there.fill(0, 0, 12)
    there.settle(both)
    both.append(there.start("worker", **named))
    for part in range(1, 12):
        there.fill(0, part, 12)
        there.settle([], but=lambda: any(worker.poll() is not None for worker in both))
    while all(worker.poll() is None for worker in both):
        time.sleep(0.1)
    for worker in both:
        worker.send_signal(signal.SIGTERM)
    ends = [finished(worker) for worker in both]
    assert {said.code for said in ends} in ({3}, {0, 3})
    for said in ends:
        *_, line = said.err.splitlines()
        assert said.code == 0 or ("has taken" in line and "another worker of the name one" in line)
    with there.working(1, **named) as workers:
        there.settle(workers)
    assert_equal_to_embedded(there.views(), undisturbed.outcome.views)
