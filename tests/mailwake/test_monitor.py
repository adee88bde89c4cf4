"""What a process answers about itself: by moments that tests say, and over HTTP from a real `mailwake up`."""

import json
import shutil
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from running import running, running_program, until, until_it_says
from test_full_disk import LARGE, ROOM_FOR_SOME, Disk, disk  # noqa: F401 - a fixture
from worlds import Undisturbed, World, assert_same, finished, make_input

from deploy.kafka.broker import free_port
from mailwake.monitor.looking import looking
from mailwake.monitor.pages import Monitor, Part, Subject
from mailwake.monitor.server import MonitorCannotListen, MonitorServer
from streams.log import LogFull
from streams.metrics import catalogue
from streams.running.vitals import Moment, Vitals, Watched

REFUSED = 3


def at(seconds: float) -> Moment:
    return Moment(1_800_000_000 + seconds, seconds)


@dataclass
class Process:
    """A process with one stage and one part."""

    waiting: int = 0
    paused: bool = False
    failure: Exception | None = None
    monitor: Monitor = field(default_factory=lambda: Monitor(60, CollectorRegistry(), ("log",)))
    vitals: Vitals = field(init=False)

    def opened(self) -> Vitals:
        watched = Watched("fold", lambda: self.waiting, lambda: 0.0, lambda: self.paused)
        self.vitals = Vitals([watched], at(0))
        self.monitor.watch(Subject(self.vitals, [self.part]))
        self.look()
        return self.vitals

    @property
    def part(self) -> Part:
        return Part("log", self.check, (LogFull,))

    def look(self, seconds: float = 0) -> None:
        self.vitals.look(at(seconds))
        self.monitor.check(self.part, at(seconds))

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def ask(self, path: str, seconds: float = 0) -> tuple[int, Any]:
        said = self.monitor.answer(path, "", at(seconds))
        return said.status, json.loads(said.body)


@pytest.fixture
def process() -> Process:
    return Process()


def test_before_anything_is_open_it_lives_and_is_not_ready(process: Process) -> None:
    assert process.ask("/healthz", 1_000)[0] == 200
    assert process.ask("/readyz") == (503, {"status": "not ready", "parts": {"log": "not open yet"}})
    process.opened()
    assert process.ask("/readyz") == (200, {"status": "ready", "parts": {"log": "ok"}})


def test_when_it_ends_it_asks_no_more_what_is_being_closed(process: Process) -> None:
    process.opened()
    process.waiting, process.failure = 12, RuntimeError("closed")
    process.monitor.leave()
    assert process.ask("/healthz", 1_000)[0] == 200
    assert process.ask("/readyz") == (503, {"status": "not ready", "parts": {"log": "closed"}})


def test_a_stalled_stage_is_named_with_since_when_and_how_much_waits(process: Process) -> None:
    vitals = process.opened()
    process.waiting = 12
    process.look()
    assert process.ask("/healthz", 59)[0] == 200
    assert process.ask("/livez", 61)[0] == 503
    vitals.waits("fold", LogFull("no room"))
    assert process.ask("/livez", 61)[0] == 200
    status, said = process.ask("/healthz", 61.04)
    assert status == 503 and said["status"] == "stalled"
    assert said["stalled"] == [
        {
            "stage": "fold",
            "waiting": 12,
            "last_progress": "2027-01-15T08:00:00+00:00",
            "seconds_since": 61.0,
            "paused": False,
            "waits_for": "no room",
        }
    ]
    vitals.stepped("fold", 12, at(62))
    assert process.ask("/healthz", 63)[0] == 200


def test_a_paused_stage_is_excepted_and_named(process: Process) -> None:
    process.opened()
    process.waiting, process.paused = 12, True
    process.look(1_000)
    status, said = process.ask("/healthz", 1_000)
    assert (status, said["paused"], said["stalled"]) == (200, ["fold"], [])


def test_a_part_that_fails_or_is_waited_for_is_not_ready(process: Process) -> None:
    vitals = process.opened()
    process.failure = RuntimeError("gone")
    process.look()
    assert process.ask("/readyz") == (503, {"status": "not ready", "parts": {"log": "gone"}})
    process.failure = None
    process.look()
    vitals.waits("fold", LogFull("no room"))
    assert process.ask("/readyz")[1]["parts"] == {"log": "fold waits: no room"}
    vitals.stepped("fold", 1, at(1))
    assert process.ask("/readyz")[0] == 200


def test_pages_answer_from_what_is_known_while_log_and_warehouse_do_not_answer(process: Process) -> None:
    process.opened()
    process.waiting = 12
    process.look(1)
    asked, away = threading.Event(), threading.Event()

    def hang() -> None:
        asked.set()
        away.wait(60)

    part = Part("log", hang)
    looks = [lambda moment: process.monitor.check(part, at(2)), lambda moment: process.vitals.look(at(2))]
    with looking(looks, 60):
        assert asked.wait(60)
        assert process.ask("/readyz", 3)[0] == 200
        assert process.ask("/readyz", 14) == (
            503,
            {"status": "not ready", "parts": {"log": "no answer for 12 s"}},
        )
        status, said = process.ask("/livez", 62)
        assert status == 503 and said["stalled"][0]["waiting"] == 12
        away.set()


def test_looking_goes_on_after_a_look_that_failed() -> None:
    looks, again = [], threading.Event()

    def look(moment: Moment) -> None:
        looks.append(moment)
        if len(looks) == 1:
            raise RuntimeError("gone")
        again.set()

    with looking([look], 0.001):
        assert again.wait(60)


NOT_OF_UP = {
    "mailwake_emitter_records_total",
    "mailwake_stage_partitions",
    "mailwake_take_over_seconds",
    "mailwake_recovery_seconds",
    "mailwake_intake_bytes_total",
    "mailwake_intake_events_total",
    "mailwake_intake_requests_total",
    "mailwake_intake_signatures_refused_total",
    "mailwake_tail_events_total",
    "mailwake_tail_behind_bytes",
    "mailwake_tail_lines_total",
}
"""What only an emitter, a worker, a tail, or an intake that was asked has series of."""


def test_another_path_is_told_which_there_are(process: Process) -> None:
    status, said = process.ask("/")
    assert status == 404 and said["paths"] == ["/metrics", "/healthz", "/livez", "/readyz"]


def test_metrics_are_given_even_when_a_check_fails(measured: CollectorRegistry) -> None:
    process = Process(monitor=Monitor(60, measured, ("log",)), failure=RuntimeError("gone"))
    process.opened()
    said = process.monitor.answer("/metrics", "", at(0))
    assert said.status == 200 and b'mailwake_ready{part="log"} 0.0' in said.body


def test_nobody_listens_any_more_when_it_has_stopped() -> None:
    with MonitorServer(Process().monitor, "127.0.0.1", 0) as server:
        assert get(f"{server.url}/healthz")[0] == 200
    with pytest.raises(OSError):
        get(f"{server.url}/healthz")


def test_a_port_that_is_taken_is_named_with_the_setting() -> None:
    with MonitorServer(Process().monitor, "127.0.0.1", 0) as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(MonitorCannotListen, match=f"{port}.*MAILWAKE_METRICS_PORT"):
            MonitorServer(Process().monitor, "127.0.0.1", port).start()


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@dataclass(frozen=True)
class Monitored:
    """Settings of a process whose monitor is asked."""

    port: str = field(default_factory=lambda: str(free_port()))

    def settings(self, stall_s: int = 120) -> dict[str, str]:
        return {"MAILWAKE_METRICS_PORT": self.port, "MAILWAKE_STALL_SECONDS": str(stall_s)}

    def ask(self, path: str) -> tuple[int, Any]:
        status, body = get(f"http://127.0.0.1:{self.port}{path}")
        return status, json.loads(body)

    def status(self, path: str) -> int:
        return self.ask(path)[0]

    def waiting(self) -> int:
        """How many records wait, as of the last look."""
        return sum(stage["waiting"] for stage in self.ask("/healthz")[1]["stages"])

    def stalled(self) -> list[str]:
        return [stage["stage"] for stage in self.ask("/healthz")[1]["stalled"]]

    def says_what_is_full(self) -> bool:
        """Whether some stage has stalled that waits for room."""
        waits = [stage["waits_for"] or "" for stage in self.ask("/healthz")[1]["stalled"]]
        return any("room" in reason or "full" in reason for reason in waits)

    def samples(self) -> dict[tuple[str, Sequence[tuple[str, str]]], float]:
        text = get(f"http://127.0.0.1:{self.port}/metrics")[1].decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


def test_up_shows_what_it_has_done(world: World, undisturbed: Undisturbed) -> None:
    monitored = Monitored()
    with running(world, "up", **monitored.settings()) as up:
        url = until_it_says(b"queries at ", up).rpartition(" ")[2].strip()
        until(lambda: world.lag() == 0, up)
        until(lambda: monitored.waiting() == 0, up)
        assert monitored.status("/readyz") == 200 and monitored.status("/healthz") == 200
        assert get(f"{url}/?query=SELECT+1")[0] == 200
        assert get(f"{url}/?query=DROP+TABLE+mailwake.positions_told")[0] == 403
        refused = "mailwake_queries_total", (("outcome", "refused"),)
        until(lambda: monitored.samples()[refused] == 1, up)
        found = monitored.samples()
        up.send_signal(signal.SIGTERM)
        finished(up, expect=0)
    topics = undisturbed.outcome.topics

    def count(name: str, **labels: str) -> float:
        return found[f"mailwake_{name}", tuple(sorted(labels.items()))]

    for stage, topic in (("documents", "documents"), ("reputation", "mail.events")):
        assert count("records_in_total", stage=stage, topic=topic) == len(topics[topic])
        assert count("batch_records_sum", stage=stage) == len(topics[topic])
        assert count("topic_end_offset", topic=topic) == len(topics[topic])
        assert count("stage_lag_records", stage=stage) == 0
    assert count("records_out_total", stage="documents", topic="dmarc.records") == len(
        topics["dmarc.records"]
    )
    letters = sum(
        count("dead_letters_total", stage=name)
        for name in ("documents", "reputation", "classify", "suppress", "warehouse")
    )
    assert letters == len(topics["dead.letters"])
    assert count("warehouse_rows_loaded_total", topic="mail.events") > 0
    assert count("repeats_total", stage="reputation") > 0
    assert count("late_additions_total", stage="reputation") > 0
    assert count("queries_total", outcome="answered") >= 1
    assert count("queries_total", outcome="refused") == 1
    assert count("ready", part="warehouse") == 1
    names = {name for name, _ in found}
    missing = {
        metric.name
        for metric in catalogue()
        if not names & {metric.name, f"{metric.name}_count"} and metric.name not in NOT_OF_UP
    }
    assert not missing


def test_up_with_a_stage_that_hangs_turns_red_and_green_again(world: World, undisturbed: Undisturbed) -> None:
    monitored = Monitored()
    gate = world.folder / "gate"
    gate.touch()
    with running_program(world, "up-behind", "reputation", gate, **monitored.settings(stall_s=5)) as up:
        until_it_says(b"INFO mailwake up: ", up)
        until(lambda: monitored.stalled() == ["reputation"], up)
        _, said = monitored.ask("/healthz")
        assert said["stalled"][0]["waiting"] == len(undisturbed.outcome.topics["mail.events"])
        assert monitored.samples()["mailwake_stage_stalled", (("stage", "reputation"),)] == 1
        world.run("pause", "reputation")
        until(lambda: monitored.status("/healthz") == 200, up)
        assert monitored.ask("/healthz")[1]["paused"] == ["reputation"]
        world.run("resume", "reputation")
        until(lambda: monitored.status("/healthz") == 503, up)
        gate.unlink()
        until(lambda: monitored.status("/healthz") == 200 and world.lag() == 0, up)
        up.send_signal(signal.SIGTERM)
        finished(up, expect=0)
    assert_same(world.finish(), undisturbed.outcome)


def test_up_on_a_full_disk_is_not_ready_and_then_red(disk: Disk) -> None:  # noqa: F811
    monitored = Monitored()
    world = make_input(disk.folder / "world", LARGE)
    disk.leave(ROOM_FOR_SOME)
    with running(world, "up", **monitored.settings(stall_s=1)) as up:
        until_it_says(b"waits", up)
        assert monitored.status("/readyz") == 503
        until(monitored.says_what_is_full, up)
        assert monitored.status("/healthz") == 503
        full = [value for (name, labels), value in monitored.samples().items() if is_full(name, labels)]
        assert sum(full) >= 1
        disk.make_room()
        until(lambda: monitored.status("/healthz") == 200 and world.lag() == 0, up)
        until(lambda: monitored.status("/readyz") == 200, up)
        up.send_signal(signal.SIGTERM)
        finished(up, expect=0)
    shutil.rmtree(world.folder)


def is_full(name: str, labels: Sequence[tuple[str, str]]) -> bool:
    return name == "mailwake_waits_total" and dict(labels)["reason"] in ("log_full", "sink_full")


def test_up_says_that_somebody_else_runs_before_it_says_that_the_port_is_taken(empty: World) -> None:
    monitored = Monitored()
    with running(empty, "up", **monitored.settings()) as up:
        until_it_says(b"INFO mailwake up: ", up)
        second = empty.run("up", expect=REFUSED, **monitored.settings())
        assert f"held by another runtime, process {up.pid}" in second.err
        (empty.folder / "other").mkdir()
        other = World(empty.folder / "other").run("up", expect=REFUSED, **monitored.settings())
        assert "MAILWAKE_METRICS_PORT" in other.err and "Traceback" not in other.err


@pytest.mark.parametrize("off", [{"MAILWAKE_METRICS_PORT": "0"}, {"MAILWAKE_METRICS_HOST": ""}])
def test_up_serves_nothing_where_it_is_switched_off(empty: World, off: dict[str, str]) -> None:
    monitored = Monitored()
    with running(empty, "up", **(monitored.settings() | off)) as up:
        until_it_says(b"INFO mailwake up: ", up)
        with pytest.raises(OSError):
            get(f"http://127.0.0.1:{monitored.port}/healthz")
