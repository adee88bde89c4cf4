"""The HTTP intake, put together and served: in a thread of its own, beside a pipeline or as a process."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from mailwake.settings import Settings, SettingsError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from mailwake.monitor_server import Monitored
    from sources.intake.limits import IntakeLimits
    from streams.emitter import Emitter, TakesEmits
    from streams.log import Log

logger = logging.getLogger("mailwake.intake")

_BACKLOG = 1024


class IntakeCannotListen(Exception):
    """The address is taken, or not one of this machine's."""


@contextmanager
def served(settings: Settings, log: "Log | TakesEmits", failed: Callable[[], None]) -> Iterator[str | None]:
    """Serve the intake for the length of the block; yields its URL, None where the settings want none.

    What was answered with 2xx is durable; the block's end waits a bounded time for requests in hand. `failed` is called
    when it ends by itself; its failure is raised at the block's end. Raises IntakeCannotListen, SettingsError,
    InvalidHook, InvalidKeys.
    """
    if not (settings.intake_host and settings.intake_port):
        yield None
        return
    from streams.emitter import Emitter

    with Emitter(log, settings.tenant) as emitter:
        limits = limits_of(settings)
        server = IntakeServer(intake_of(settings, log, emitter, limits), settings, limits, failed)
        with server.running():
            yield server.url


@contextmanager
def opened(settings: Settings, monitored: "Monitored", failed: Callable[[], None]) -> Iterator[str | None]:
    """The log, or its spool, and the intake that appends to it, watched. Raises as `served`, SettingsError, LogError."""
    from mailwake.monitor import Part, Subject
    from mailwake.opening import open_any_log, open_spooled_log
    from streams.log import TopicPartition
    from streams.topics import TOPICS
    from streams.vitals import Moment, Vitals

    spooled = open_spooled_log(settings)
    log = spooled or open_any_log(settings)
    check: Callable[[], object] = (
        spooled.held if spooled else lambda: cast("Log", log).end(TopicPartition(TOPICS[0].name))
    )
    try:
        subject = Subject(Vitals((), Moment.now()), (Part("log", check),))
        with monitored.watching(subject), served(settings, log, failed) as url:
            yield url
    finally:
        log.close()


def limits_of(settings: Settings) -> "IntakeLimits":
    """What the settings change of the limits."""
    from sources.intake.limits import IntakeLimits

    return replace(
        IntakeLimits(), document_bytes=settings.intake_document_bytes, requests=settings.intake_requests
    )


def intake_of(
    settings: Settings, log: "Log | TakesEmits", emitter: "Emitter", limits: "IntakeLimits"
) -> "ASGIApp":
    """The application. Raises InvalidHook, InvalidKeys for files that can't be used."""
    from mailwake import __version__
    from mailwake.keyring import KeysWhenAsked
    from sources.files import Intake
    from sources.intake.access import Access, is_loopback
    from sources.intake.admission import Admission
    from sources.intake.app import intake_app
    from sources.intake.appending import Appending
    from sources.intake.documents import DocumentsDesk, documents_router
    from sources.intake.events import EventsDesk, events_router
    from sources.intake.hook_file import HookFile
    from sources.intake.hooks import HookDesk, hooks_router
    from sources.intake.keys import KeyFile
    from sources.intake.route import Front
    from streams.blobs import Blobs

    admission, appending = Admission(limits), Appending(emitter, limits)
    tenant_keys = KeysWhenAsked(settings)
    keys, hooks = KeyFile(settings.keys), HookFile(settings.hooks)
    keys.keys(), hooks.hooks()
    access = Access(keys, hooks, settings.tenant if is_loopback(settings.intake_host) else None)
    documents = Intake(cast("Log", log), Blobs(settings.blobs), settings.tenant, keys=tenant_keys)
    routers = [
        hooks_router(HookDesk(hooks, documents, appending, limits), admission),
        events_router(EventsDesk(access, tenant_keys, appending, limits), admission),
        documents_router(DocumentsDesk(access, documents, appending, limits), admission),
    ]
    return Front(intake_app(routers, __version__), [route for router in routers for route in router.routes])


class IntakeServer:
    """uvicorn in a thread, with a loop of its own."""

    def __init__(
        self, app: "ASGIApp", settings: Settings, limits: "IntakeLimits", failed: Callable[[], None]
    ) -> None:
        """Listens at once. Raises IntakeCannotListen."""
        self._socket = _listening(settings.intake_host, settings.intake_port)
        self._server = _server(app, settings, limits)
        self._failed, self._failure = failed, None
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if settings.intake_certificate_file else "http"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve for the length of the block; its end waits for requests in hand. Raises what ended the server."""
        thread = threading.Thread(target=self._run, name="intake", daemon=True)
        thread.start()
        logger.info("taking events, documents and webhooks at %s", self.url)
        try:
            yield
        finally:
            self._server.should_exit = True
            thread.join()
        if self._failure is not None:
            raise self._failure

    _failure: BaseException | None

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
                runner.run(self._server.serve([self._socket]))
        except BaseException as error:  # noqa: BLE001 - raised again where the server is waited for
            self._failure = error
            self._failed()


def _server(app: "ASGIApp", settings: Settings, limits: "IntakeLimits") -> "uvicorn.Server":
    import uvicorn

    from sources.intake.protocol import bounded_protocol

    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    certificate, key = settings.intake_certificate_file, settings.intake_certificate_key_file
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise SettingsError(
                f"the intake's certificate or key is to be in {file}, and there is no such file"
            )
    config = uvicorn.Config(
        app,
        http=bounded_protocol(limits),
        ws="none",
        loop="auto",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.intake_proxies,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(limits.drain_seconds),
    )
    return uvicorn.Server(config)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        found.close()
        raise IntakeCannotListen(
            f"can't listen on {host}:{port} for the HTTP intake: {error}; stop what listens there, let "
            "MAILWAKE_INTAKE_PORT name another port, or 0 for none"
        ) from error
    return found
