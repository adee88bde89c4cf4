"""`mailwake worker` as whoever runs it meets it: what it says, what it answers, how it ends; and commands beside it."""

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from platforms import PARTITIONS, Platform, assert_equal_to_embedded
from worlds import Undisturbed, finished

from deploy.kafka.broker import Broker, free_port
from mailwake.worker.opening import PARTS
from sinks.clickhouse_http.server import HttpServer

REPORT = b"""<?xml version="1.0"?>
<feedback><report_metadata><org_name>google.com</org_name><email>a@google.com</email>
<report_id>of-the-test</report_id><date_range><begin>1700000000</begin><end>1700086399</end></date_range>
</report_metadata><policy_published><domain>example.com</domain><p>none</p></policy_published>
<record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated><disposition>none</disposition>
<dkim>pass</dkim><spf>pass</spf></policy_evaluated></row><identifiers><header_from>example.com</header_from>
</identifiers><auth_results><spf><domain>example.com</domain><result>pass</result></spf></auth_results></record>
</feedback>"""


def ask(port: int, path: str) -> tuple[int, str]:
    """The answer of a worker's monitor, as soon as it listens."""
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except urllib.error.URLError:
            time.sleep(0.1)


def seen(metrics: str, stages: set[str]) -> bool:
    """Whether the worker has looked since nothing waits any more."""
    return all(f'mailwake_stage_lag_records{{stage="{stage}"}} 0.0' in metrics for stage in stages)


@pytest.fixture(scope="module", autouse=True)
def away(server: HttpServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker whose broker is away: it tries for half a minute, in which other tests run."""
    there = Platform(Broker(1, Path()), server, tmp_path_factory.mktemp("away"), "x")
    worker = there.start("worker", MAILWAKE_LOG="kafka://127.0.0.1:1/x")
    yield worker
    worker.kill()
    worker.wait()


def test_parts_are_left_to_other_workers_and_commands_work_beside_them(
    undisturbed: Undisturbed, platform: Callable[[], Platform], tmp_path: Path
) -> None:
    there, ports = platform(), [free_port(), free_port()]
    there.migrate()
    parts = ("count,fold", "documents,classify,suppress,warehouse")
    workers = [
        there.start("worker", "--only", only, MAILWAKE_METRICS_PORT=str(port))
        for only, port in zip(parts, ports, strict=True)
    ]
    with there.ending(workers):
        there.fill()
        there.settle(workers)
        assert_equal_to_embedded(there.views(), undisturbed.outcome.views)

        status = json.loads(there.run("status", "--json").out)
        assert {one["stage"] for one in status["stages"]} == set(PARTS)
        assert not any(one["lag"] for one in status["stages"]) and status["waiting"] == {}
        said = there.run("status").out
        assert said.startswith("Everything is done") and len(said.splitlines()) < 40
        for port, only in zip(ports, parts, strict=True):
            names = set(only.split(","))
            health, body = ask(port, "/healthz")
            stages = {one["stage"].split("/")[0] for one in json.loads(body)["stages"]}
            assert (health, stages) == (200, names), body
            assert ask(port, "/livez")[0] == 200
            ready, body = ask(port, "/readyz")
            known = {"log", "warehouse"} if "warehouse" in names else {"log"}
            assert ready == 200 and set(json.loads(body)["parts"]) == known, body
            while "lag_records" in (metrics := ask(port, "/metrics")[1]) and not seen(metrics, names):
                time.sleep(0.5)
            for name in names:
                has = 1 if name == "documents" else 4 + 5 * PARTITIONS if name == "warehouse" else PARTITIONS
                assert f'mailwake_stage_partitions{{stage="{name}"}} {has}.0' in metrics
                assert f'mailwake_stage_lag_records{{stage="{name}"}} 0.0' in metrics

        (tmp_path / "report.xml").write_bytes(REPORT)
        said = json.loads(there.run("ingest", "report.xml", "--json").out)
        assert said["outcome"] == "parsed", said
        letters = [json.loads(line) for line in there.run("dead-letters", "list", "--json").out.splitlines()]
        letter = next(one for one in letters if one["origin_topic"] == "mail.events")
        shown = json.loads(there.run("dead-letters", "show", letter["offset"], "--json").out)
        assert shown["reason"] == letter["reason"]
        again = json.loads(there.run("dead-letters", "retry", letter["offset"], "--json").out)
        there.settle(workers)
        latest = json.loads(there.run("dead-letters", "list", "--limit", 1, "--json").out)
        assert latest["origin_offset"] == again["appended_offset"]
        assert latest["origin_partition"] == letter["origin_partition"]


@pytest.mark.parametrize("place", ["count taken", "count fenced"])
def test_a_worker_that_is_stuck_ends_and_says_where(platform: Callable[[], Platform], place: str) -> None:
    there = platform()
    there.migrate()
    there.fill(0, 0, 6)
    said = finished(there.program("hang", place, MAILWAKE_STALL_SECONDS="8"), expect=70)
    (line,) = [line for line in said.err.splitlines() if "CRITICAL" in line]
    assert "no progress for 8 s" in line and "count/" in line and "records wait" in line
    assert "fold/" not in line and "warehouse/" not in line


def test_what_a_worker_cannot_begin_with_is_one_line(
    away: "subprocess.Popen[bytes]", platform: Callable[[], Platform]
) -> None:
    there = platform()
    for expect, says, arguments, settings in (
        (3, "are not up to date: mailwake warehouse migrate", (), {}),
        (2, "workers share a log in Kafka", (), {"MAILWAKE_LOG": "sqlite:///mailwake.db"}),
        (2, "workers share a warehouse on a server", (), {"MAILWAKE_WAREHOUSE": "chdb:///w"}),
        (
            2,
            "--only: got all, wants some of documents, count, fold, classify, suppress, warehouse",
            ("--only", "all"),
            {},
        ),
        (2, "MAILWAKE_WORKER_NAME", (), {"MAILWAKE_WORKER_NAME": "a name"}),
        (3, "mailwake keyring init makes it", (), {"MAILWAKE_KEYRING": "file:///none.keys"}),
    ):
        said = there.run("worker", *arguments, expect=expect, **settings)
        *_, line = said.err.splitlines()
        assert line.startswith("mailwake: ") and says in line and "Traceback" not in said.err
    _, line = finished(away, expect=4).err.splitlines()
    assert line.startswith("mailwake: kafka://127.0.0.1:1/x does not answer") and "MAILWAKE_LOG" in line


@pytest.mark.parametrize("name", [None, "one"])
def test_a_worker_that_is_told_to_end_at_once_does(
    platform: Callable[[], Platform], name: str | None
) -> None:
    there = platform()
    named = {} if name is None else {"MAILWAKE_WORKER_NAME": name}
    worker = there.start("worker", "--only", "count,fold", **named)
    assert worker.stderr is not None
    assert b"opening log" in worker.stderr.readline() and b"working on" in worker.stderr.readline()
    worker.send_signal(signal.SIGTERM)
    assert finished(worker, expect=0).out == ""


def test_a_worker_that_is_told_to_end_while_it_waits_for_a_broker_does(
    platform: Callable[[], Platform],
) -> None:
    port = free_port()
    worker = platform().start("worker", MAILWAKE_LOG="kafka://127.0.0.1:1/x", MAILWAKE_METRICS_PORT=str(port))
    assert "not open yet" in ask(port, "/readyz")[1] and ask(port, "/livez")[0] == 200
    worker.send_signal(signal.SIGTERM)
    said = finished(worker, expect=0)
    assert said.err.splitlines()[-1].endswith("told to end before it had begun to work")


def test_a_worker_that_is_told_to_end_twice_does_so_at_once(platform: Callable[[], Platform]) -> None:
    there = platform()
    there.migrate()
    there.fill(0, 0, 6)
    worker = there.program("hang", "count fenced")
    assert worker.stderr is not None
    while b"count: given" not in worker.stderr.readline():
        assert worker.poll() is None
    worker.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert worker.poll() is None, "it waits for the step under way"
    worker.send_signal(signal.SIGTERM)
    said = finished(worker, expect=0)
    assert "told to end again" in said.err.splitlines()[-1]
