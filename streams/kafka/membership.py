"""Which partitions of a stage are this worker's: the membership of a Kafka group, which shares them out.

aiokafka's consumer is the member; it fetches nothing. What keeps a member that was paused and overtaken from writing
is the epoch of its producers (`streams.kafka.ownership`): the group is about who works, not about who may.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError

from streams.kafka.cluster import KafkaCluster
from streams.log import LogError, LogUnavailable, TopicPartition
from streams.running.seats import Seats

_CHECK_EVERY_S = 1.0

METADATA_AGE_MS = 10_000
"""How old a member's picture of its topics may be. A broker that has just started answers that it has none; a leader
that shares out nothing then has to see soon that they are there."""


@dataclass(frozen=True, slots=True)
class Member:
    """How a worker is a member of its groups."""

    name: str | None = None
    """Its own for good: a worker of that name that comes back soon gets the same partitions, without a rebalance."""
    session_ms: int = 10_000
    """For how long it may go silent before its partitions are given to others."""
    rebalance_ms: int = 60_000
    """For how long others wait for its step to end when partitions are shared out anew."""


def _assignor(topics: Sequence[str]) -> Any:
    """How a leader shares out the partitions of these topics.

    Those of one topic stay with whom they are: that has the state. aiokafka's assignor remembers what a member has in
    its class, which all groups of a process would share: so each group has a class of its own. Of several topics each
    is to be spread evenly by itself; keeping to what members have, by numbers alone, piled the largest on one of them.
    """
    if len(topics) > 1:
        return RoundRobinPartitionAssignor
    # Another group of the process may have left its state in the class that this one derives from.
    nothing = {"member_assignment": None, "generation": StickyPartitionAssignor.DEFAULT_GENERATION_ID}
    return type("OwnStickyAssignor", (StickyPartitionAssignor,), nothing)


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]
    """A worker in the group of one stage. Everything but the seats' work runs on one event loop."""

    def __init__(
        self, cluster: KafkaCluster, group: str, topics: Sequence[str], seats: Seats, member: Member
    ) -> None:
        self._cluster, self._group, self._seats = cluster, cluster.group(group), seats
        self._topics: Mapping[str, str] = {cluster.topic(topic): topic for topic in topics}
        self._options = {
            "group_id": self._group,
            "group_instance_id": member.name,
            "client_id": f"{socket.gethostname()}:{os.getpid()}",
            "session_timeout_ms": member.session_ms,
            "heartbeat_interval_ms": member.session_ms // 5,
            "rebalance_timeout_ms": member.rebalance_ms,
            "request_timeout_ms": max(40_000, member.rebalance_ms + 10_000),
            "enable_auto_commit": False,
            "auto_offset_reset": "latest",
            "max_partition_fetch_bytes": 1024,
            "metadata_max_age_ms": METADATA_AGE_MS,
            "partition_assignment_strategy": (_assignor(topics),),
        }
        self._consumer: Any = None
        self._watch: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Become a member. Raises LogUnavailable, LogError."""
        try:
            self._consumer = AIOKafkaConsumer(**self._options, **self._cluster.options())
            await self._consumer.start()
        except KafkaError as error:
            await self._consumer.stop()
            kind = LogUnavailable if getattr(error, "retriable", False) else LogError
            raise kind(f"{self._cluster}: joining the group {self._group} failed: {error}") from error
        self._consumer.subscribe(list(self._topics), listener=self)
        self._watch = asyncio.create_task(self._watching())

    async def leave(self) -> None:
        """Give everything back, at once."""
        if self._watch is not None:
            self._watch.cancel()
        if self._consumer is not None:
            await self._consumer.stop()

    async def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        """Kafka takes all that we have, until it says which are ours."""
        await self._have_done(self._seats.suspend)

    async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        """Kafka gives partitions."""
        self._consumer.pause(*assigned)
        ours = [TopicPartition(self._topics[one.topic], one.partition) for one in assigned]
        await self._have_done(partial(self._seats.give, ours))

    async def _have_done(self, act: Callable[[], None]) -> None:
        """In a thread: it waits for the step under way. aiokafka only logs what a listener raises."""
        try:
            await asyncio.get_running_loop().run_in_executor(None, act)
        except Exception as error:
            self._seats.fail(error)
            raise

    async def _watching(self) -> None:
        """Ask for records: only then does aiokafka tell of what has ended a membership."""
        while True:
            try:
                await self._consumer.getmany(timeout_ms=0)
            except KafkaError as error:
                failure = LogError(f"{self._cluster}: the membership of {self._group} ended: {error!r}")
                failure.__cause__ = error
                self._seats.fail(failure)
                return
            except Exception as error:  # noqa: BLE001 - nobody waits for this task; the next step raises it
                self._seats.fail(error)
                return
            await asyncio.sleep(_CHECK_EVERY_S)
