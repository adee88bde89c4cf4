"""A real Kafka broker on loopback: KRaft, one node, its own data folder; stopped by its process id.

    python -m deploy.kafka.broker [--port 9092] [--data FOLDER] [--heap 1g]

prints the address and runs until Ctrl-C. Tests use `Broker.start`.
"""

import argparse
import contextlib
import errno
import os
import random
import signal
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self
from uuid import uuid4

from deploy.kafka.jars import FOLDER, BrokerError, alone, class_path, java, version
from deploy.kafka.process import begin, end
from deploy.kafka.secured import Secured

UP_WITHIN_S = 90.0
STARTED = "Kafka Server started"
"""What the broker logs once it serves."""

PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.cleaner.backoff.ms": "1000",
    "metadata.max.idle.interval.ms": "0",
}
"""One node's, where they differ from Kafka's defaults: no replicas, few internal partitions, small buffers.

And no record of nothing twice a second, by which other nodes would know how far they are: half of what an idle broker does.
"""


@dataclass(slots=True)
class Broker:
    """A broker that runs, or ran: use it as a context manager, or `stop` it."""

    port: int
    data: Path
    heap: str = "512m"
    secured: Secured | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    archives: Path | None = None
    """Where Java writes Kafka's classes when this broker ends, for `class_archive`."""
    _process: "subprocess.Popen[bytes] | None" = None

    @classmethod
    def start(
        cls,
        data: Path,
        port: int = 0,
        heap: str = "512m",
        secured: Secured | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> Self:
        """Start one and wait until it answers; port 0 takes any that is free. Raises BrokerError."""
        broker = cls(port, data, heap, secured, dict(properties or {}))
        broker.run()
        return broker

    @property
    def address(self) -> str:
        """What clients connect to."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    @property
    def log_file(self) -> Path:
        """What the broker says."""
        return self.data / "broker.log"

    def run(self) -> None:
        """Start the process, on the same port and data as before, and wait until it answers. Raises BrokerError."""
        executable, jars = java(), class_path()
        mapped = [] if self.archives else [f"-XX:SharedArchiveFile={class_archive()}"]
        self.port = self.port or free_port()
        if self._connects():
            raise BrokerError(f"something listens on {self.address} already: stop that, or give another port")
        self.data.mkdir(parents=True, exist_ok=True)
        configuration = self.data / "server.properties"
        configuration.write_text("".join(f"{name}={value}\n" for name, value in self._configured().items()))
        if not (self.data / "log" / "meta.properties").exists():
            self._format([executable, "-XX:+UseSerialGC", *mapped, "-cp", jars], configuration)
        options = mapped or [f"-XX:ArchiveClassesAtExit={self.archives}"]
        command = [
            executable,
            f"-Xmx{self.heap}",
            "-XX:+UseSerialGC",
            *options,
            "-cp",
            jars,
            "kafka.Kafka",
            str(configuration),
        ]
        self._process = begin(command, self.log_file)
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise

    def stop(self, kill: bool = False) -> None:
        """End the process in an orderly way, or at once; its data stays."""
        if self._process is None:
            return
        end(self._process, signal.SIGKILL if kill else signal.SIGTERM)
        self._process = None

    def pause(self) -> None:
        """Stop the process in its tracks (SIGSTOP), all of its threads: clients wait for answers."""
        if self._process:
            self._process.send_signal(signal.SIGSTOP)
            # On busy cores threads go on for some milliseconds, long enough to answer.
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused process go on."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _configured(self) -> dict[str, str]:
        internal, controller = [port for port in free_ports(3) if port != self.port][:2]
        protocol = self.secured.protocol if self.secured else "PLAINTEXT"
        clients, internally = f"CLIENT://{self.address}", f"INTERNAL://127.0.0.1:{internal}"
        return {
            **PROPERTIES,
            "listeners": f"{clients},{internally},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"{clients},{internally}",
            "listener.security.protocol.map": f"CLIENT:{protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": str((self.data / "log").resolve()),
            **(self.secured.properties(self.data) if self.secured else {}),
            **self.properties,
        }

    def _format(self, java_command: list[str], configuration: Path) -> None:
        """Make the data folder a KRaft one, with the users that SCRAM needs from the first moment."""
        users = self.secured.format_arguments() if self.secured else []
        name = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=").replace("-", "_")
        command = [*java_command, "kafka.tools.StorageTool", "format", "-c", str(configuration), "-t", name]
        done = subprocess.run([*command, *users], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BrokerError(f"{self.data} could not be formatted: {_why(done.stdout + done.stderr)}")

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + UP_WITHIN_S
        while STARTED not in (said := self.log_file.read_text(errors="replace")) or not self._connects():
            if self._process is None or self._process.poll() is not None:
                raise BrokerError(f"the broker on {self.address} ended; {self.log_file} says: {_why(said)}")
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"the broker on {self.address} is not up after {UP_WITHIN_S:.0f} s; see {self.log_file}"
                )
            time.sleep(0.1)

    def _connects(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
            return True
        return False


def class_archive(folder: Path = FOLDER) -> Path:
    """Kafka's classes as Java maps them, with which a start takes half as long; made first where it is missing.

    Java writes them when a broker that has started ends (JEP 350). One of another Java's it leaves aside by itself.
    Raises BrokerError.
    """
    archive = (folder / f"classes-{version()}.jsa").resolve()
    if not archive.exists():
        with alone(folder), TemporaryDirectory(dir=folder, prefix="making-") as made:
            written = Path(made).resolve() / "classes.jsa"
            if not archive.exists():
                with Broker(0, Path(made) / "data", archives=written) as broker:
                    broker.run()
                written.rename(archive)
    return archive


def _why(said: str) -> str:
    """What of a broker's log tells why it ended: its first errors, else its last words."""
    errors = [line for line in said.splitlines() if " ERROR " in line or line.startswith("Exception")]
    return " | ".join(errors[:3] or said.strip().splitlines()[-6:])


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    return free_ports(1)[0]


def free_ports(number: int) -> list[int]:
    """Different ports of 127.0.0.1 that nobody listens on now.

    Below those that Linux gives to outgoing connections: one of these could take the port of a server that restarts.
    """
    with ExitStack() as stack:
        found: list[int] = []
        while len(found) < number:
            listening = stack.enter_context(socket.socket())
            port = random.randrange(15_000, 32_000)
            try:
                listening.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                found.append(port)
        return found


def main() -> int:
    """Run a broker until Ctrl-C."""
    arguments = argparse.ArgumentParser(
        prog="python -m deploy.kafka.broker", description="A Kafka broker on loopback."
    )
    arguments.add_argument("--port", type=int, default=9092, help="0 takes any that is free (%(default)s)")
    arguments.add_argument("--data", type=Path, default=FOLDER / "data", help="its data folder (%(default)s)")
    arguments.add_argument("--heap", default="1g", help="Java's heap (%(default)s)")
    asked = arguments.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Broker.start(asked.data, asked.port, asked.heap) as broker:
            _say(
                f"Kafka answers on {broker.address} (process {broker.pid}, data in {broker.data}). Use it with"
            )
            _say(f"\n    export MAILWAKE_LOG=kafka://{broker.address}\n\nCtrl-C stops it; the data stays.")
            while broker._process is not None and broker._process.poll() is None:
                time.sleep(0.5)
            _say(f"the broker ended; see {broker.log_file}")
            return 1
    except BrokerError as error:
        sys.stderr.write(f"kafka: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
