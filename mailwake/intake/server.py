"""uvicorn for the HTTP intake, in a thread with a loop of its own."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mailwake.settings import Settings, SettingsError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from sources.intake.limits import IntakeLimits

logger = logging.getLogger("mailwake.intake")

_BACKLOG = 1024
_KEEP_ALIVE_S = 75
"""How long a connection may be silent between requests: longer than proxies keep theirs, which then close first."""


class IntakeCannotListen(Exception):
    """The address is taken, or not one of this machine's."""


class IntakeServer:
    """Listens from its making on, serves while `running`."""

    def __init__(
        self, app: "ASGIApp", settings: Settings, limits: "IntakeLimits", failed: Callable[[], None]
    ) -> None:
        """`failed` is called when it ends by itself. Raises IntakeCannotListen, SettingsError."""
        self._server = _server(app, settings, limits)
        self._socket = _listening(settings.intake_host, settings.intake_port)
        self._failed = failed
        self._failure: BaseException | None = None
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

    # What strangers send that is no HTTP is answered and not worth a line.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    certificate, key = settings.intake_certificate_file, settings.intake_certificate_key_file
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise SettingsError(
                f"the intake's certificate or key is to be in {file}, and there is no such file"
            )
    if key is not None and certificate is None:
        raise SettingsError(
            "the intake has a key in MAILWAKE_INTAKE_CERTIFICATE_KEY_FILE, and no certificate: MAILWAKE_INTAKE_CERTIFICATE_FILE"
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
        forwarded_allow_ips=_as_seen(settings.intake_proxies),
        ssl_certfile=certificate,
        ssl_keyfile=key,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(limits.drain_seconds),
    )
    try:
        config.load()
    except OSError as error:
        whose = (
            f"with the key in {key}"
            if key is not None
            else "which must hold its key as well, no other being named"
        )
        raise SettingsError(
            f"the intake's certificate {certificate}, {whose}, can't be used: {error}"
        ) from None
    return uvicorn.Server(config)


def _as_seen(proxies: str) -> str:
    """The proxies, those of IPv4 also as they look to what listens on `::`, which hears both."""
    found = [proxy.strip() for proxy in proxies.split(",")]
    for proxy in tuple(found):
        address, _, length = proxy.partition("/")
        if address.count(".") == 3 and ":" not in address:
            found.append(f"::ffff:{address}/{96 + int(length)}" if length.isdigit() else f"::ffff:{address}")
    return ",".join(found)


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
