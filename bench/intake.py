"""How many webhooks a second `mailwake intake` makes durable, and how long each waits for its answer.

    python bench/intake.py [--seconds N] [--connections N] [--json]

The intake is a process of its own, on an embedded log in a folder beneath the current one, which is removed afterwards.
This one is its client, over the loopback device: as many connections as are said, each with one request under way. A post
holds ten events, as its provider groups them; sendgrid's are signed (ECDSA, each checked), sparkpost's bring a password.
Each is kept as received, sealed, and durable before it is answered.

And one connection asks, one recipient after the other, whether they may be mailed.

At first as fast as answers come; then at half of the rate that is wanted, by the clock, where waiting counts from when a
post was due. Both share this machine's cores; what they used of them is told.
"""

import argparse
import asyncio
import base64
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from from_broker.processes import cpu_s, started

from schemas.codec import encode_rows, fields_of
from schemas.suppression import RecipientSuppressed
from sources.intake.keys import KeyFile
from streams.log import Record, TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

WANTED_POSTS, WANTED_P99_MS, WANTED_LOOK_UP_MS = 3_000, 100, 5
EVENTS = 10
DISTINCT = 200
SUPPRESSED = 100_000
TOKEN = "bench-token-of-the-intake"
PASSWORD = "user:a password for the bench"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement; times in milliseconds, CPU in cores."""

    what: str
    posts: int
    per_second: int
    wanted: int | None
    p50: float
    p99: float
    wanted_p99: int | None
    intake_cores: float
    client_cores: float


def sendgrid_event(number: int) -> dict[str, object]:
    """An event as SendGrid posts it."""
    return {
        "email": f"recipient{number}@example.net", "timestamp": int(time.time()), "event": "delivered",
        "smtp-id": f"<{number}@sender.example>", "sg_event_id": f"ZGVsaXZlcmVkLTAtMTIzNDU2Nzg5{number:08d}",
        "sg_message_id": f"14c5d75ce93.dfd.64b469.{number}", "category": ["newsletter"],
        "response": "250 2.0.0 OK 1609459200 gsmtp", "ip": "192.0.2.7", "tls": 1,
    }  # fmt: skip


def sparkpost_event(number: int) -> dict[str, object]:
    """An event as SparkPost posts it."""
    return {"msys": {"message_event": {
        "type": "delivery", "event_id": f"{number:018d}", "message_id": f"{number:016x}", "rcpt_to": f"r{number}@example.net",
        "timestamp": str(int(time.time())), "ip_address": "192.0.2.7", "sending_ip": "198.51.100.3",
        "routing_domain": "example.net", "subject": "News", "friendly_from": "news@sender.example", "queue_time": "517",
    }}}  # fmt: skip


class Posts:
    """Requests made beforehand: signing is the provider's work, not the client's."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._key = ec.generate_private_key(ec.SECP256R1())
        public = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.hooks = (
            f'[sendgrid]\nprovider = "sendgrid"\ntoken = "{TOKEN}"\nkeys = "{base64.b64encode(public).decode()}"\n'
            f'[sparkpost]\nprovider = "sparkpost"\ntoken = "{TOKEN}"\nbasic = "{PASSWORD}"\n'
        )

    def of(self, provider: str) -> list[bytes]:
        """Whole requests, each with events of its own."""
        make = sendgrid_event if provider == "sendgrid" else sparkpost_event
        return [
            self._request(provider, json.dumps([make(first * EVENTS + at) for at in range(EVENTS)]).encode())
            for first in range(DISTINCT)
        ]

    def _request(self, provider: str, body: bytes) -> bytes:
        proof = self._signature(body) if provider == "sendgrid" else _basic()
        return (
            f"POST /hooks/{provider}/{TOKEN} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"{proof}Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def _signature(self, body: bytes) -> str:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        when = str(int(time.time()))
        signature = base64.b64encode(self._key.sign(when.encode() + body, ec.ECDSA(SHA256()))).decode()
        head = "X-Twilio-Email-Event-Webhook"
        return f"{head}-Signature: {signature}\r\n{head}-Timestamp: {when}\r\n"


def _basic() -> str:
    return f"Authorization: Basic {base64.b64encode(PASSWORD.encode()).decode()}\r\n"


class Client(asyncio.Protocol):
    """One connection: a request goes out when the one before is answered and `due` has come."""

    def __init__(self, load: "Load") -> None:
        self._load, self._sent_at = load, 0.0
        self._transport: asyncio.Transport | None = None
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of one."""
        self._got += data
        if not self._got.endswith(b"}\n"):
            return
        if not self._got.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"not taken: {self._got[:300]!r}")
        self._got = b""
        self._load.waits.append(time.perf_counter() - self._sent_at)
        self._next()

    def _next(self) -> None:
        load, now = self._load, time.perf_counter()
        if now >= load.end:
            load.left -= 1
            if not load.left:
                load.done.set_result(None)
            return
        due = now if load.rate is None else load.due()
        if due > now:
            asyncio.get_running_loop().call_later(due - now, self._send, due)
        else:
            self._send(due)

    def _send(self, due: float) -> None:
        assert self._transport is not None
        self._sent_at = due
        self._transport.write(self._load.next_request())


class Load:
    """What all connections of one measurement share."""

    def __init__(
        self, requests: Sequence[bytes], seconds: float, connections: int, rate: float | None
    ) -> None:
        self.rate, self.left = rate, connections
        self.waits: list[float] = []
        self.begun = time.perf_counter()
        self.end = self.begun + seconds
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests, self._sent, self._due = requests, 0, 0

    def next_request(self) -> bytes:
        """The next one, round and round."""
        self._sent += 1
        return self._requests[self._sent % len(self._requests)]

    def due(self) -> float:
        """When the next post is due, at this rate."""
        assert self.rate is not None
        self._due += 1
        return self.begun + self._due / self.rate


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured. Without a rate as fast as answers come."""

    what: str
    requests: Sequence[bytes]
    connections: int
    rate: float | None = None
    wanted: int | None = None
    wanted_p99: int | None = None


async def loaded(port: int, plan: Plan, seconds: float) -> Load:
    """Send for so many seconds."""
    loop = asyncio.get_running_loop()
    load = Load(plan.requests, seconds, plan.connections, plan.rate)
    made = [
        await loop.create_connection(lambda: Client(load), "127.0.0.1", port) for _ in range(plan.connections)
    ]
    async with asyncio.timeout(seconds + 30):
        await load.done
    for transport, _ in made:
        transport.close()
    return load


def measure(port: int, pid: int, plan: Plan, seconds: float) -> Row:
    """One row."""
    import uvloop

    intake, client, begun = cpu_s(pid), time.process_time(), time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = runner.run(loaded(port, plan, seconds))
    took = time.perf_counter() - begun
    waits = sorted(load.waits)
    return Row(
        plan.what,
        len(waits),
        round(len(waits) / took),
        plan.wanted,
        round(waits[len(waits) // 2] * 1000, 1),
        round(waits[int(len(waits) * 0.99)] * 1000, 1),
        plan.wanted_p99,
        round((cpu_s(pid) - intake) / took, 2),
        round((time.process_time() - client) / took, 2),
    )


def plans(posts: Posts, look_ups: Sequence[bytes], connections: int) -> Iterator[Plan]:
    """What is measured, in this order; signatures are made when they are wanted, since they grow old."""
    half = WANTED_POSTS / 2
    for provider in ("sendgrid", "sparkpost"):
        yield Plan(f"{provider}, all it takes", posts.of(provider), connections, wanted=WANTED_POSTS)
        what = f"{provider}, {half:,.0f} a second"
        yield Plan(what, posts.of(provider), connections, half, wanted_p99=WANTED_P99_MS)
    yield Plan("suppressed? one at a time", look_ups, 1, wanted_p99=WANTED_LOOK_UP_MS)


def suppressed(folder: Path) -> list[bytes]:
    """Fill the log with suppressions, and make requests for some of them."""
    now = time.time_ns() // 1_000_000
    hashes = [f"{number:032x}" for number in range(SUPPRESSED)]
    events = [
        RecipientSuppressed(recipient_hash=one, reason="bounce", since=now, recorded_at=now, occurred_at=now)
        for one in hashes
    ]
    values = encode_rows(RecipientSuppressed, map(fields_of, events))
    log = SqliteLog.open(folder / "mailwake.db", TOPICS)
    try:
        log.append(
            "suppressions",
            [Record(one.encode(), value, now) for one, value in zip(hashes, values, strict=True)],
        )
    finally:
        log.close()
    _, key = KeyFile(folder / "keys.toml").create("bench", "default", ["read"])
    head = f"HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n"
    return [f"GET /v1/suppressions/{one} {head}".encode() for one in hashes[:: SUPPRESSED // DISTINCT]]


@contextmanager
def running(folder: Path, hooks: str) -> Iterator[tuple[int, int]]:
    """The intake's port and process."""
    (folder / "hooks.toml").write_text(hooks)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "MAILWAKE_LOG": f"sqlite:///{folder / 'mailwake.db'}",
        "MAILWAKE_HOOKS": str(folder / "hooks.toml"),
        "MAILWAKE_KEYS": str(folder / "keys.toml"),
        "MAILWAKE_BLOBS": str(folder / "blobs"),
        "MAILWAKE_INTAKE_PORT": str(port),
        "MAILWAKE_METRICS_PORT": "0",
    }
    process = started([sys.executable, "-m", "mailwake", "intake"], environment, folder / "said")
    try:
        _await(process, port, folder / "said")
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def _await(process: "subprocess.Popen[bytes]", port: int, said: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"the intake does not listen: {said.read_text()}")


def kept(folder: Path) -> int:
    """How many documents are in the log."""
    log = SqliteLog.open(folder / "mailwake.db", (), create=False)
    try:
        return log.end(TopicPartition("documents"))
    finally:
        log.close()


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--seconds", type=float, default=10, help="of each measurement (%(default)s)")
    arguments.add_argument("--connections", type=int, default=64, help="open at once (%(default)s)")
    arguments.add_argument("--json", action="store_true", help="print a line of JSON for each measurement")
    asked = arguments.parse_args()
    if asked.seconds < 1 or asked.connections < 1:
        arguments.error("--seconds and --connections must be 1 or more")
    if not asked.json:
        print(
            f"{'':26}{'posts':>9}{'posts/s':>9}{'wanted':>9}{'p50 ms':>9}{'p99 ms':>9}{'wanted':>9}{'cores':>7}{'client':>8}"
        )
    posts = Posts()
    answered = 0
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-intake-") as name:
        folder = Path(name)
        look_ups = suppressed(folder)
        with running(folder, posts.hooks) as (port, pid):
            for plan in plans(posts, look_ups, asked.connections):
                row = measure(port, pid, plan, asked.seconds)
                answered += row.posts if plan.requests is not look_ups else 0
                show(row, asked.json)
        if kept(folder) != answered:
            raise SystemExit(f"{answered} were answered with 200, and {kept(folder)} are in the log")


def show(row: Row, as_json: bool) -> None:
    """Print a measurement."""
    if as_json:
        print(json.dumps(asdict(row)), flush=True)
        return
    wanted = f"≥ {row.wanted:,}" if row.wanted else ""
    wanted_p99 = f"< {row.wanted_p99}" if row.wanted_p99 else ""
    print(
        f"{row.what:26}{row.posts:>9,}{row.per_second:>9,}{wanted:>9}{row.p50:>9.1f}{row.p99:>9.1f}{wanted_p99:>9}"
        f"{row.intake_cores:>7.2f}{row.client_cores:>8.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
