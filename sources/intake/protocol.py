"""uvicorn's HTTP protocol with the bounds that it leaves to a proxy: on headers, their time, and connections.

uvicorn reads headers of any length for as long as a client likes (0.54, httptools); so would a socket be held, and
memory be filled, by whoever is slow on purpose.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sources.intake.limits import IntakeLimits


def bounded_protocol(limits: IntakeLimits) -> type[HttpToolsProtocol]:
    """The class of connections that keep these limits."""

    class BoundedProtocol(HttpToolsProtocol):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self._head_bytes = 0
            self._in_head = True
            self._head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)  # type: ignore[arg-type]
            if len(self.connections) > limits.connections:
                self._turn_away(503)
                return
            self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_is_there()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if self._in_head:
                if self._head_timer is None:
                    self._wait_for_head()
                # What belongs to the body, or to a request behind it, counts too: it came in one piece with the head.
                self._head_bytes += min(len(data), _end_of_head(data))
                if self._head_bytes > limits.header_bytes:
                    self._turn_away(431)
                    return
            super().data_received(data)

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._head_is_there()
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self._in_head, self._head_bytes = True, 0

        def _wait_for_head(self) -> None:
            self._head_timer = self.loop.call_later(limits.header_seconds, self._turn_away, 408)

        def _head_is_there(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _turn_away(self, status: int) -> None:
            self._head_is_there()
            if not self.transport.is_closing():
                if self.cycle is None or self.cycle.response_complete:
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
