"""Asking the warehouse over HTTP: on its server; embedded, from the pipeline that runs, or from a server of our own."""

import http.client
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from urllib.parse import urlencode, urlsplit

from mailwake.opening import existing_warehouse
from mailwake.serving import running_url, serving
from mailwake.settings import Settings
from sinks.engine import Engine
from sinks.warehouse.server import Server
from streams.log import LogError

CHUNK = 1 << 20


class QueryFailed(LogError):
    """The warehouse refused or failed the query; the message is ClickHouse's own."""


Ask = Callable[[str, str], Iterator[bytes]]
"""Gives the answer to a query in a format, as it comes."""


def ask(settings: Settings, sql: str, output_format: str) -> Iterator[bytes]:
    """The answer, as it comes. Raises QueryFailed, NoWarehouse, SettingsError, WarehouseInUse, SinkBusy, LoginRefused."""
    with asking(settings) as asked:
        yield from asked(sql, output_format)


@contextmanager
def asking(settings: Settings) -> Iterator[Ask]:
    """Ask several queries, for each as `ask` does."""
    server = settings.warehouse_server
    if server is not None:
        yield partial(_asked, server, settings)
        return
    with ExitStack() as stack:
        url = running_url(settings)
        if url is None:
            engine = stack.enter_context(Engine(existing_warehouse(settings)))
            url = stack.enter_context(serving(engine, settings, 0))
        yield partial(_asked_here, url)


def _asked_here(url: str, sql: str, output_format: str) -> Iterator[bytes]:
    """The answer of the pipeline that runs, or of a server of our own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port)
    arguments = {"database": "mailwake", "default_format": output_format}
    yield from _answer(connection, arguments, sql, {}, "is mailwake up still running?")


def _asked(server: Server, settings: Settings, sql: str, output_format: str) -> Iterator[bytes]:
    """The answer of a server, which is told to read only, and what a query may take. Raises LoginRefused."""
    from sinks.warehouse.client import LoginRefused, explained, is_login_refused

    longest = max(server.timeouts.answer, settings.query_seconds)
    connection = (
        http.client.HTTPSConnection(
            server.host,
            server.port,
            timeout=longest,
            context=ssl.create_default_context(cafile=server.authority),
        )
        if server.secure
        else http.client.HTTPConnection(server.host, server.port, timeout=longest)
    )
    arguments: dict[str, str | int] = {
        "database": server.database,
        "default_format": output_format,
        "readonly": 2,
        "max_execution_time": settings.query_seconds,
        "max_memory_usage": settings.query_bytes,
        "max_result_rows": settings.query_rows,
    }
    credentials = b64encode(f"{server.user}:{server.password}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"}
    with explained(server.where):
        try:
            yield from _answer(connection, arguments, sql, headers, "is the server still running?")
        except QueryFailed as error:
            if is_login_refused(error):
                raise LoginRefused(server.where, error) from None
            raise


def _answer(
    connection: http.client.HTTPConnection,
    arguments: Mapping[str, str | int],
    sql: str,
    headers: Mapping[str, str],
    ask_whether: str,
) -> Iterator[bytes]:
    try:
        body = sql.encode(errors="surrogateescape")
        connection.request("POST", f"/?{urlencode(arguments)}", body, dict(headers))
        response = connection.getresponse()
        if response.status != 200:
            said = response.read().decode(errors="replace").strip()
            raise QueryFailed(said or f"HTTP status {response.status}")
        yield from _without_late_error(response)
    except http.client.HTTPException as error:
        raise QueryFailed(f"the answer broke off: {type(error).__name__}; {ask_whether}") from None
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
