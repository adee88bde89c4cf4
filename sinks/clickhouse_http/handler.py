"""One request to ClickHouse's HTTP interface: from its arguments to the last byte of the answer."""

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from sinks.clickhouse_http import compression, native, request, settings, wall
from sinks.clickhouse_http.errors import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    QUERY_IS_TOO_LARGE,
    READONLY,
    SYNTAX_ERROR,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    ClickHouseError,
)
from sinks.clickhouse_http.execution import RunningQuery, Session, Summary, canonical, insert, write

if TYPE_CHECKING:
    from sinks.engine import Engine

T = TypeVar("T")

_KIB = 1024
_HELD_BACK = 256 * _KIB
_CONTENT_TYPES = {
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tsv": "text/tab-separated-values; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "native": "application/octet-stream",
    "arrowstream": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
_READS = ("SELECT", "WITH", "(", "SHOW", "DESC", "EXISTS", "EXPLAIN", "FROM")


@dataclass(frozen=True, slots=True)
class Interface:
    """What all requests share. `turns` are as many as queries may run at once."""

    engine: "Engine"
    limits: settings.QueryLimits
    token: str
    display_name: str
    timezone: str
    threads: ThreadPoolExecutor
    turns: asyncio.Semaphore

    async def in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Run what blocks."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, function, *arguments)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn to run a query.

        Raises:
            ClickHouseError: TOO_MANY_SIMULTANEOUS_QUERIES, after waiting.
        """
        try:
            await asyncio.wait_for(self.turns.acquire(), self.limits.queue_seconds)
        except TimeoutError:
            raise ClickHouseError.of(
                TOO_MANY_SIMULTANEOUS_QUERIES,
                f"Too many simultaneous queries. Maximum: {self.limits.concurrent}; "
                f"waited {self.limits.queue_seconds:g} s for one of them to end",
            ) from None
        try:
            yield
        finally:
            self.turns.release()


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a statement that writes."""

    body: bytes
    summary: Summary


async def answer(interface: Interface, incoming: web.Request) -> web.StreamResponse:
    """Answer a query, or a greeting without one; errors as ClickHouse words them."""
    query_id = str(uuid.uuid4())
    try:
        arguments = await _arguments(incoming)
        query = request.parsed(arguments, incoming.headers, query_id)
        query_id = query.query_id
        if incoming.method in {"GET", "HEAD"} and not query.text:
            return web.Response(text="Ok.\n")
        return await _run(interface, incoming, query)
    except ClickHouseError as error:
        return web.Response(
            status=error.status,
            text=error.text + "\n",
            headers={**_headers(interface, query_id), "X-ClickHouse-Exception-Code": str(error.code)},
        )


async def _arguments(incoming: web.Request) -> dict[str, str]:
    arguments = dict(incoming.query)
    if incoming.content_type == "multipart/form-data":
        for name, value in (await incoming.post()).items():
            if not isinstance(value, str):
                raise ClickHouseError.of(BAD_ARGUMENTS, f"external data ({name}) is not supported")
            arguments[name] = value
    return arguments


async def _run(interface: Interface, incoming: web.Request, query: request.Query) -> web.StreamResponse:
    writer = request.holds_token(incoming.headers, interface.token)
    if not writer and request.claims_token(incoming.headers):
        raise ClickHouseError.of(AUTHENTICATION_FAILED, "the token is not the one that this process has made")
    body = _body(incoming, query, asyncio.get_running_loop())
    if writer and incoming.method == "POST":
        outcome = await interface.in_thread(_write, interface, query, body)
        if isinstance(outcome, Written):
            headers = _headers(interface, query.query_id) | {
                "X-ClickHouse-Summary": outcome.summary.as_header()
            }
            if outcome.body:
                headers["X-ClickHouse-Format"] = "TabSeparated"
            return web.Response(body=outcome.body, headers=headers)
        text = outcome
    else:
        text = await interface.in_thread(_text, _with_url(query, body), interface.limits.query_bytes)
    return await _read(interface, incoming, query, text)


async def _read(
    interface: Interface, incoming: web.Request, query: request.Query, text: str
) -> web.StreamResponse:
    statement, session = await interface.in_thread(_approved, interface, query, text)
    output_format = statement.format or query.default_format
    async with interface.turn():

        def start() -> RunningQuery:
            return RunningQuery(
                interface.engine,
                session,
                statement.text,
                output_format,
                query.parameters,
                changes_settings=statement.only_system_settings,
            )

        starting = asyncio.ensure_future(interface.in_thread(start))
        try:
            running = await asyncio.shield(starting)
        except asyncio.CancelledError:
            (await starting).cancel()
            raise
        try:
            return await _respond(interface, incoming, query, running, output_format)
        finally:
            await asyncio.shield(asyncio.ensure_future(interface.in_thread(running.cancel)))


async def _respond(
    interface: Interface,
    incoming: web.Request,
    query: request.Query,
    running: RunningQuery,
    output_format: str,
) -> web.StreamResponse:
    """Send the result: in one piece with its summary if it is small, else as it comes."""
    tag = secrets.token_hex(8)
    encoding = (
        compression.accepted(incoming.headers.get("Accept-Encoding", "")) if query.http_compression else None
    )
    headers = _headers(interface, query.query_id) | {
        "X-ClickHouse-Format": output_format,
        "X-ClickHouse-Exception-Tag": tag,
        "Content-Type": _CONTENT_TYPES.get(output_format.lower(), "application/octet-stream"),
    }
    if "session_timezone" in query.settings:
        headers["X-ClickHouse-Timezone"] = query.settings["session_timezone"]
    chunks = _encoded(running, query, output_format, tag, None if query.blocks_out else encoding)
    if encoding and not query.blocks_out:
        headers["Content-Encoding"] = encoding

    held: list[bytes] = []
    while sum(map(len, held)) < _HELD_BACK:
        chunk = await interface.in_thread(next, chunks, None)
        if chunk is None:
            headers["X-ClickHouse-Summary"] = running.summary.as_header()
            return web.Response(body=b"".join(held), headers=headers)
        held.append(chunk)

    headers["X-ClickHouse-Summary"] = running.summary.as_header()
    response = web.StreamResponse(headers=headers)
    await response.prepare(incoming)
    if incoming.method == "HEAD":
        return response
    await response.write(b"".join(held))
    while (chunk := await interface.in_thread(next, chunks, None)) is not None:
        await response.write(chunk)
    await response.write_eof()
    return response


def _encoded(
    running: RunningQuery, query: request.Query, output_format: str, tag: str, encoding: str | None
) -> Iterator[bytes]:
    """The result as it goes over the wire: revised, with an error that comes late at its end, compressed."""
    chunks = running.chunks()
    if output_format == "Native" and query.protocol_version >= native.CUSTOM_SERIALIZATION:
        chunks = native.with_revision(chunks)
    chunks = _with_late_error(chunks, tag)
    if query.blocks_out:
        return compression.as_blocks(chunks)
    return compression.compressed(chunks, encoding) if encoding else chunks


def _with_late_error(chunks: Iterator[bytes], tag: str) -> Iterator[bytes]:
    """Raise an error that comes early; one that comes when the answer has begun goes into it, marked with `tag`.

    Source: ClickHouse's src/Server/HTTP/WriteBufferFromHTTPServerResponse.cpp.
    """
    held: list[bytes] = []
    for chunk in chunks:
        held.append(chunk)
        if sum(map(len, held)) >= _HELD_BACK:
            break
    if held:
        yield b"".join(held)
    try:
        yield from chunks
    except ClickHouseError as error:
        message = error.text.encode()
        mark = tag.encode()
        yield b"\r\n__exception__\r\n%b\r\n%b\n%d %b\r\n__exception__\r\n" % (
            mark,
            message,
            len(message) + 1,
            mark,
        )


def _approved(interface: Interface, query: request.Query, text: str) -> tuple[wall.Approved, Session]:
    """Send the statement through the wall, and its settings through their list."""
    if "\0" in text:
        raise ClickHouseError.of(SYNTAX_ERROR, "a statement can't hold a NUL byte")
    plain = canonical(interface.engine, text)
    try:
        approved = wall.check(plain, database=query.database or "default", identifiers=query.parameters)
    except wall.Refused as refusal:
        raise ClickHouseError.of(
            READONLY, f"Cannot execute query in readonly mode. Refused here, because {refusal}."
        ) from refusal
    asked = {**query.settings, **approved.settings}
    session_settings = settings.reading(asked, interface.limits, f"mailwake-http {uuid.uuid4()}")
    return approved, Session(session_settings, query.database)


def _write(interface: Interface, query: request.Query, body: Iterator[bytes]) -> Written | str:
    """Run a statement of one who holds the token; a query is handed back, to go the way of all queries."""
    chunks = _with_url(query, body)
    head = b""
    found = None
    for chunk in chunks:
        head += chunk
        found = request.insert_with_data(head)
        if found is not None or len(head) >= interface.limits.query_bytes:
            break
    session = Session(settings.writing(query.settings, f"mailwake-http {uuid.uuid4()}"), query.database)
    if found is not None:
        statement, input_format, at = found
        rows = _continued(head[at:], chunks)
        return Written(b"", insert(interface.engine, session, statement, input_format, rows))
    text = _text(_continued(head, chunks), interface.limits.query_bytes)
    if canonical(interface.engine, text).startswith(_READS):
        return text
    return Written(*write(interface.engine, session, text, query.parameters))


def _body(incoming: web.Request, query: request.Query, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """The body's bytes, uncompressed, for a thread to read as they arrive."""

    def received() -> Iterator[bytes]:
        if incoming.content_type == "multipart/form-data":
            return
        while chunk := asyncio.run_coroutine_threadsafe(incoming.content.readany(), loop).result():
            yield chunk

    chunks = compression.decompressed(received(), incoming.headers.get("Content-Encoding", ""))
    return compression.from_blocks(chunks) if query.blocks_in else chunks


def _with_url(query: request.Query, body: Iterator[bytes]) -> Iterator[bytes]:
    """The statement and its data: what is in the URL comes first."""
    if query.text:
        yield query.text.encode() + b"\n"
    yield from body


def _continued(head: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from chunks


def _text(chunks: Iterable[bytes], most: int) -> str:
    """All of the chunks as a statement, of at most so many bytes."""
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > most:
            raise ClickHouseError.of(QUERY_IS_TOO_LARGE, f"the statement is longer than {most} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ClickHouseError.of(SYNTAX_ERROR, f"the statement is not UTF-8: {error}") from error


def _headers(interface: Interface, query_id: str) -> dict[str, str]:
    return {
        "X-ClickHouse-Query-Id": "".join(letter for letter in query_id if letter.isprintable())[:256],
        "X-ClickHouse-Server-Display-Name": interface.display_name,
        "X-ClickHouse-Timezone": interface.timezone,
        "X-Content-Type-Options": "nosniff",
    }


def headers_are_local(headers: Mapping[str, str], names: frozenset[str]) -> bool:
    """Whether the request was meant for this machine, and not sent by a web page of another one.

    A page elsewhere can have its own name point to 127.0.0.1 (DNS rebinding); the Host header tells.
    """
    host = headers.get("Host", "").strip().lower()
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    return name.strip("[]") in names and headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}
