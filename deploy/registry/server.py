"""A real schema registry on loopback: Apicurio, which speaks Confluent's API, with its data in memory.

    python -m deploy.registry.server [--port 8081]

prints the address and runs until Ctrl-C. Tests use `RegistryServer`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.kafka.broker import free_port
from deploy.kafka.jars import FOLDER, BrokerError, fetching, java, maven
from deploy.kafka.process import begin, end
from deploy.kafka.secured import Secured

VERSION = "2.6.13.Final"
"""The last that runs on Java 17."""

UP_WITHIN_S = 60.0
PATH = "/apis/ccompat/v7"
"""Where Apicurio speaks Confluent's API."""


@dataclass(slots=True)
class RegistryServer:
    """A registry that runs, or ran: use it as a context manager, or `stop` it."""

    port: int
    data: Path
    tls_port: int | None = None
    """Where it speaks TLS as well; 0 takes any that is free."""
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """What clients are given."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    @property
    def tls_url(self) -> str:
        """The same over TLS; `Secured.certificate` of its data folder is to be trusted."""
        return f"https://127.0.0.1:{self.tls_port}{PATH}"

    def run(self) -> None:
        """Start it, empty, and wait until it answers; port 0 takes any that is free. Raises BrokerError."""
        executable, jar = java(), _runner()
        self.port = self.port or free_port()
        self.data.mkdir(parents=True, exist_ok=True)
        self._process = begin(
            [executable, "-Xmx384m", "-XX:+UseSerialGC", "-jar", str(jar)],
            self.data / "registry.log",
            folder=self.data,
            env={
                **os.environ,
                "QUARKUS_HTTP_HOST": "127.0.0.1",
                "QUARKUS_HTTP_PORT": str(self.port),
                **self._tls(),
            },
        )
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise

    def clear(self) -> None:
        """Forget every subject; ids stay given."""
        with urllib.request.urlopen(f"{self.url}/subjects", timeout=30) as answer:
            subjects = json.load(answer)
        for subject in subjects:
            request = urllib.request.Request(f"{self.url}/subjects/{subject}", method="DELETE")
            urllib.request.urlopen(request, timeout=30).close()

    def stop(self) -> None:
        """End the process; what was registered is gone."""
        if self._process is None:
            return
        end(self._process)
        self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _tls(self) -> dict[str, str]:
        if self.tls_port is None:
            return {}
        self.tls_port = self.tls_port or free_port()
        key = Secured(mechanisms=()).properties(self.data)
        return {
            "QUARKUS_HTTP_SSL_PORT": str(self.tls_port),
            "QUARKUS_HTTP_SSL_CERTIFICATE_KEY_STORE_FILE": key["ssl.keystore.location"],
            "QUARKUS_HTTP_SSL_CERTIFICATE_KEY_STORE_PASSWORD": key["ssl.keystore.password"],
        }

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + UP_WITHIN_S
        while not self._answers():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise BrokerError(f"the registry did not start; see {self.data / 'registry.log'}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def _runner(folder: Path = FOLDER) -> Path:
    """Apicurio's jar, fetched first (142 MB) where it is missing. Raises BrokerError."""
    home = folder / f"apicurio-{VERSION}"
    if not home.is_dir():
        _fetch(home)
    return (home / f"apicurio-registry-app-{VERSION}-runner.jar").resolve()


def _fetch(home: Path) -> None:
    artifact = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
    with fetching(home) as half:
        maven("Apicurio", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={half}")
        (archive,) = half.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(half, filter="data")
        archive.unlink()


def main() -> int:
    """Run a registry until Ctrl-C."""
    arguments = argparse.ArgumentParser(
        prog="python -m deploy.registry.server", description="A schema registry on loopback."
    )
    arguments.add_argument("--port", type=int, default=8081, help="0 takes any that is free (%(default)s)")
    asked = arguments.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with RegistryServer(asked.port, FOLDER / "registry") as server:
            server.run()
            sys.stdout.write(
                f"the registry answers. Use it with\n\n    export MAILWAKE_SCHEMA_REGISTRY={server.url}\n\n"
                "Ctrl-C stops it; what was registered is gone then.\n"
            )
            sys.stdout.flush()
            signal.pause()
            return 0
    except BrokerError as error:
        sys.stderr.write(f"registry: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
