"""One request to ClickHouse's HTTP interface: from its arguments to the last byte of the answer."""

import asyncio
import logging
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from sinks.clickhouse_http import body, compression, native, request, settings, wall
from sinks.clickhouse_http.errors import (
    AUTHENTICATION_FAILED,
    READONLY,
    SETTING_CONSTRAINT_VIOLATION,
    SYNTAX_ERROR,
    TIMEOUT_EXCEEDED,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    UNKNOWN_EXCEPTION,
    ClickHouseError,
)
from sinks.clickhouse_http.execution import RunningQuery, Session, Summary, canonical, insert, write
from sinks.clickhouse_http.formats import check_output_format, content_type
from streams import metrics

if TYPE_CHECKING:
    from sinks.engine import Engine

T = TypeVar("T")

logger = logging.getLogger(__name__)

_KIB = 1024
_HELD_BACK = 256 * _KIB
_GREETING = "greeting"
_REFUSALS = frozenset({READONLY, AUTHENTICATION_FAILED, SETTING_CONSTRAINT_VIOLATION})
_READS = ("SELECT", "WITH", "(", "SHOW", "DESC", "EXISTS", "EXPLAIN", "FROM")


@dataclass(frozen=True, slots=True)
class Interface:
    """What all requests share.

    `turns` are as many as queries may run at once. One statement at a time is `checking`: that takes Python's lock
    (for seconds, if the statement is made for it), and the pipeline needs it too.
    """

    engine: "Engine"
    limits: settings.QueryLimits
    token: str
    display_name: str
    timezone: str
    threads: ThreadPoolExecutor
    turns: asyncio.Semaphore
    checking: asyncio.Lock

    async def in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Run what blocks."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, function, *arguments)

    async def to_its_end(self, function: Callable[..., T], *arguments: object) -> T:
        """Run what blocks; on cancellation, be cancelled when it has ended, so that what it uses stays taken."""
        running = asyncio.ensure_future(self.in_thread(function, *arguments))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

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
    begun, outcome = time.perf_counter(), "left"
    try:
        response, outcome = await _answered(interface, incoming)
        if not response.prepared:
            await _taken(interface, incoming, response.prepare(incoming))
            await _taken(interface, incoming, response.write_eof())
    except BaseException:
        outcome = "left"
        raise
    finally:
        if outcome != _GREETING:
            metrics.QUERIES.add(1, outcome)
            metrics.QUERY_SECONDS.observe(time.perf_counter() - begun, outcome)
    return response


async def _answered(interface: Interface, incoming: web.Request) -> tuple[web.StreamResponse, str]:
    """The answer, whether already sent or not, and the outcome that metrics know it by."""
    query_id = str(uuid.uuid4())
    try:
        arguments = await body.arguments(incoming, interface.limits)
        query = request.parsed(arguments, incoming.headers, query_id)
        query_id = query.query_id
        if incoming.method in {"GET", "HEAD"} and not query.text:
            return web.Response(text="Ok.\n"), _GREETING
        return await _run(interface, incoming, query), "answered"
    except ClickHouseError as error:
        return _refusal(interface, query_id, error), _outcome(error)
    except ConnectionError:
        raise
    except Exception:
        logger.exception("a request to ClickHouse's HTTP interface failed for a reason that is not foreseen")
        unforeseen = ClickHouseError.of(UNKNOWN_EXCEPTION, "the request could not be answered; see the log")
        return _refusal(interface, query_id, unforeseen), "failed"


def _outcome(error: ClickHouseError) -> str:
    """What metrics call this error."""
    if error.code in _REFUSALS:
        return "refused"
    if error.code == TOO_MANY_SIMULTANEOUS_QUERIES:
        return "busy"
    return "wrong" if 400 <= error.status < 500 and error.code != TIMEOUT_EXCEEDED else "failed"


def _refusal(interface: Interface, query_id: str, error: ClickHouseError) -> web.Response:
    return web.Response(
        status=error.status,
        body=error.text.encode(errors="replace") + b"\n",
        content_type="text/plain",
        charset="utf-8",
        headers={**_headers(interface, query_id), "X-ClickHouse-Exception-Code": str(error.code)},
    )


async def _taken(interface: Interface, incoming: web.Request, sending: Awaitable[T]) -> T:
    """Wait for a client to take what is sent; hang up on one that does not.

    Raises:
        ConnectionResetError: it did not.
    """
    try:
        async with asyncio.timeout(interface.limits.stalled_seconds):
            return await sending
    except TimeoutError:
        if incoming.transport is not None and isinstance(incoming.transport, asyncio.WriteTransport):
            incoming.transport.abort()
        raise ConnectionResetError("the client takes nothing of its answer") from None


async def _run(interface: Interface, incoming: web.Request, query: request.Query) -> web.StreamResponse:
    writer = request.holds_token(incoming.headers, interface.token)
    if not writer and request.claims_token(incoming.headers):
        raise ClickHouseError.of(AUTHENTICATION_FAILED, "the token is not the one that this process has made")
    limits = interface.limits
    if writer and incoming.method == "POST" and not query.readonly:
        arriving = body.plain(incoming, query, body.arriving(incoming, limits, asyncio.get_running_loop()))
        outcome = await interface.in_thread(_write, interface, query, arriving)
        if isinstance(outcome, Written):
            headers = _headers(interface, query.query_id) | {
                "X-ClickHouse-Summary": outcome.summary.as_header()
            }
            if outcome.body:
                headers["X-ClickHouse-Format"] = "TabSeparated"
            return web.Response(body=outcome.body, headers=headers)
        sent: Iterator[bytes] = iter([outcome.encode()])
    else:
        received = [await body.received(incoming, limits)]
        sent = body.with_url(query, body.plain(incoming, query, received, largest_block=limits.query_bytes))
    return await _read(interface, incoming, query, sent)


async def _read(
    interface: Interface, incoming: web.Request, query: request.Query, sent: Iterator[bytes]
) -> web.StreamResponse:
    async with interface.turn():
        async with interface.checking:
            statement, session = await interface.to_its_end(_approved, interface, query, sent)
        output_format = statement.format or query.default_format
        check_output_format(output_format)

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
            await _ended(interface, await starting)
            raise
        try:
            return await _respond(interface, incoming, query, running, output_format)
        finally:
            await _ended(interface, running)


async def _ended(interface: Interface, running: RunningQuery) -> None:
    """Stop a query, and wait for its end, however long that takes: as long it has its turn."""
    told = False
    while not await interface.to_its_end(running.cancel):
        if not told:
            logger.warning("a query goes on although it was told to stop: one of its functions takes long")
            told = True
        await asyncio.sleep(1)


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
        "Content-Type": content_type(output_format),
    }
    if "session_timezone" in query.settings:
        headers["X-ClickHouse-Timezone"] = query.settings["session_timezone"]
    chunks = _encoded(running, query, output_format, tag, None if query.blocks_out else encoding)
    if encoding and not query.blocks_out:
        headers["Content-Encoding"] = encoding

    held = bytearray()
    while len(held) < _HELD_BACK:
        chunk = await interface.in_thread(next, chunks, None)
        if chunk is None:
            headers["X-ClickHouse-Summary"] = running.summary.as_header()
            return web.Response(body=bytes(held), headers=headers)
        held += chunk

    headers["X-ClickHouse-Summary"] = running.summary.as_header()
    response = web.StreamResponse(headers=headers)
    await response.prepare(incoming)
    if incoming.method == "HEAD":
        return response
    await _taken(interface, incoming, response.write(bytes(held)))
    while (chunk := await interface.in_thread(next, chunks, None)) is not None:
        await _taken(interface, incoming, response.write(chunk))
    await _taken(interface, incoming, response.write_eof())
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
    held = bytearray()
    for chunk in chunks:
        held += chunk
        if len(held) >= _HELD_BACK:
            break
    if held:
        yield bytes(held)
    try:
        yield from chunks
    except ClickHouseError as error:
        metrics.QUERY_LATE_ERRORS.add(1)
        message = error.text.encode()
        mark = tag.encode()
        yield b"\r\n__exception__\r\n%b\r\n%b\n%d %b\r\n__exception__\r\n" % (
            mark,
            message,
            len(message) + 1,
            mark,
        )


def _approved(
    interface: Interface, query: request.Query, sent: Iterator[bytes]
) -> tuple[wall.Approved, Session]:
    """Send the statement through the wall, and its settings through their list."""
    text = body.text(sent, interface.limits.query_bytes)
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


def _write(interface: Interface, query: request.Query, sent: Iterator[bytes]) -> Written | str:
    """Run a statement of one who holds the token; a query is handed back, to go the way of all queries."""
    chunks = body.with_url(query, sent)
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
        rows = body.continued(head[at:], chunks)
        return Written(b"", insert(interface.engine, session, statement, input_format, rows))
    text = body.text(body.continued(head, chunks), interface.limits.query_bytes)
    if canonical(interface.engine, text).startswith(_READS):
        return text
    return Written(*write(interface.engine, session, text, query.parameters))


def _headers(interface: Interface, query_id: str) -> dict[str, str]:
    return {
        "X-ClickHouse-Query-Id": "".join(letter for letter in query_id if letter.isprintable())[:256],
        "X-ClickHouse-Server-Display-Name": interface.display_name,
        "X-ClickHouse-Timezone": interface.timezone,
        "X-Content-Type-Options": "nosniff",
    }
