"""Accepting connections: no more than the process can spare file descriptors for, and none that hangs for ever."""

import asyncio
import socket
from dataclasses import dataclass

from aiohttp import web

from streams import metrics

_BACKLOG = 64
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 39\r\nX-ClickHouse-Exception-Code: 202\r\n\r\nToo many connections; try again later.\n"
)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """`most` connections at once; more are answered with 503 and closed.

    A connection is closed after `idle_seconds` without a request (ClickHouse's own default), or as long with a
    part of one's head; and after `stalled_seconds` in which a client takes nothing of what was sent.
    """

    most: int = 128
    idle_seconds: float = 10.0
    stalled_seconds: float = 60.0


class _Refusal(asyncio.Protocol):
    """Says that there is no room, and hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        metrics.CONNECTIONS_REFUSED.add(1)
        transport.write(_BUSY)
        transport.close()


async def listen(runner: web.AppRunner, host: str, port: int, limits: ConnectionLimits) -> asyncio.Server:
    """Accept connections for an application that was set up.

    Raises:
        OSError: the address is taken, or not one of this machine's.
    """
    server = runner.server
    assert server is not None

    def accepted() -> asyncio.Protocol:
        return server() if len(server.connections) < limits.most else _Refusal()

    listening = await asyncio.get_running_loop().create_server(accepted, host, port, backlog=_BACKLOG)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        for accepting in listening.sockets:
            accepting.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(limits.stalled_seconds * 1000)
            )
    return listening
