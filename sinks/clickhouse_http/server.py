"""ClickHouse's HTTP interface over the embedded engine: the server, in a thread with an event loop of its own."""

import asyncio
import logging
import secrets
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from sinks.clickhouse_http.handler import Interface, answer
from sinks.clickhouse_http.listening import ConnectionLimits, listen
from sinks.clickhouse_http.request import headers_are_local
from sinks.clickhouse_http.settings import QueryLimits

if TYPE_CHECKING:
    from types import TracebackType

    from sinks.engine import Engine

logger = logging.getLogger(__name__)

_protocol_logger = logging.getLogger(f"{__name__}.protocol")


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Whether this is more than bytes that are no HTTP: whoever sends those may fill a disk with their traceback."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_protocol_logger.addFilter(_is_our_fault)

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where to listen, what a query may use, and what a connection.

    `port` 0 takes any that is free. Requests are answered if their Host is a loopback name, `host`, or one of
    `allowed_hosts`.
    """

    host: str = "127.0.0.1"
    port: int = 8123
    allowed_hosts: tuple[str, ...] = ()
    display_name: str = "mailwake"
    limits: QueryLimits = field(default_factory=QueryLimits)
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)

    def names(self) -> frozenset[str]:
        """What a Host header may say, in lower case and without the port."""
        return _LOOPBACK | {name.lower() for name in (self.host, *self.allowed_hosts)}


class CannotListen(Exception):
    """The address is taken, or not one of this machine's."""


def build_app(engine: "Engine", options: HttpSettings, token: str) -> web.Application:
    """The application. To be run with `handler_cancellation`, so that a query ends when its client leaves."""
    names = options.names()
    limits = options.limits

    @web.middleware
    async def refuse_strangers(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not headers_are_local(request.headers, names):
            return web.Response(status=403, text="This interface answers to loopback names only.\n")
        return await handler(request)

    async def ping(_: web.Request) -> web.StreamResponse:
        return web.Response(text="Ok.\n")

    application = web.Application(middlewares=[refuse_strangers], client_max_size=limits.query_bytes)
    interface: list[Interface] = []

    async def query(incoming: web.Request) -> web.StreamResponse:
        return await answer(interface[0], incoming)

    async def lifetime(_: web.Application) -> AsyncIterator[None]:
        threads = ThreadPoolExecutor(3 * limits.concurrent + 4, thread_name_prefix="clickhouse-http")
        interface.append(
            Interface(
                engine=engine,
                limits=limits,
                token=token,
                display_name=options.display_name,
                timezone=_timezone(engine),
                threads=threads,
                turns=asyncio.Semaphore(limits.concurrent),
                checking=asyncio.Lock(),
            )
        )
        yield
        threads.shutdown()

    application.cleanup_ctx.append(lifetime)
    application.router.add_get("/ping", ping)
    application.router.add_get("/replicas_status", ping)
    application.router.add_route("GET", "/", query)
    application.router.add_route("HEAD", "/", query)
    application.router.add_route("POST", "/", query)
    return application


def _timezone(engine: "Engine") -> str:
    connection = engine.connect()
    try:
        return bytes(connection.query("SELECT timezone()", "RawBLOB").bytes()).decode()
    finally:
        connection.close()


class HttpServer:
    """The interface, from `start` to `stop`. `token` is what lets a request write; unless given it is made anew."""

    def __init__(
        self, engine: "Engine", options: HttpSettings | None = None, token: str | None = None
    ) -> None:
        self.token = token or secrets.token_urlsafe(32)
        self._engine = engine
        self._options = options or HttpSettings()
        self._port = self._options.port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._failure: BaseException | None = None

    @property
    def port(self) -> int:
        """The port that it listens on, once started."""
        return self._port

    @property
    def url(self) -> str:
        """`http://host:port`."""
        host = self._options.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    def start(self) -> Self:
        """Listen; returns when requests are answered.

        Raises:
            CannotListen: someone else has the port, or the host is not this machine's.
        """
        started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="clickhouse-http", daemon=True
        )
        self._thread.start()
        started.wait()
        if self._failure is not None:
            self._thread.join()
            where = f"{self._options.host}:{self._options.port}"
            raise CannotListen(
                f"can't listen on {where} for ClickHouse's HTTP interface: {self._failure}; "
                "stop what listens there, or choose another port: MAILWAKE_HTTP_PORT"
            ) from self._failure
        logger.info("serving ClickHouse's HTTP interface on %s", self.url)
        return self

    def stop(self) -> None:
        """End the queries that run, and the server. Idempotent."""
        if self._loop is not None and self._ending is not None and self._thread is not None:
            if self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.stop()

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        runner = web.AppRunner(
            build_app(self._engine, self._options, self.token),
            handler_cancellation=True,
            access_log=None,
            logger=_protocol_logger,
            shutdown_timeout=1.0,
            keepalive_timeout=self._options.connections.idle_seconds,
            auto_decompress=False,
        )
        listening: asyncio.Server | None = None
        try:
            await runner.setup()
            options = self._options
            listening = await listen(runner, options.host, options.port, options.connections)
            self._port = listening.sockets[0].getsockname()[1]
            started.set()
            await self._ending.wait()
        except OSError as failure:
            self._failure = failure
        finally:
            if listening is not None:
                listening.close()
            await runner.cleanup()
            started.set()
