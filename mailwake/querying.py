"""Asking the warehouse: over HTTP, from the pipeline that runs, or from a server of our own for this one query."""

import http.client
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlencode, urlsplit

from mailwake.opening import existing_warehouse
from mailwake.serving import running_url, serving
from mailwake.settings import Settings
from sinks.engine import Engine
from streams.log import LogError

CHUNK = 1 << 20


class QueryFailed(LogError):
    """The warehouse refused or failed the query; the message is ClickHouse's own."""


def ask(settings: Settings, sql: str, output_format: str) -> Iterator[bytes]:
    """The answer, as it comes. Raises QueryFailed, NoWarehouse, SettingsError, WarehouseInUse."""
    with ExitStack() as stack:
        url = running_url(settings)
        if url is None:
            engine = stack.enter_context(Engine(existing_warehouse(settings)))
            url = stack.enter_context(serving(engine, settings, 0))
        yield from _answer(url, sql, output_format)


def _answer(url: str, sql: str, output_format: str) -> Iterator[bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port)
    try:
        arguments = urlencode({"database": "mailwake", "default_format": output_format})
        connection.request("POST", f"/?{arguments}", body=sql.encode())
        response = connection.getresponse()
        if response.status != 200:
            raise QueryFailed(response.read().decode(errors="replace").strip())
        while chunk := response.read(CHUNK):
            yield chunk
    finally:
        connection.close()
