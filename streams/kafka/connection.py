"""A connection to a Kafka cluster: requests sent until they are answered, or until it is time to say so.

aiokafka knows the protocol, the cluster and its leaders. What is ours is how long to try, and what each failure
means to whoever waits: `LogUnavailable` passes, any other `LogError` does not.
"""

import asyncio
import logging
import os
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    NodeNotReadyError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    for_code,
)

from streams.kafka.cluster import KafkaCluster, KafkaPartition
from streams.log import LogError, LogUnavailable, UnknownTopic

logging.getLogger("aiokafka").addHandler(logging.NullHandler())
logging.getLogger("aiokafka.conn").addFilter(lambda record: "SaslAuthenticate" not in record.getMessage())
"""At DEBUG aiokafka logs each request as it is: with PLAIN one of them is the password."""

T = TypeVar("T")

REQUEST_MS = 10_000
"""How long one request may take, before the connection is taken for dead."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.5
GROUPS, TRANSACTIONS = 0, 1
"""The kinds of coordinators."""

_COORDINATOR_MOVED = frozenset({14, 15, 16})
_PASSING = frozenset({5, 6, 7, 8, 9, 13, 19, 20, 51, 56, 72, 74, 75, 76, 77, 78, 89, *_COORDINATOR_MOVED})
"""Error codes after which the same request may well succeed: leaders and coordinators move, replicas catch up."""

_NOT_ALLOWED = frozenset({29, 30, 31, 53})


class Again(Exception):
    """An attempt failed in a way that passes; the reason is told if time runs out."""


class Background:
    """An event loop in a thread of its own, for callers that have none. Safe to use from threads."""

    def __init__(self, name: str) -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it done there, and wait for what comes of it."""
        if self._loop.is_closed() or os.getpid() != self._process:
            work.close()
            raise LogError(
                "this log was closed; open it again"
                if self._loop.is_closed()
                else "this log was opened before the process forked; open it in each process"
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Cancel what is left, and end the thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


class Connection:
    """Requests to a cluster. Everything here runs on one event loop."""

    def __init__(self, cluster: KafkaCluster, timeout_s: float) -> None:
        self.cluster, self.timeout_s = cluster, timeout_s
        self._options = cluster.options()
        self._client: Any = None
        self._coordinators: dict[tuple[int, str], int] = {}

    async def start(self) -> None:
        """Connect. Raises LogUnavailable, LogError."""
        self._client = AIOKafkaClient(request_timeout_ms=REQUEST_MS, client_id="mailwake", **self._options)
        await self.until_done("connecting", self._bootstrap)

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.close()

    async def until_done(self, what: str, act: Callable[[], Awaitable[T]]) -> T:
        """Try until it succeeds, fails for good, or `timeout_s` have gone by. Raises LogError, LogUnavailable."""
        loop = asyncio.get_running_loop()
        deadline, pause, failure = loop.time() + self.timeout_s, _FIRST_PAUSE_S, "no answer"
        while (left := deadline - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    return await act()
            except TimeoutError:
                continue
            except Again as again:
                failure = str(again) or failure
            except (KafkaError, OSError) as error:
                if not _passes(error):
                    raise LogError(f"{self.cluster}: {what} failed: {_told(error)}") from error
                failure = _told(error)
            await asyncio.sleep(min(pause, max(deadline - loop.time(), 0)))
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        raise LogUnavailable(
            f"{self.cluster} does not answer: {what} was tried for {self.timeout_s:.0f} s; {failure}. Is the broker up, "
            "and MAILWAKE_LOG its address? Nothing is lost; do it again when it answers"
        )

    async def send(self, node: int, request: Any) -> Any:
        """One request to one broker."""
        return await self._client.send(node, request)

    async def send_to_any(self, request: Any) -> Any:
        """One request to whichever broker."""
        node = self._client.get_random_node()
        if node is None:
            await self.refresh()
            raise NodeNotReadyError("no broker is known")
        return await self.send(node, request)

    async def send_to_coordinator(self, kind: int, key: str, request: Any) -> Any:
        """One request to the broker that coordinates a group or a transactional id."""
        if (kind, key) not in self._coordinators:
            if self._client.get_random_node() is None:
                await self.refresh()
                raise NodeNotReadyError("no broker is known")
            self._coordinators[kind, key] = await self._client.coordinator_lookup(kind, key)
        try:
            return await self.send(self._coordinators[kind, key], request)
        except KafkaError:
            self._coordinators.pop((kind, key), None)
            raise

    def brokers(self) -> int:
        """How many brokers the cluster has."""
        return len(self._client.cluster.brokers())

    def topics(self) -> set[str]:
        """All topics of the cluster, as of the last `refresh`."""
        return set(self._client.cluster.topics())

    async def refresh(self) -> None:
        """Learn anew which topics and leaders there are."""
        if not await self._client.force_metadata_update():
            raise Again("no broker answers")

    def known_partitions(self, topic: str) -> int:
        """How many partitions a topic has, as of the last `refresh`; 0 if there was none. Safe from any thread."""
        return len(self._client.cluster.partitions_for_topic(topic) or ())

    def replicas(self, topic: str) -> int:
        """How many replicas each partition of a topic has (the fewest), as of the last `refresh`."""
        partitions = self._client.cluster._partitions.get(topic, {})
        return min((len(found.replicas) for found in partitions.values()), default=0)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises UnknownTopic."""
        found = self._client.cluster.partitions_for_topic(topic)
        if not found:
            await self.refresh()
            found = self._client.cluster.partitions_for_topic(topic)
        if not found:
            ours = sorted(filter(None, map(self.cluster.named, self.topics())))
            raise UnknownTopic(
                f"{self.cluster} has no topic {self.cluster.named(topic) or topic}; it has {', '.join(ours) or 'none'}"
            )
        return len(found)

    async def leader(self, source: KafkaPartition) -> int:
        """The broker that leads a partition."""
        node = self._client.cluster.leader_for_partition(source)
        if node is None or node < 0:
            await self.refresh()
            raise Again(f"{source.topic}/{source.partition} has no leader")
        return int(node)

    async def judge(self, code: int, what: str, coordinator: tuple[int, str] | None = None) -> None:
        """Nothing for success; Again for what passes (moved leaders are looked up), LogError for what does not."""
        if code == 0:
            return
        name = getattr(for_code(code), "message", "") or f"error {code}"
        if code in _PASSING or code == 3:
            if coordinator and code in _COORDINATOR_MOVED:
                self._coordinators.pop(coordinator, None)
            if code in (3, 5, 6, 9, 72):
                await self.refresh()
            raise Again(f"{what}: {name}")
        if code in _NOT_ALLOWED:
            raise LogError(
                f"{self.cluster}: {what} is not allowed ({name}): give this user (MAILWAKE_KAFKA_SASL_USERNAME) the right"
            )
        raise LogError(f"{self.cluster}: {what} was refused ({name})")

    async def _bootstrap(self) -> None:
        """Reach one broker ourselves first: aiokafka's own way there keeps the reason of a failure to its log."""
        failure: Exception = NodeNotReadyError("no address was given")
        for host, port, _ in self._client.hosts:
            try:
                options = {
                    name: value for name, value in self._options.items() if name != "bootstrap_servers"
                }
                connection = await create_conn(host, port, request_timeout_ms=REQUEST_MS, **options)
            except (KafkaError, OSError) as error:
                failure = error
                continue
            connection.close()
            await self._client.bootstrap()
            return
        raise failure


_REFUSED = (
    ssl.SSLError,
    AuthenticationFailedError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    IllegalSaslStateError,
)


def _passes(error: Exception) -> bool:
    if isinstance(error, _REFUSED):
        return False
    return isinstance(error, OSError) or bool(getattr(error, "retriable", False)) or _of_the_connection(error)


def _of_the_connection(error: Exception) -> bool:
    return isinstance(error, KafkaError) and getattr(error, "errno", None) in (None, 7)


def _told(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}): MAILWAKE_KAFKA_CA_FILE names whom to trust"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason}): is MAILWAKE_KAFKA_SECURITY_PROTOCOL what this port speaks?"
    if isinstance(error, AuthenticationFailedError | SaslAuthenticationFailed):
        return "the user name or password was refused: see MAILWAKE_KAFKA_SASL_USERNAME and _PASSWORD"
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"the broker does not offer that MAILWAKE_KAFKA_SASL_MECHANISM ({error})"
    return str(error) or type(error).__name__
