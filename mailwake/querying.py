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
        connection.request("POST", f"/?{arguments}", body=sql.encode(errors="surrogateescape"))
        response = connection.getresponse()
        if response.status != 200:
            raise QueryFailed(response.read().decode(errors="replace").strip())
        yield from _without_late_error(response)
    except http.client.HTTPException as error:
        raise QueryFailed(
            f"the answer broke off: {type(error).__name__}; is mailwake up still running?"
        ) from None
    finally:
        connection.close()


def _without_late_error(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """What was answered; then raise the error that came when the answer had begun: it stands at its end, marked."""
    tag = response.getheader("X-ClickHouse-Exception-Tag", "")
    mark = b"\r\n__exception__\r\n%b\r\n" % tag.encode()
    held = b""
    while chunk := response.read(CHUNK):
        answer, found, late = (held + chunk).partition(mark)
        if found:
            yield answer
            message = (late + response.read()).rsplit(b"\n", 3)[0]
            raise QueryFailed(message.decode(errors="replace"))
        kept = max(0, len(answer) - len(mark) + 1)
        yield answer[:kept]
        held = answer[kept:]
    yield held
