"""Apache Kafka's jars, fetched once by Maven into a folder that git ignores."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
FOLDER = Path(__file__).parents[2] / ".kafka"
"""Where jars and data are kept unless another folder is given."""


class BrokerError(Exception):
    """A broker can't be had here; the message says why and what to do."""


class ToolMissing(BrokerError):
    """Java or Maven is not installed."""


def java() -> str:
    """The path of Java, 17 or newer. Raises ToolMissing."""
    path = _tool("java", "Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless)")
    said = subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < 17:
        found = said.partition("\n")[0]
        raise ToolMissing(f"Apache Kafka 4 needs Java 17 or newer, {path} says: {found}")
    return path


def class_path(folder: Path = FOLDER) -> str:
    """Java's class path of the pinned Kafka, fetched first (43 MB) where it is missing. Raises BrokerError."""
    jars = folder / f"jars-{version()}"
    if not jars.is_dir():
        with alone(folder):
            if not jars.is_dir():
                _fetch(jars)
    return f"{jars.resolve()}/*"


def version() -> str:
    """The version of Kafka that the pom pins."""
    found = re.search(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([^<]+)</version>", POM.read_text())
    if found is None:
        raise BrokerError(f"{POM} pins no version of kafka_2.13")
    return found[1]


def _fetch(jars: Path) -> None:
    with fetching(jars) as half:
        maven("Kafka's jars", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={half}")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait for whoever fetches or makes something in the folder, so that it is done once."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def fetching(folder: Path) -> Iterator[Path]:
    """A folder to fetch into, which becomes `folder` at the end: half of it never shows, whoever else fetches."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(dir=folder.parent, prefix="fetching-"))
    try:
        yield half.resolve()
        try:
            half.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(half, ignore_errors=True)


def maven(what: str, *arguments: str) -> None:
    """Have Maven fetch something. Raises ToolMissing, BrokerError, which says what could not be fetched."""
    command = [_tool("mvn", "Apache Maven (Debian: apt-get install maven)"), "-q", "-B", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokerError(f"Maven could not fetch {what}: {(done.stdout + done.stderr).strip()[-800:]}")


def _tool(name: str, what: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ToolMissing(f"there is no {name} on the PATH ({os.environ.get('PATH')}): install {what}")
    return path
