"""uvicorn's HTTP protocol with the bounds that it leaves to a proxy: on headers, trailers, their time, and connections.

uvicorn reads headers and trailers of any length for as long as a client likes (0.54, httptools), and waits for ever for
the rest of a body that was answered, or for a client to take its answers; so would a socket be held, and memory be
filled, by whoever means harm. No connection is without a timer here while no request of it is in hand.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sources.intake.body import WHOLE_BODY
from sources.intake.limits import IntakeLimits


def bounded_protocol(limits: IntakeLimits) -> type[HttpToolsProtocol]:
    """The class of connections that keep these limits."""

    class BoundedProtocol(HttpToolsProtocol):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self._head_bytes = 0
            self._in_head = True
            self._head_timer: asyncio.TimerHandle | None = None
            self._beside_body = 0
            self._body_came = False
            self._look: asyncio.TimerHandle | None = None
            self._write_stuck = False
            self._idle_since = self.loop.time()

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)  # type: ignore[arg-type]
            self._look_again()
            if len(self.connections) > limits.connections and not self._has_anothers_place():
                self._turn_away(503)
                return
            self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_is_there()
            if self._look is not None:
                self._look.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            in_message = not self._in_head
            if self._in_head:
                # What belongs to the body, or to a request behind it, counts too: it came in one piece with the head.
                self._head_bytes += min(len(data), _end_of_head(data))
                if self._head_bytes > limits.header_bytes:
                    self._turn_away(431)
                    return
            self._body_came = False
            super().data_received(data)
            if self._in_head:
                if self._head_bytes and self._head_timer is None:
                    self._wait_for_head()
            elif in_message:
                # Sizes of chunks, their extensions, trailers.
                self._beside_body = 0 if self._body_came else self._beside_body + len(data)
                if self._beside_body > limits.header_bytes:
                    self._turn_away(431)

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._head_is_there()
            super().on_headers_complete()
            for name, _ in self.headers:
                if name == b"transfer-encoding":
                    # httptools (0.9) would tell the last trailer as the first header of the request behind it.
                    self.cycle.keep_alive = False
            # What is told as a header from now on is a trailer, and none of the request's.
            self.headers = []

        def on_body(self, body: bytes) -> None:
            self._body_came = True
            super().on_body(body)

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self.scope[WHOLE_BODY] = True  # type: ignore[literal-required]
            self._in_head, self._head_bytes, self._beside_body = True, 0, 0

        def on_response_complete(self) -> None:
            self._idle_since = self.loop.time()
            if not self._in_head and not self.pipeline:
                # Nobody will read the rest of what was answered.
                self.transport.close()
            super().on_response_complete()

        def is_idle(self) -> bool:
            """Whether it holds a place and nothing is to be done for it."""
            return not self._is_in_hand() and self._in_head and self._head_bytes == 0

        def _is_in_hand(self) -> bool:
            return bool(self.pipeline) or not (self.cycle is None or self.cycle.response_complete)

        def _has_anothers_place(self) -> bool:
            others: list[Any] = [one for one in self.connections if one is not self]
            idle = [one for one in others if isinstance(one, BoundedProtocol) and one.is_idle()]
            if not idle:
                return False
            oldest = min(idle, key=lambda one: one._idle_since)
            self.connections.discard(oldest)
            oldest.transport.close()
            return True

        def _look_again(self) -> None:
            self._look = self.loop.call_later(limits.silence_seconds, self._look_after)

        def _look_after(self) -> None:
            stuck = self.transport.is_closing() or self.flow.write_paused
            if stuck and self._write_stuck:
                # It takes no answers, nor its end.
                self.transport.abort()
                return
            self._write_stuck = stuck
            self._look_again()

        def _wait_for_head(self) -> None:
            self._head_timer = self.loop.call_later(limits.header_seconds, self._head_is_late)

        def _head_is_late(self) -> None:
            self._head_timer = None
            if self._is_in_hand():
                self._wait_for_head()
            else:
                self._turn_away(408)

        def _head_is_there(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _turn_away(self, status: int) -> None:
            self._head_is_there()
            if not self.transport.is_closing():
                if not self._is_in_hand():
                    self.transport.write(_ANSWERS[status])
                self.transport.close()

    return BoundedProtocol


def _end_of_head(data: bytes) -> int:
    end = data.find(b"\r\n\r\n")
    return len(data) if end < 0 else end + 4


def _said(status: str, error: str, more: str = "") -> bytes:
    body = f'{{"error":"{error}"}}\n'
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"connection: close\r\n{more}\r\n{body}"
    ).encode()


_ANSWERS = {
    408: _said("408 Request Timeout", "too_slow"),
    431: _said("431 Request Header Fields Too Large", "headers_too_large"),
    503: _said("503 Service Unavailable", "too_many_connections", "retry-after: 2\r\n"),
}
