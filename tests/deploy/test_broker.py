"""Starting a broker: what it says where Java, Maven or a port is missing, and that it is gone when it was stopped."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.kafka import jars
from deploy.kafka.broker import Broker, BrokerError, class_archive
from tests import conftest

ROOT = Path(__file__).parents[2]


def test_without_java_it_says_what_to_install(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(jars.ToolMissing, match=r"no java .*install Java 17"):
        Broker.start(tmp_path / "data")


def test_an_old_java_is_told_from_a_new_one(tmp_path: Path, monkeypatch) -> None:
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(jars.ToolMissing, match=r"17 or newer.*11\.0\.2"):
        jars.java()


def test_without_maven_it_says_what_to_install(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(jars.ToolMissing, match=r"no mvn .*install Apache Maven"):
        jars.class_path(tmp_path / "elsewhere")


def test_a_failed_fetch_leaves_nothing_behind(tmp_path: Path, monkeypatch) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho no network; exit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(BrokerError, match="no network"):
        jars.class_path(tmp_path / "kafka")
    assert [left.name for left in (tmp_path / "kafka").iterdir()] == ["lock"]


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_tests_that_need_a_broker_fail_in_ci_and_are_skipped_elsewhere(
    tmp_path, monkeypatch, ci, outcome
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no java"):
        conftest.started(Broker(0, tmp_path / "data"))


def test_a_port_that_is_taken_is_an_error_that_says_so(kafka: Broker, tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(BrokerError, match=r"listens on 127.*already.*another port"),
    ):
        Broker.start(tmp_path / "data", port=taken.getsockname()[1])


def test_what_a_broker_does_not_accept_is_told_in_one_line(tmp_path: Path, kafka: Broker) -> None:
    with pytest.raises(BrokerError, match=r"formatted: .*none.*offsets\.topic\.num\.partitions[^\n]*$"):
        Broker.start(tmp_path / "data", properties={"offsets.topic.num.partitions": "none"})
    with pytest.raises(BrokerError, match=r"ended; .*broker\.log says: .*heap"):
        Broker.start(tmp_path / "other", heap="1k")


def test_classes_are_mapped_by_a_broker_that_starts(kafka: Broker) -> None:
    mapped = Path(f"/proc/{kafka.pid}/maps").read_text()
    assert str(class_archive()) in mapped


def test_people_get_an_address_and_end_it_with_ctrl_c(kafka: Broker, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "deploy.kafka.broker",
        "--port",
        "0",
        "--data",
        str(tmp_path),
        "--heap",
        "256m",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as running:
        assert running.stdout
        said = running.stdout.readline()
        address = said.split(" on ")[1].split()[0]
        host, _, port = address.partition(":")
        socket.create_connection((host, int(port)), 10).close()
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0
    with pytest.raises(OSError):
        socket.create_connection((host, int(port)), 10)
