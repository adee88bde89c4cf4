"""An OpenBao server as a process of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOKEN = "of-the-tests"
STARTS_IN_S = 60
PROGRAM = Path(sys.executable).with_name("bao")


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """Its address, HOST:PORT; everything in memory, a KV version 2 engine at secret/."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [PROGRAM, "server", "-dev", f"-dev-listen-address={address}", f"-dev-root-token-id={TOKEN}"]
    with (home / "log").open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, cwd=home, env={**os.environ, "HOME": str(home)}
        )
    try:
        deadline = time.monotonic() + STARTS_IN_S
        while not _answers(address):
            assert process.poll() is None, (home / "log").read_text()
            assert time.monotonic() < deadline, (home / "log").read_text()
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/v1/sys/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
