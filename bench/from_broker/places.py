"""A broker with traffic in it, and a warehouse's server in a process of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.kafka.broker import Broker
from from_broker.processes import raise_priority, started
from mailwake.opening import open_any_log
from mailwake.settings import Settings
from sinks.warehouse.warehouse import Warehouse
from sources.simulator.records import mail_records
from sources.simulator.traffic import Traffic, dense, sparse
from streams.kafka.log import KafkaLog
from streams.keyring.file_keyring import FileKeyring

HERE = Path(__file__).parent
PARTITIONS = 8


def many(seed: int, events: int) -> Traffic:
    """An hour of traffic of 100,000 identities and more."""
    return Traffic(seed, events, domains=MANY_DOMAINS, providers=6, minutes=60)


MANY_DOMAINS = 3_600
KINDS = {"dense": dense, "sparse": sparse, "many": many}
_APPEND = 20_000


@dataclass(frozen=True, slots=True)
class Server:
    """ClickHouse's HTTP interface over the embedded engine."""

    port: int
    token: str
    pid: int


@dataclass(frozen=True, slots=True)
class Place:
    """A log of its own in the broker, under a prefix; and a warehouse, if there is one."""

    broker: Broker
    folder: Path
    prefix: str
    server: Server | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a `mailwake` that works here is told."""
        told = {
            "MAILWAKE_LOG": f"kafka://{self.broker.address}/{self.prefix}",
            "MAILWAKE_KAFKA_PARTITIONS": str(PARTITIONS),
            "MAILWAKE_METRICS_PORT": "0",
            "MAILWAKE_INTAKE_PORT": "0",
            "MAILWAKE_BLOBS": str(self.folder / "blobs"),
            "MAILWAKE_KEYRING": f"file:///{self.folder / 'mailwake.keys'}",
        }
        if self.server is not None:
            told["MAILWAKE_WAREHOUSE"] = f"clickhouse://mailwake@127.0.0.1:{self.server.port}/{self.database}"
            told["MAILWAKE_WAREHOUSE_PASSWORD"] = self.server.token
        return told

    @property
    def database(self) -> str:
        """Of the warehouse."""
        return self.prefix.replace("-", "_")

    @property
    def topic(self) -> str:
        """Kafka's name of the mail events."""
        return f"{self.prefix}.mail.events"

    def settings(self) -> Settings:
        """The same as `environment`, for this process."""
        told = {name.removeprefix("MAILWAKE_").lower(): value for name, value in self.environment.items()}
        return Settings(**told)  # type: ignore[arg-type]

    @contextmanager
    def log(self) -> Iterator[KafkaLog]:
        """The log, for this process."""
        log = open_any_log(self.settings())
        assert isinstance(log, KafkaLog)
        try:
            yield log
        finally:
            log.close()

    def fill(self, traffic: str, events: int) -> None:
        """Put traffic into the log, in another process: its memory is not that of the bench."""
        run_here("fill", self.broker.address, self.prefix, traffic, str(events))

    def migrate(self) -> None:
        """Make the warehouse's tables, and the keyring that workers on documents need."""
        FileKeyring.open(self.folder / "mailwake.keys", create=True)
        server = self.settings().warehouse_server
        assert server is not None
        with Warehouse.on(server) as warehouse:
            warehouse.migrate()


@contextmanager
def brokers(folder: Path) -> Iterator[Broker]:
    """A broker with the priority of what is measured."""
    with Broker.start(folder / "broker", heap="1g") as broker:
        assert broker.pid is not None
        raise_priority(broker.pid)
        yield broker


@contextmanager
def servers(folder: Path) -> Iterator[Server]:
    """A warehouse's server; it shares the cores with all the rest."""
    process = started(
        [sys.executable, str(HERE / "warehouse_server.py"), str(folder / "warehouse")],
        {},
        folder / "warehouse-server.log",
    )
    try:
        assert process.stdout is not None
        told: Mapping[str, str] = json.loads(process.stdout.readline())
        yield Server(int(told["port"]), told["token"], process.pid)
    finally:
        process.terminate()
        process.wait()


def run_here(*arguments: str) -> None:
    """Run this file as a program, to its end. Raises CalledProcessError."""
    subprocess.run([sys.executable, "-m", "from_broker.places", *arguments], check=True, cwd=HERE.parent)


def _fill(address: str, prefix: str, traffic: str, events: str) -> None:
    settings = Settings(log=f"kafka://{address}/{prefix}", kafka_partitions=PARTITIONS)
    log = open_any_log(settings)
    begun, count = time.perf_counter(), int(events)
    for frames in KINDS[traffic](7, count).frames():
        records = mail_records(frames)
        for at in range(0, len(records), _APPEND):
            log.append_all({"mail.events": records[at : at + _APPEND]})
    log.close()
    sys.stderr.write(f"  {prefix}: {count:,} {traffic} events in, {time.perf_counter() - begun:.0f} s\n")


if __name__ == "__main__":
    _fill(*sys.argv[2:])
