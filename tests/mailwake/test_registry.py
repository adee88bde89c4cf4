"""The Emitter and the commands with a real schema registry, over a log in SQLite and one in Kafka."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from deploy.registry.server import RegistryServer
from mailwake import Emitter
from mailwake.opening import open_any_log
from mailwake.settings import SettingsError, load_settings
from schemas.catalog import FIRST_ID, install
from schemas.codec import decode, schema_id_of
from schemas.columns import decode_frames
from schemas.mail import MessageSent
from streams.log import LogError, TopicPartition
from streams.registry.ids import SchemasNotRegistered
from streams.registry.registry import RegistryUnavailable

MAIL = TopicPartition("mail.events")
EVENT = '{"type": "MessageSent", "from_domain": "example.com", "source_event_id": "%s"}\n'


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def named(registry: RegistryServer, monkeypatch) -> RegistryServer:
    """The settings name the registry."""
    monkeypatch.setenv("MAILWAKE_SCHEMA_REGISTRY", registry.url)
    return registry


@pytest.fixture(params=["sqlite", "kafka"])
def log_url(request: pytest.FixtureRequest, monkeypatch) -> str:
    url = "sqlite:///mailwake.db"
    if request.param == "kafka":
        broker: Broker = request.getfixturevalue("kafka")
        url = f"kafka://{broker.address}/r{time.time_ns()}"
        monkeypatch.setenv("MAILWAKE_KAFKA_PARTITIONS", "1")
    monkeypatch.setenv("MAILWAKE_LOG", url)
    return url


def mailwake(*arguments: str, given: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mailwake", *arguments]
    return subprocess.run(
        command, input=given, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_a_log_that_began_without_a_registry_goes_on_with_one(
    named: RegistryServer, log_url: str, monkeypatch
) -> None:
    monkeypatch.delenv("MAILWAKE_SCHEMA_REGISTRY")
    with Emitter() as emitter:
        emitter.emit(MessageSent(from_domain="example.com", source_event_id="1"))
    monkeypatch.setenv("MAILWAKE_SCHEMA_REGISTRY", named.url)
    with pytest.raises(SchemasNotRegistered, match="mailwake schemas register"):
        Emitter()
    assert mailwake("schemas", "register").returncode == 0
    with Emitter() as emitter:
        emitter.emit(MessageSent(from_domain="example.com", source_event_id="2"))
    assert mailwake("emit", given=EVENT % 3).returncode == 0
    log = open_any_log(load_settings())
    values = [value for value in log.read(MAIL, 0, 10).values if value]
    log.close()
    first, *later = [schema_id_of(value) for value in values]
    assert first >= FIRST_ID > later[0] == later[1]
    assert [decode(value).source_event_id for value in values] == ["1", "2", "3"]
    assert decode_frames(values).frames[MessageSent].height == 3


def test_a_log_in_kafka_that_had_a_registry_is_not_opened_without(
    named: RegistryServer, kafka: Broker, monkeypatch
) -> None:
    monkeypatch.setenv("MAILWAKE_LOG", f"kafka://{kafka.address}/r{time.time_ns()}")
    assert mailwake("schemas", "register").returncode == 0
    Emitter().close()
    install(None)
    monkeypatch.delenv("MAILWAKE_SCHEMA_REGISTRY")
    with pytest.raises(
        LogError, match=r"carry the ids of the schema registry http://.*set MAILWAKE_SCHEMA_REGISTRY"
    ):
        Emitter()


def test_the_pipeline_runs_on_the_registry_s_ids(named: RegistryServer) -> None:
    assert mailwake("schemas", "register").returncode == 0
    assert mailwake("emit", given="".join(EVENT % n for n in range(5))).returncode == 0
    ran = mailwake("run", "--until-idle", "--json")
    assert ran.returncode == 0 and json.loads(ran.stdout)["dead_letters"] == 0
    counted = mailwake("query", "SELECT count() AS n FROM mail_events", "--format", "JSONEachRow")
    assert "5" in counted.stdout, counted
    # Without the registry its ids mean nothing: what they stand on is told, not guessed.
    alone = mailwake("dead-letters", "list", MAILWAKE_SCHEMA_REGISTRY="http://127.0.0.1:1")
    assert alone.returncode == 4 and "does not answer" in alone.stderr
    assert mailwake("status", MAILWAKE_SCHEMA_REGISTRY="http://127.0.0.1:1").returncode == 0


def test_registering_twice_changes_nothing(named: RegistryServer) -> None:
    planned = mailwake("schemas", "register", "--dry-run", "--json")
    assert planned.returncode == 0
    assert {json.loads(line)["outcome"] for line in planned.stdout.splitlines()} == {"new"}
    first, second = (mailwake("schemas", "register", "--json") for _ in range(2))
    ids = [[json.loads(line)["id"] for line in done.stdout.splitlines()] for done in (first, second)]
    assert ids[0] == ids[1] and None not in ids[0]
    assert "0 registered, " in mailwake("schemas", "register").stdout


def test_a_registry_that_is_away_when_it_starts_is_told(monkeypatch) -> None:
    monkeypatch.setenv("MAILWAKE_SCHEMA_REGISTRY", "http://127.0.0.1:1")
    with pytest.raises(RegistryUnavailable, match="MAILWAKE_SCHEMA_REGISTRY its address"):
        Emitter()
    done = mailwake("emit", given=EVENT % 1)
    assert done.returncode == 4 and "does not answer" in done.stderr and not done.stdout


def test_one_process_has_one_registry(named: RegistryServer, monkeypatch) -> None:
    assert mailwake("schemas", "register").returncode == 0
    Emitter().close()
    monkeypatch.setenv("MAILWAKE_SCHEMA_REGISTRY", "http://127.0.0.1:1")
    with pytest.raises(SettingsError, match="already"):
        Emitter()
    install(None)


def test_there_has_to_be_a_registry_to_register_in() -> None:
    done = mailwake("schemas", "register")
    assert done.returncode == 2 and "set MAILWAKE_SCHEMA_REGISTRY=http://" in done.stderr


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    done = mailwake("schemas", "register", MAILWAKE_SCHEMA_REGISTRY="http://alice:s3cret@127.0.0.1:1")
    assert done.returncode == 2 and "s3cret" not in done.stderr and "setting of its own" in done.stderr
