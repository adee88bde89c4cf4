"""A request's body: read within its time and size, unpacked within a ratio."""

import asyncio
from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from sources.intake.admission import Room
from sources.intake.limits import IntakeLimits
from sources.intake.refusal import Refused
from sources.intake.unpacking import CODINGS, TooMuch, Unreadable, unpacked

WHOLE_BODY = "mailwake.whole_body"
"""In the scope of a request whose body has come to its end: nobody has to be waited for."""

_UNPACKED_IN_PASSING = 64 * 1024
"""Compressed bytes beyond which unpacking is done off the event loop."""


async def read_body(
    request: Request, headers: Mapping[str, str], most: int, limits: IntakeLimits, room: Room
) -> bytes:
    """The body as its sender means it, any Content-Encoding undone; `most` bytes at most.

    `headers` are the request's, by names in lower case.

    Raises Refused: 400 for what can't be unpacked, 408 for a slow client, 413, 415 for a coding that is not known, 429.
    """
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in CODINGS:
        raise Refused(
            415, "unsupported_encoding", f"Content-Encoding: this takes {', '.join(CODINGS)}, each by itself"
        )
    body = await _received(request, headers.get("content-length"), most, limits, room)
    room.body_is_read = True
    if coding == "identity":
        return body
    unpack: Callable[[], bytes] = lambda: unpacked(body, coding, most, limits)  # noqa: E731
    try:
        content = unpack() if len(body) <= _UNPACKED_IN_PASSING else await run_in_threadpool(unpack)
    except TooMuch as error:
        raise Refused(413, "too_large", str(error)) from None
    except Unreadable as error:
        raise Refused(400, "unreadable", str(error)) from None
    room.take(len(content))
    return content


async def _received(
    request: Request, declared: str | None, most: int, limits: IntakeLimits, room: Room
) -> bytes:
    if declared is not None and declared.isdecimal() and int(declared) > most:
        raise _too_large(most)
    if WHOLE_BODY in request.scope:
        return await _whole(request, most, room)
    loop = asyncio.get_running_loop()
    end = loop.time() + limits.body_seconds
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.silence_seconds) as patience:
            async for chunk in request.stream():
                if not chunk:
                    continue
                size += len(chunk)
                if size > most:
                    raise _too_large(most)
                room.take(len(chunk))
                chunks.append(chunk)
                patience.reschedule(min(end, loop.time() + limits.silence_seconds))
    except TimeoutError:
        raise Refused(
            408,
            "too_slow",
            "the body did not come in time: nothing was kept",
            headers={"Connection": "close"},
        ) from None
    except ClientDisconnect:
        raise _incomplete() from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _whole(request: Request, most: int, room: Room) -> bytes:
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise _incomplete()
    body: bytes = message["body"]
    if len(body) > most:
        raise _too_large(most)
    room.take(len(body))
    return body


def _incomplete() -> Refused:
    return Refused(400, "incomplete", "the client went before the body's end: nothing was kept")


def _too_large(most: int) -> Refused:
    return Refused(
        413,
        "too_large",
        f"a body of more than {most:,} bytes: nothing was kept; send less at a time",
        headers={"Connection": "close"},
    )
