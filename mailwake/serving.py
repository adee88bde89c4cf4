"""Serving the warehouse over ClickHouse's HTTP interface from the process that has it open."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from mailwake.settings import Settings, SettingsError
from sinks.clickhouse_http.settings import QueryLimits
from sinks.engine import Engine
from sinks.warehouse.server import DATABASE

CONNECT_S = 5.0


@contextmanager
def served(engine: Engine, settings: Settings) -> Iterator[str]:
    """Serve queries for the length of the block; yields the URL, and leaves it beside the log for others."""
    with serving(engine, settings, settings.http_port) as url:
        note = _note(settings)
        note.write_text(json.dumps({"url": url, "pid": os.getpid()}))
        try:
            yield url
        finally:
            note.unlink(missing_ok=True)


@contextmanager
def served_to_workers(engine: Engine, settings: Settings) -> Iterator[str]:
    """Serve the engine to who has the password; yields the URL as MAILWAKE_WAREHOUSE has it.

    Raises SettingsError without a password, CannotListen when the port is taken.
    """
    from sinks.clickhouse_http.server import HttpServer, HttpSettings

    password = settings.warehouse_password.get_secret_value()
    if not password:
        raise SettingsError(
            "workers write with a password: set MAILWAKE_WAREHOUSE_PASSWORD, here and for the workers alike"
        )
    limits = QueryLimits(
        seconds=settings.query_seconds, memory=settings.query_bytes, result_rows=settings.query_rows
    )
    options = HttpSettings(host=settings.http_host, port=settings.http_port, limits=limits)
    with HttpServer(engine, options, password) as server:
        yield f"clickhouse://mailwake@{settings.http_host}:{server.port}/{DATABASE}"


@contextmanager
def serving(engine: Engine, settings: Settings, port: int) -> Iterator[str]:
    """Serve queries on a port, 0 for any that is free; yields the URL. Raises OSError when the port is taken."""
    from sinks.clickhouse_http.server import HttpServer, HttpSettings

    limits = QueryLimits(
        seconds=settings.query_seconds, memory=settings.query_bytes, result_rows=settings.query_rows
    )
    server = HttpServer(engine, HttpSettings(host=settings.http_host, port=port, limits=limits))
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def running_url(settings: Settings) -> str | None:
    """Where the pipeline that runs on this log serves queries; None when none does.

    What a killed one left may name a process that is another one by now, so the port must answer as well.
    """
    with contextlib.suppress(OSError, ValueError):
        said = json.loads(_note(settings).read_text())
        os.kill(said["pid"], 0)
        parts = urlsplit(str(said["url"]))
        socket.create_connection((parts.hostname or "", parts.port or 0), CONNECT_S).close()
        return str(said["url"])
    return None


def _note(settings: Settings) -> Path:
    return settings.log_path.with_name(settings.log_path.name + ".serving")
