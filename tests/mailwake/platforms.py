"""A platform is a log in Kafka and a warehouse on a server; workers run on it as processes, are killed, compared.

The server is ClickHouse's HTTP interface over an engine in the process of the tests.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from worlds import SCENARIO, STEP_RECORDS, Said, _assert_equal, _Spoiled, finished

from deploy.kafka.broker import Broker
from mailwake.cli.failures import NO_ROOM, REFUSED
from mailwake.monitor.worker import WEDGED
from mailwake.opening import open_any_log
from mailwake.querying import ask
from mailwake.settings import Settings
from mailwake.worker.status import _stages
from sinks.clickhouse_http.server import HttpServer
from sinks.warehouse.views import all_views
from sinks.warehouse.warehouse import Warehouse
from sources.simulator import into_log
from streams.kafka.log import KafkaLog
from streams.keyring.file_keyring import FileKeyring
from streams.log import LogUnavailable, Record

PROGRAMS = Path(__file__).with_name("worker_programs.py")
PARTITIONS = 4
LONGEST_S = 150
PORTION = 75
"""The most records that are appended together."""
GAVE_UP = {REFUSED: "fenced", NO_ROOM: "a neighbour stayed away", WEDGED: "stuck"}
"""Codes with which a worker ends that is to be started again."""
RESTARTS = 6
"""How often a supervisor does so before it is too much."""


@dataclass
class Platform:
    """A prefix in a broker and a database on a server."""

    broker: Broker
    server: HttpServer
    folder: Path
    name: str
    more: Mapping[str, str] = field(default_factory=dict)
    """Settings of its own."""
    restarts: list[str] = field(default_factory=list)
    """Why workers were started again by `supervised`."""
    given_up: threading.Event = field(default_factory=threading.Event)
    """Set where a fault failed: nobody goes on with it."""

    def __post_init__(self) -> None:
        """Every platform has a keyring, which its processes share."""
        FileKeyring.open(self.folder / "mailwake.keys", create=True)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILWAKE_")}
        return kept | {
            "MAILWAKE_LOG": f"kafka://{self.broker.address}/{self.name}",
            "MAILWAKE_WAREHOUSE": f"clickhouse://mailwake@127.0.0.1:{self.server.port}/{self.name}",
            "MAILWAKE_WAREHOUSE_PASSWORD": self.server.token,
            "MAILWAKE_KAFKA_PARTITIONS": str(PARTITIONS),
            "MAILWAKE_STEP_RECORDS": str(STEP_RECORDS),
            "MAILWAKE_SESSION_SECONDS": "6",
            "MAILWAKE_FOLD_SECONDS": "0.2",
            "MAILWAKE_LINGER_MS": "200",
            "MAILWAKE_METRICS_PORT": "0",
            "MAILWAKE_INTAKE_PORT": "0",
            "MAILWAKE_STALL_SECONDS": "60",
            **self.more,
        }

    @property
    def settings(self) -> Settings:
        named = {
            name.removeprefix("MAILWAKE_").lower(): value
            for name, value in self.environment.items()
            if name.startswith("MAILWAKE_")
        }
        return Settings(**named)  # type: ignore[arg-type]

    @cached_property
    def log(self) -> KafkaLog:
        opened = open_any_log(self.settings)
        assert isinstance(opened, KafkaLog)
        return opened

    def fill(self, pause_s: float = 0, part: int = 0, parts: int = 1) -> None:
        """Everything that arrives in SCENARIO, some garbage among it, or a part of it; with a pause after each append.

        As long as the broker is away it is tried again, as producers do; what was kept all the same is then repeated.
        Until `given_up`, where nobody needs it any more.
        """
        every = appends()
        for records in every[len(every) * part // parts : len(every) * (part + 1) // parts]:
            while True:
                try:
                    self.log.append_all(records)
                except LogUnavailable:
                    if self.given_up.is_set():
                        raise
                    continue
                break
            time.sleep(pause_s)

    @contextmanager
    def filling(self, pause_s: float) -> Iterator[threading.Thread]:
        """`fill` beside the block, which may end before; when all is over, all is in."""
        thread = threading.Thread(target=self.fill, args=(pause_s,))
        thread.start()
        try:
            yield thread
        except BaseException:
            self.given_up.set()
            raise
        finally:
            thread.join()

    def migrate(self) -> None:
        """Make the warehouse's tables."""
        with Warehouse.on(self.settings.warehouse_server) as warehouse:  # type: ignore[arg-type]
            warehouse.migrate()

    def start(self, *arguments: object, **settings: str) -> "subprocess.Popen[bytes]":
        """`mailwake ARGUMENTS` as a process of its own."""
        return self._popen([sys.executable, "-m", "mailwake", *map(str, arguments)], settings)

    def program(self, *arguments: object, **settings: str) -> "subprocess.Popen[bytes]":
        """One of worker_programs.py as a process of its own."""
        return self._popen([sys.executable, str(PROGRAMS), *map(str, arguments)], settings)

    def run(self, *arguments: object, stdin: bytes = b"", expect: int = 0, **settings: str) -> Said:
        """Run `mailwake ARGUMENTS` to its end; the exit code must be the expected one."""
        return finished(self.start(*arguments, **settings), stdin, expect)

    @contextmanager
    def working(self, workers: int = 1, **settings: str) -> Iterator[list["subprocess.Popen[bytes]"]]:
        """So many workers for the length of the block, then asked to stop; each must end well."""
        with self.ending([self.start("worker", **settings) for _ in range(workers)]) as processes:
            yield processes

    @contextmanager
    def ending(
        self, processes: Sequence["subprocess.Popen[bytes]"]
    ) -> Iterator[list["subprocess.Popen[bytes]"]]:
        """These workers for the length of the block, then asked to stop; each that is left must end well."""
        left = list(processes)
        try:
            yield left
            for process in left:
                process.send_signal(signal.SIGTERM)
            for process in left:
                finished(process, expect=0)
        finally:
            for process in {*processes, *left}:
                process.kill()
                process.wait()

    @contextmanager
    def warehouse_away(self) -> Iterator[None]:
        """The warehouse does not answer for the length of the block."""
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()

    def settle_supervised(self, workers: list["subprocess.Popen[bytes]"], **settings: str) -> None:
        """`settle`, and start those again that end by themselves, as every supervisor of workers does."""

        def ended() -> bool:
            return any(worker.poll() is not None for worker in workers)

        while True:
            self.settle([], but=ended)
            if not ended():
                return
            for at, worker in enumerate(workers):
                if worker.poll() is not None:
                    said = finished(worker)
                    assert said.code in GAVE_UP, said
                    self.restarts.append(GAVE_UP[said.code])
                    assert len(self.restarts) <= RESTARTS, said
                    workers[at] = self.start("worker", **settings)

    def settle(
        self, processes: Sequence["subprocess.Popen[bytes]"], but: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait until nothing waits for any part, or until something else is so; the processes must live."""
        deadline = time.monotonic() + LONGEST_S
        while (left := self.left()) and not but():
            for process in processes:
                assert process.poll() is None, finished(process)
            assert time.monotonic() < deadline, f"not within {LONGEST_S} s: {left}"
            time.sleep(0.7)

    def left(self) -> list[tuple[str, str, int, int]]:
        """What waits for which part: part, topic, partition, offsets."""
        return [(s["stage"], s["topic"], s["partition"], s["lag"]) for s in _stages(self.log) if s["lag"]]

    def views(self) -> dict[str, list[str]]:
        """The rows of every view that says what is the case, whatever the order of events, as JSON in a fixed order."""
        found = {}
        with Warehouse.on(self.settings.warehouse_server) as warehouse:  # type: ignore[arg-type]
            for view in warehouse.views():
                if view.compared:
                    chunks = ask(self.settings, f"SELECT * FROM {view.name}", "JSONEachRow")
                    answer = b"".join(chunks).decode(errors="surrogateescape")
                    found[view.name] = sorted(answer.split("\n")[:-1])
        return found

    def close(self) -> None:
        if "log" in self.__dict__:
            self.log.close()

    def _popen(self, command: Sequence[str], settings: dict[str, str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@cache
def appends() -> Sequence[Mapping[str, Sequence[Record]]]:
    """What is appended, in its order."""
    told: list[Mapping[str, Sequence[Record]]] = []
    into_log(_Spoiled(_Listening(told)), SCENARIO)  # type: ignore[arg-type]
    return told


@dataclass(frozen=True)
class _Listening:
    """Keeps what would be appended, in small portions."""

    told: list[Mapping[str, Sequence[Record]]]

    def append_all(self, records: Mapping[str, Sequence[Record]]) -> None:
        for topic, some in records.items():
            several = list(some)
            self.told.extend({topic: several[at : at + PORTION]} for at in range(0, len(several), PORTION))


def assert_equal_to_embedded(found: dict[str, list[str]], embedded: dict[str, list[str]]) -> None:
    """Every view row for row, keys and values.

    A dead letter without its place, its times, which go by places, and its stage: counting is the first half of
    reputation.
    """
    assert set(found) == {view.name for view in all_views() if view.compared}
    assert found["mail_events"] and found["reputation_minutes"] and found["dmarc_records"]
    for name, rows in found.items():
        placeless = _placeless if name == "dead_letters" else list
        _assert_equal(name, placeless(rows), placeless(embedded[name]))


def _placeless(letters: Sequence[str]) -> list[tuple[Any, ...]]:
    kept = ("tenant", "origin_topic", "reason", "schema_id", "size")
    return sorted(tuple(str(json.loads(letter)[name]) for name in kept) for letter in letters)
