"""The spool before a real broker: away from the start or amid emits, processes killed anywhere, several at once."""

import asyncio
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from kafka_broker_side import left_open

from deploy.kafka.broker import Broker, free_port
from mailwake import Emitter
from mailwake.settings import SettingsError, load_settings
from schemas.codec import decode
from schemas.documents import DocumentReceived
from streams.kafka.cluster import KafkaCluster, KafkaPartition
from streams.kafka.log import KafkaLog
from streams.keyring.file_keyring import FileKeyring
from streams.keyring.keyring import OtherKeyring
from streams.log import Log, Record, RecordTooLarge, TopicPartition
from streams.spool.spool import Spool
from tests.conftest import FOR_TESTS, started
from tests.streams.spool.spool_programs import TOPICS, emit_of, opened
from tests.streams.test_emitter import sent

MAIL, DOCUMENTS = TopicPartition("mail.events"), TopicPartition("documents")
PROGRAM = Path(__file__).with_name("spool_programs.py")
LONG_S = 60.0
"""How long the drain may stand still: only what hangs takes so long."""
BETWEEN_EMITS_S = 0.01
"""How long who emits by the way rests: a broker takes seconds to come back, and all that is spooled meanwhile is read."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """One of the test's own, that does not run yet."""
    broker = Broker(free_port(), tmp_path / "broker", properties=FOR_TESTS)
    yield broker
    broker.stop()


@pytest.fixture
def spooling(tmp_path: Path, monkeypatch) -> Path:
    """Settings that name a spool; the log is left to the test."""
    monkeypatch.chdir(tmp_path)
    FileKeyring.open(tmp_path / "mailwake.keys", create=True)
    monkeypatch.setenv("MAILWAKE_SPOOL", "sqlite:///spool.db")
    monkeypatch.setenv("MAILWAKE_KAFKA_PARTITIONS", "1")
    return tmp_path / "spool.db"


@contextmanager
def log_at(kafka: str) -> Iterator[Log]:
    with closing(KafkaLog.open(KafkaCluster.of(kafka), (), create=False)) as log:
        yield log


def records_of(log: Log, topic: str) -> list[Record]:
    found: list[Record] = []
    for place in log.partitions(topic):
        offset = 0
        while (batch := log.read(place, offset, 10_000)).next > offset:
            found += map(Record, batch.keys, batch.values, batch.timestamps)
            offset = batch.next
    return found


def told(log: Log) -> list[str]:
    return [decode(record.value or b"").source_event_id for record in records_of(log, "mail.events")]


def test_a_broker_that_is_away_from_the_start(spooling: Path, broker: Broker, monkeypatch) -> None:
    monkeypatch.setenv("MAILWAKE_LOG", f"kafka://{broker.address}")

    async def emit_all() -> None:
        await asyncio.gather(*(emitter.emit_async(sent(number)) for number in range(100)))
        await emitter.emit_many_async([sent(number) for number in range(100, 1_000)])

    with Emitter() as emitter:
        asyncio.run(emit_all())
        emitter.emit(sent(1_000))
        assert emitter.spooled and emitter.spooled.held().records == 1_001
        with started(broker):
            assert emitter.spooled.drain(LONG_S) == 0
            with log_at(f"kafka://{broker.address}") as log:
                assert told(log) == [str(number) for number in range(1_001)]


def test_nothing_goes_to_a_log_of_another_keyring(
    spooling: Path,
    tmp_path: Path,
    kafka: Broker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What was hashed with the wrong keys waits, and no more is taken, once the log can be asked."""
    monkeypatch.setenv("MAILWAKE_LOG", f"kafka://{kafka.address}/s{time.time_ns()}")
    fields = {"type": "MessageSent", "recipient": "jo@c.example", "from_domain": "a.example"}
    monkeypatch.delenv("MAILWAKE_SPOOL")
    with Emitter() as emitter:
        emitter.emit({**fields, "source_event_id": "right"})
    (tmp_path / "mailwake.keys").rename(tmp_path / "right.keys")
    FileKeyring.open(tmp_path / "mailwake.keys", create=True)
    monkeypatch.setenv("MAILWAKE_SPOOL", "sqlite:///spool.db")
    refused = False
    with Emitter() as emitter:
        for number in range(600):
            try:
                emitter.emit({**fields, "source_event_id": f"wrong {number}"})
            except OtherKeyring as error:
                refused = "put back the copy" in str(error)
                break
            time.sleep(0.05)
        assert refused and emitter.spooled
        assert emitter.spooled.held().records == number
        deadline = time.monotonic() + LONG_S
        while "was hashed and sealed with another keyring" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        emitter.spooled._gave_up = True
    with log_at(str(load_settings().log)) as log:
        assert told(log) == ["right"]


def test_a_broker_that_goes_away_amid_emits_and_comes_back(tmp_path: Path, broker: Broker) -> None:
    """Whatever was in doubt when it went is there once."""
    log = opened(str(tmp_path / "spool.db"), f"kafka://{broker.address}", together=500)
    stopping = threading.Event()
    numbers = {"a": 0, "b": 0}

    def go_on(name: str) -> None:
        while not stopping.is_set():
            log.append_emits([emit_of(name, numbers[name])])
            numbers[name] += 1
            stopping.wait(BETWEEN_EMITS_S)

    threads = [threading.Thread(target=go_on, args=(name,)) for name in numbers]
    with started(broker):
        for thread in threads:
            thread.start()
        for _ in range(3):
            reached = dict(numbers)
            while any(numbers[name] < reached[name] + 150 for name in numbers):
                time.sleep(0.01)
            broker.stop(kill=True)
            broker.run()
        stopping.set()
        for thread in threads:
            thread.join()
        assert log.drain(LONG_S) == 0
        log.close()
        assert_each_once(f"kafka://{broker.address}", numbers)


def assert_each_once(kafka: str, numbers: dict[str, int]) -> None:
    """All emits up to these numbers are there, each once and whole, in order within each partition."""
    with log_at(kafka) as log:
        for topic in ("mail.events", "documents"):
            expected = [
                record.value
                for name, count in numbers.items()
                for number in range(count)
                for record in emit_of(name, number).get(topic, ())
            ]
            assert sorted(record.value or b"" for record in records_of(log, topic)) == sorted(
                value or b"" for value in expected
            )
            for place in log.partitions(topic):
                of_each: dict[str, list[int]] = {}
                for value in log.read(place, 0, 100_000).values:
                    name, number = (value or b"").decode().split()
                    of_each.setdefault(name, []).append(int(number))
                assert all(found == sorted(found) for found in of_each.values())


@contextmanager
def program(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def killed_after(process: "subprocess.Popen[str]", lines: int) -> int:
    """Kill it after so many lines of its output; how many it had said by then."""
    assert process.stdout
    for _ in range(lines):
        process.stdout.readline()
    process.kill()
    return lines + len(process.stdout.read().splitlines())


def test_killed_amid_emits_and_amid_the_drain(tmp_path: Path, kafka: Broker) -> None:
    """All that was acknowledged is there, and nothing twice; what had no answer yet is there whole or not at all."""
    spool, address = tmp_path / "spool.db", f"kafka://{kafka.address}/s{time.time_ns()}"
    chance = random.Random(5)
    numbers: dict[str, int] = {}
    for turn in range(8):
        name = f"turn{turn}"
        with program(spool, address, "emit", name) as emitting:
            numbers[name] = killed_after(emitting, chance.choice([1, 30, 400, 900]))
    with closing(opened(str(spool), address)) as log:
        assert log.drain(LONG_S) == 0
    with log_at(address) as log:
        there = {record.value for record in records_of(log, "mail.events")}
    for name, count in numbers.items():
        numbers[name] += f"{name} {count}".encode() in there
    assert_each_once(address, numbers)


def test_two_processes_share_a_spool_and_one_that_is_killed_is_followed(
    tmp_path: Path, kafka: Broker
) -> None:
    spool, address = tmp_path / "spool.db", f"kafka://{kafka.address}/s{time.time_ns()}"
    with program(spool, address, "drain") as draining, program(spool, address, "emit", "a") as emitting:
        assert draining.stdout and emitting.stdout
        assert draining.stdout.readline() == "drained\n"
        with closing(opened(str(spool), address)) as log:
            for number in range(300):
                log.append_emits([emit_of("b", number)])
            draining.kill()
            for number in range(300, 600):
                log.append_emits([emit_of("b", number)])
            count = killed_after(emitting, 100)
            assert log.drain(LONG_S) == 0
    with log_at(address) as log:
        there = {record.value for record in records_of(log, "mail.events")}
    assert_each_once(address, {"a": count + (b"a %d" % count in there), "b": 600})


def test_a_number_behind_anothers_open_transaction_is_waited_for(kafka: Broker) -> None:
    """Read too early the last number would be missing, and the group would be there twice."""
    address = f"kafka://{kafka.address}/s{time.time_ns()}"
    with closing(KafkaLog.open(KafkaCluster.of(address), TOPICS)) as log:
        log.numbered("one").append_all(emit_of("a", 0), 7)
        left_open(log, KafkaPartition(log.cluster.topic("mailwake.writers"), 0))
        log.numbered("one").append_all(emit_of("a", 1), 8)
        assert log.numbered("one").last() == 8
        assert log.numbered("another").last() is None


def large(size: int) -> DocumentReceived:
    return DocumentReceived(receipt_id="receipt", content=bytes(size), sha256="0" * 64, size=size)


def test_a_record_that_the_log_would_not_take_is_refused_at_once(spooling: Path, monkeypatch) -> None:
    monkeypatch.setenv("MAILWAKE_LOG", f"kafka://127.0.0.1:{free_port()}")
    emitter = Emitter()
    with pytest.raises(RecordTooLarge, match=r"takes 9\d+ bytes .* is 8388608") as refused:
        emitter.emit_many([sent(1), large(9 * 2**20)])
    assert refused.value.size > refused.value.limit == 8 * 2**20
    emitter.emit(large(7 * 2**20))
    assert emitter.spooled and emitter.spooled.held().records == 1
    emitter.spooled.drain(0.01)
    emitter.close()


def configure(kafka: str, limit: int) -> None:
    """Give the topic of documents another limit, as an operator does."""
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    async def alter() -> None:
        cluster = KafkaCluster.of(kafka)
        admin = AIOKafkaAdminClient(bootstrap_servers=list(cluster.servers))
        await admin.start()
        changed = {"max.message.bytes": str(limit)}
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, cluster.topic("documents"), changed)]
        )
        await admin.close()

    asyncio.run(alter())


def test_a_limit_made_smaller_since_sets_one_emit_aside(spooling: Path, kafka: Broker, monkeypatch) -> None:
    """The limits last known hold while the log is away; what it refuses for good stands in nobody's way."""
    address = f"kafka://{kafka.address}/s{time.time_ns()}"
    monkeypatch.setenv("MAILWAKE_LOG", address)
    with Emitter() as emitter:
        emitter.emit(sent(0))
        assert emitter.spooled and emitter.spooled.drain(LONG_S) == 0
    configure(address, 2**20)
    with closing(Spool.open(spooling, 2**30, str(KafkaCluster.of(address)))) as spool:
        two_megabytes = Record(b"key", bytes(2 * 2**20), 0)
        spool.add([{"documents": [Record(b"key", b"1", 0)]}, {"documents": [two_megabytes]}])
        spool.add([{"documents": [Record(b"key", b"2", 0)]}])
    with Emitter() as emitter:
        assert emitter.spooled and emitter.spooled.drain(LONG_S) == 0
        assert emitter.spooled.held().refused_records == 1
        with log_at(address) as log:
            assert [record.value for record in records_of(log, "documents")] == [b"1", b"2"]
        with pytest.raises(RecordTooLarge, match="is 1048576"):
            emitter.emit(large(2**21))
    configure(address, 2**23)
    with Emitter() as emitter:
        assert emitter.spooled and emitter.spooled.retry_refused() == 1
        assert emitter.spooled.drain(LONG_S) == 0
        with log_at(address) as log:
            assert [record.value for record in records_of(log, "documents")][2:] == [two_megabytes.value]


def command(stdin: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "mailwake", "emit", *arguments]
    return subprocess.run(line, input=stdin, capture_output=True, text=True, check=False)


EVENT = '{"type": "MessageSent", "from_domain": "example.com"}\n'


def test_the_command_says_what_is_left_and_a_later_run_goes_on(spooling, broker: Broker, monkeypatch) -> None:
    monkeypatch.setenv("MAILWAKE_LOG", f"kafka://{broker.address}")
    monkeypatch.setenv("MAILWAKE_WAIT_SECONDS", "0")
    done = command(EVENT * 3)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert "3 events emitted\n3 records are still in the spool" in done.stdout
    with started(broker):
        monkeypatch.setenv("MAILWAKE_WAIT_SECONDS", "60")
        done = command(EVENT, "--json")
        assert (
            done.stdout == '{"emitted": 1, "left_in_spool": 0, "refused_in_spool": 0}\n' and not done.stderr
        )
        with log_at(f"kafka://{broker.address}") as log:
            assert log.end(MAIL) >= 4 and len(records_of(log, "mail.events")) == 4


def test_a_full_spool_is_said_with_its_exit_code(spooling: Path, monkeypatch) -> None:
    monkeypatch.setenv("MAILWAKE_LOG", f"kafka://127.0.0.1:{free_port()}")
    monkeypatch.setenv("MAILWAKE_SPOOL_BYTES", str(2**20))
    monkeypatch.setenv("MAILWAKE_WAIT_SECONDS", "0")
    done = command(EVENT * 10_000)
    assert done.returncode == 4 and "spool.db is full" in done.stderr and "Traceback" not in done.stderr


def test_a_spool_before_an_embedded_log_is_a_mistake(spooling: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"MAILWAKE_SPOOL is for a log in Kafka, and the log is sqlite:///x.db"
    ):
        Emitter("sqlite:///x.db")
    assert not spooling.exists()
