"""The body of a request: a form, a statement, or the rows of an insert; of a reader's, no more than is allowed."""

import asyncio
from collections.abc import Iterable, Iterator

from aiohttp import web

from sinks.clickhouse_http import compression
from sinks.clickhouse_http.errors import (
    BAD_ARGUMENTS,
    QUERY_IS_TOO_LARGE,
    SOCKET_TIMEOUT,
    SYNTAX_ERROR,
    ClickHouseError,
)
from sinks.clickhouse_http.request import Query
from sinks.clickhouse_http.settings import QueryLimits

_LARGEST_BLOCK = 64 * 1024 * 1024


async def arguments(incoming: web.Request, limits: QueryLimits) -> dict[str, str]:
    """What a request asks for, in its URL and, if it is a form, in its body.

    Raises:
        ClickHouseError: the form can't be read, is too long, too slow, or holds files.
    """
    found = dict(incoming.query)
    if incoming.content_type == "multipart/form-data":
        try:
            async with asyncio.timeout(limits.body_seconds):
                form = await incoming.post()
        except TimeoutError:
            raise _too_slow(limits.body_seconds) from None
        except web.HTTPRequestEntityTooLarge:
            raise _too_long(limits.query_bytes) from None
        except (ValueError, RuntimeError, AssertionError) as error:
            raise ClickHouseError.of(BAD_ARGUMENTS, f"the form can't be read: {error}") from error
        for name, value in form.items():
            if not isinstance(value, str):
                raise ClickHouseError.of(BAD_ARGUMENTS, f"external data ({name}) is not supported")
            found[name] = value
    return found


async def received(incoming: web.Request, limits: QueryLimits) -> bytes:
    """The body of a reader's request, as it was sent. No thread waits for it, and nobody waits for ever.

    Raises:
        ClickHouseError: it is too long or too slow.
    """
    if incoming.content_type == "multipart/form-data":
        return b""
    data = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            while chunk := await incoming.content.readany():
                data += chunk
                if len(data) > limits.query_bytes:
                    raise _too_long(limits.query_bytes)
    except TimeoutError:
        raise _too_slow(limits.body_seconds) from None
    return bytes(data)


def arriving(incoming: web.Request, limits: QueryLimits, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """The body of a writer's request, for a thread to read as it arrives; it may be of any size.

    Raises:
        ClickHouseError: nothing came for too long.
    """
    while incoming.content_type != "multipart/form-data":
        reading = asyncio.wait_for(incoming.content.readany(), limits.stalled_seconds)
        try:
            chunk = asyncio.run_coroutine_threadsafe(reading, loop).result()
        except TimeoutError:
            raise _too_slow(limits.stalled_seconds) from None
        if not chunk:
            return
        yield chunk


def plain(
    incoming: web.Request,
    query: Query,
    chunks: Iterable[bytes],
    *,
    largest_block: int = _LARGEST_BLOCK,
) -> Iterator[bytes]:
    """A body without its compression.

    Raises:
        ClickHouseError: on reading, if the bytes are not compressed as the request says.
    """
    decoded = compression.decompressed(chunks, incoming.headers.get("Content-Encoding", ""))
    return compression.from_blocks(decoded, largest_block) if query.blocks_in else decoded


def with_url(query: Query, body: Iterator[bytes]) -> Iterator[bytes]:
    """The statement and its data: what is in the URL comes first."""
    if query.text:
        yield query.text.encode(errors="replace") + b"\n"
    yield from body


def continued(head: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What was read already, and the rest."""
    if head:
        yield head
    yield from chunks


def text(chunks: Iterable[bytes], most: int) -> str:
    """All of the chunks as a statement, of at most so many bytes.

    Raises:
        ClickHouseError: it is longer, or not UTF-8.
    """
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > most:
            raise _too_long(most)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ClickHouseError.of(SYNTAX_ERROR, f"the statement is not UTF-8: {error}") from error


def _too_slow(seconds: float) -> ClickHouseError:
    return ClickHouseError.of(SOCKET_TIMEOUT, f"the request's body did not arrive within {seconds:g} s")


def _too_long(most: int) -> ClickHouseError:
    return ClickHouseError.of(QUERY_IS_TOO_LARGE, f"the statement is longer than {most} bytes")
