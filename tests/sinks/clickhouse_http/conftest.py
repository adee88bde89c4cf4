"""An engine and its HTTP interface for the tests of one file."""

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from sinks.clickhouse_http.server import HttpServer, HttpSettings
from sinks.clickhouse_http.settings import QueryLimits
from sinks.engine import Engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(tmp_path_factory.mktemp("warehouse") / "folder") as opened:
        yield opened


@pytest.fixture(scope="module")
def server(engine: Engine) -> Iterator[HttpServer]:
    limits = QueryLimits(seconds=20, memory=100_000_000, result_rows=6_000_000, threads=2, queue_seconds=5.0)
    with HttpServer(engine, HttpSettings(port=0, limits=limits)) as started:
        yield started


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def code(self) -> int:
        return int(self.headers.get("X-ClickHouse-Exception-Code", 0))


Ask = Callable[..., Answer]


@pytest.fixture
def ask(server: HttpServer) -> Ask:
    """Send one request, as curl would: `ask("SELECT 1", headers={…}, max_threads=1)`."""

    def send(
        body: bytes | str | None = None,
        *,
        path: str = "/",
        headers: dict[str, str] | None = None,
        method: str | None = None,
        **arguments: Any,
    ) -> Answer:
        data = body.encode() if isinstance(body, str) else body
        url = f"{server.url}{path}?{urllib.parse.urlencode(arguments)}"
        request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    return send


def statements(name: str) -> list[str]:
    """The statements of a file beside this one, which `;;` on a line of its own keeps apart."""
    return [text.strip() for text in (Path(__file__).with_name(name)).read_text().split("\n;;\n")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name in ("allowed", "refused"):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, statements(f"{name}.sql"))
