"""A small HTTP server for a `Monitor`, in threads of its own: it answers while stages are stuck."""

import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from mailwake import __version__
from mailwake.monitor.looking import looking
from mailwake.monitor.pages import Answer, Monitor, Subject
from mailwake.settings import Settings
from streams import metrics
from streams.running.vitals import Moment

logger = logging.getLogger(__name__)

_CONNECTIONS = 16
_SILENCE_S = 10

LOOK_EVERY_S = 1.0
"""How old what the pages say of log and warehouse may be, in an embedded runtime; a worker asks a broker less often."""


class MonitorCannotListen(Exception):
    """The address is taken, or not one of this machine's."""


class MonitorServer:
    """Serves a monitor from `start` to `stop`."""

    def __init__(self, monitor: Monitor, host: str, port: int) -> None:
        """Port 0 takes any that is free."""
        self._monitor, self._host, self._port = monitor, host, port
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """`http://host:port`."""
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    def start(self) -> Self:
        """Listen. Raises MonitorCannotListen."""
        try:
            self._server = _Server(self._host, self._port, self._answer)
        except (OSError, OverflowError, UnicodeError) as error:
            raise MonitorCannotListen(
                f"can't listen on {self._host}:{self._port} for metrics: {error}; stop what listens there, or choose "
                f"another port for this process, as in MAILWAKE_METRICS_PORT={self._port % 65535 + 1} (0: none)"
            ) from error
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="monitor", daemon=True).start()
        logger.info("metrics and health at %s", self.url)
        return self

    def stop(self) -> None:
        """Listen no more. Idempotent."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answer(self, path: str, accept: str) -> Answer:
        return self._monitor.answer(path, accept, Moment.now())


@dataclass(frozen=True, slots=True)
class Monitored:
    """The monitor of this process, if one is wanted, and what kept it from listening."""

    monitor: Monitor | None = None
    failure: MonitorCannotListen | None = None

    @contextmanager
    def watching(self, subject: Subject, every_s: float = LOOK_EVERY_S) -> Iterator[bool]:
        """Everything is open for the length of the block; gives whether anybody watches. Raises MonitorCannotListen.

        Parts are checked and metrics measured `every_s`.
        Only now: that somebody else runs on this log is the better reason for a port that is taken.
        """
        if self.failure is not None:
            raise self.failure
        if self.monitor is None:
            yield False
            return
        self.monitor.watch(subject)
        looks = [partial(self.monitor.check, part) for part in subject.parts]
        try:
            with looking([*looks, lambda at: subject.measure()], every_s):
                yield True
        finally:
            self.monitor.leave()


@contextmanager
def monitored(settings: Settings, parts: Sequence[str]) -> Iterator[Monitored]:
    """Measure, and serve metrics and health for the length of the block, where the settings want it.

    `parts` are what will be opened in it, whatever the runtime.
    """
    if not (settings.metrics_host and settings.metrics_port):
        yield Monitored()
        return
    from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics

    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics.register(registry)
    metrics.BUILD_INFO.set(1, __version__)
    monitor = Monitor(settings.stall_seconds, registry, parts)
    server = MonitorServer(monitor, settings.metrics_host, settings.metrics_port)
    failure = None
    try:
        server.start()
    except MonitorCannotListen as error:
        failure = error
    try:
        yield Monitored(monitor, failure)
    finally:
        server.stop()
        metrics.register(None)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, answer: Any) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._places = threading.BoundedSemaphore(_CONNECTIONS)
        self.answer = answer
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Without the look-up of the host's name that HTTPServer makes, which may take seconds."""
        if self.allow_reuse_address:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, if there is a place."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went is nothing to tell; anything else is a bug."""
        logger.debug("a request to the monitor failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SILENCE_S

    def do_GET(self) -> None:
        """Answer."""
        said = self.server.answer(urlsplit(self.path).path, self.headers.get("Accept", ""))
        self.send_response(said.status)
        self.send_header("Content-Type", said.content_type)
        self.send_header("Content-Length", str(len(said.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said.body)

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Whoever asks every few seconds is not worth a line."""
