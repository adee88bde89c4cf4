"""A proxy before a ClickHouse server that loses connections, answers nonsense or nothing: as a test tells it to."""

import http.client
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, Self
from urllib.parse import parse_qs, urlsplit

Fault = Literal[
    "lost before", "lost amid the request", "lost after", "lost amid the head", "lost amid the body",
    "503", "502", "too many parts", "no memory", "stalled",
]  # fmt: skip
"""What happens to a request. `lost after` and on, and `stalled`, happen when the server has done it."""

_CODES = {"too many parts": 252, "no memory": 241}


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    head: bytes
    body: bytes

    @property
    def statement(self) -> str:
        """What it asks for, as far as that is text."""
        target = self.head.split(b" ", 2)[1].decode()
        query = parse_qs(urlsplit(target).query).get("query", [""])[0]
        return (
            query
            or self.body[:200].decode(errors="replace").partition("\r\n")[2].strip()
            or str(self.body[:200])
        )

    @property
    def is_insert(self) -> bool:
        """Whether it appends rows."""
        return "INSERT INTO" in self.statement


@dataclass
class Proxy:
    """Forwards to a port, except for what `fault` says of a request."""

    port_behind: int
    fault: Callable[[Asked], Fault | None] = lambda asked: None
    seen: list[str] = field(default_factory=list)
    """Every statement that came, in order."""

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as arriving:
            try:
                while (asked := _request(arriving)) is not None:
                    self.seen.append(asked.statement)
                    if not self._answer(connection, asked, self.fault(asked)):
                        return
            except OSError:
                return

    def _answer(self, connection: socket.socket, asked: Asked, fault: Fault | None) -> bool:
        """Whether the connection goes on."""
        if fault == "lost before":
            return False
        if fault in ("503", "502"):
            connection.sendall(f"HTTP/1.1 {fault} Not now\r\nContent-Length: 8\r\n\r\nnot now\n".encode())
            return True
        if fault in _CODES:
            text = f"Code: {_CODES[fault]}. DB::Exception: made up"
            connection.sendall(
                f"HTTP/1.1 500 Error\r\nX-ClickHouse-Exception-Code: {_CODES[fault]}\r\n"
                f"Content-Length: {len(text)}\r\n\r\n{text}".encode()
            )
            return True
        with socket.create_connection(("127.0.0.1", self.port_behind)) as behind:
            if fault == "lost amid the request":
                behind.sendall((asked.head + asked.body)[: len(asked.head) + len(asked.body) // 2])
                return False
            behind.sendall(asked.head + asked.body)
            response = http.client.HTTPResponse(behind)
            response.begin()
            body = response.read()
        if fault == "lost after":
            return False
        if fault == "stalled":
            connection.recv(1)
            return False
        kept = [f"{n}: {v}" for n, v in response.getheaders() if n.lower() not in _HOPS]
        head = "\r\n".join([f"HTTP/1.1 {response.status} {response.reason}", *kept]).encode()
        if fault == "lost amid the head":
            connection.sendall(f"HTTP/1.1 {response.status} {response.reason}\r\nServer: x\r\n".encode())
            return False
        whole = head + b"\r\nContent-Length: %d\r\n\r\n" % (len(body) + (fault == "lost amid the body"))
        connection.sendall(whole + (body[: len(body) // 2] if fault == "lost amid the body" else body))
        return fault is None


_HOPS = frozenset({"content-length", "transfer-encoding", "connection"})


def _request(arriving: BinaryIO) -> Asked | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = arriving.readline()
        if not line:
            return None
        head += line
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return Asked(head, _chunks(arriving))
    length = lower.partition(b"content-length:")[2].partition(b"\r\n")[0]
    return Asked(head, arriving.read(int(length or b"0")))


def _chunks(arriving: BinaryIO) -> bytes:
    body = b""
    while True:
        size = arriving.readline()
        chunk = arriving.read(int(size, 16) + 2)
        body += size + chunk
        if int(size, 16) == 0:
            return body
