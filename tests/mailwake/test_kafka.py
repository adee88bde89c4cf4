"""The Emitter and the settings on real brokers: one that lets everyone in, and one that asks for TLS and a user."""

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from deploy.kafka.secured import Secured
from mailwake import Emitter
from mailwake.keyring.opening import open_keyring
from mailwake.opening import open_any_log
from mailwake.settings import load_settings
from schemas.codec import decode
from schemas.documents import DocumentReceived
from schemas.mail import MessageSent
from schemas.record import InvalidEvent
from streams.kafka.cluster import KafkaCluster
from streams.kafka.log import KafkaLog
from streams.log import LogError, LogUnavailable, TopicPartition
from tests.conftest import FOR_TESTS, started

MAIL, DOCUMENTS = TopicPartition("mail.events"), TopicPartition("documents")
WORD = "s3cret-of-alice"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def log(kafka: Broker, monkeypatch) -> Iterator[KafkaLog]:
    """A log of the test's own, which the settings name."""
    monkeypatch.setenv("MAILWAKE_LOG", f"kafka://{kafka.address}/e{time.time_ns()}")
    opened = open_any_log(load_settings())
    open_keyring(load_settings(), create=True)
    assert isinstance(opened, KafkaLog)
    yield opened
    opened.close()


def sent(number: int) -> MessageSent:
    return MessageSent(from_domain="example.com", source_event_id=str(number), occurred_at=1_000)


def emitted(log: KafkaLog) -> list[str]:
    return [decode(value).source_event_id for value in log.read(MAIL, 0, 100_000).values]


def test_an_emitted_event_is_in_kafka_when_emit_returns(log: KafkaLog) -> None:
    with Emitter() as emitter:
        emitter.emit(sent(1))
        assert emitted(log) == ["1"]
        emitter.emit_many(sent(number) for number in range(2, 2_000))
        assert emitted(log) == [str(number) for number in range(1, 2_000)]


def test_many_events_are_emitted_all_or_nothing(log: KafkaLog) -> None:
    document = DocumentReceived(receipt_id="receipt", content=b"<feedback/>", sha256="0" * 64, size=11)
    with Emitter() as emitter:
        with pytest.raises(InvalidEvent):
            emitter.emit_many([sent(1), document, {"type": "Nonsense"}])
        assert log.end(MAIL) == log.end(DOCUMENTS) == 0
        emitter.emit_many([sent(1), document, sent(2)])
    assert emitted(log) == ["1", "2"]
    assert len(log.read(DOCUMENTS, 0, 10)) == 1


def test_coroutines_emit_at_once(log: KafkaLog) -> None:
    async def emit_all() -> None:
        async with Emitter() as emitter:
            await asyncio.gather(*(emitter.emit_async(sent(number)) for number in range(200)))

    asyncio.run(emit_all())
    assert sorted(map(int, emitted(log))) == list(range(200))


def test_the_command_emits_to_kafka(log: KafkaLog) -> None:
    line = '{"type": "MessageSent", "from_domain": "example.com", "source_event_id": "7"}\n'
    command = [sys.executable, "-m", "mailwake", "emit", "--json"]
    done = subprocess.run(command, input=line, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, {"emitted": 1}, "")
    assert emitted(log) == ["7"]


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that asks for TLS and a user."""
    secured = Secured(users={"alice": WORD})
    broker = Broker(0, tmp_path_factory.mktemp("walled"), secured=secured, properties=FOR_TESTS)
    with started(broker) as running:
        yield running


@pytest.fixture
def let_in(walled: Broker, monkeypatch) -> Broker:
    """Settings that the walled broker accepts."""
    for name, value in {
        "LOG": f"kafka://{walled.address}/e{time.time_ns()}",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_USERNAME": "alice",
        "KAFKA_SASL_PASSWORD": WORD,
        "KAFKA_CA_FILE": str(Secured.certificate(walled.data)),
    }.items():
        monkeypatch.setenv(f"MAILWAKE_{name}", value)
    return walled


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_known_user_is_let_in_over_tls(let_in: Broker, monkeypatch, caplog, mechanism: str) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MAILWAKE_KAFKA_SASL_MECHANISM", mechanism)
    with Emitter() as emitter:
        emitter.emit_many([sent(1), sent(2)])
    log = open_any_log(load_settings())
    assert isinstance(log, KafkaLog)
    with log.hold(), log.transaction() as step:
        step.commit("group", MAIL, 2)
    assert emitted(log) == ["1", "2"] and log.committed("group") == {MAIL: 2}
    log.close()
    assert WORD not in caplog.text


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("KAFKA_SASL_PASSWORD", "wrong-word", "refused: see MAILWAKE_KAFKA_SASL_USERNAME"),
        ("KAFKA_SASL_USERNAME", "mallory", "refused: see MAILWAKE_KAFKA_SASL_USERNAME"),
        ("KAFKA_SASL_USERNAME", "", "needs a user: set MAILWAKE_KAFKA_SASL_USERNAME"),
        ("KAFKA_CA_FILE", "", "not trusted.*MAILWAKE_KAFKA_CA_FILE"),
        ("KAFKA_CA_FILE", "nowhere.pem", "MAILWAKE_KAFKA_CA_FILE nowhere.pem"),
    ],
)
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_who_is_not_let_in_is_told_why(let_in, monkeypatch, caplog, mechanism, setting, value, says) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MAILWAKE_KAFKA_SASL_MECHANISM", mechanism)
    if value or setting != "KAFKA_CA_FILE":
        monkeypatch.setenv(f"MAILWAKE_{setting}", value)
    else:
        monkeypatch.delenv(f"MAILWAKE_{setting}")
    with pytest.raises(LogError, match=says) as refused:
        open_any_log(load_settings())
    assert not isinstance(refused.value, LogUnavailable)
    for word in (WORD, "wrong-word"):
        assert word not in str(refused.value) and word not in caplog.text


def test_plain_words_to_a_port_that_speaks_tls(let_in: Broker) -> None:
    with pytest.raises(LogUnavailable, match="does not answer"):
        KafkaLog.open(KafkaCluster.of(f"kafka://{let_in.address}"), (), timeout_s=1)
