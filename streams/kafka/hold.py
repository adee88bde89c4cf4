"""Who is the log's one runtime: the member of a Kafka group, which the broker takes out when it goes silent.

This is for politeness: it tells a second runtime that there is one. What keeps a runtime that was paused and
overtaken from writing is its producer's epoch (`streams.kafka.steps`).
"""

import asyncio
import os
import socket
from collections.abc import Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import DescribeGroupsRequest

from streams.kafka.connection import GROUPS, Connection
from streams.log import LogInUse, LogUnavailable

SESSION_MS = 10_000
"""How long a runtime that was killed or stands still keeps others away."""


class _Joined(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells whether the group's only partition was given to us."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        """Nothing: another's epoch is what ends our writing."""

    def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        """The group has decided."""
        if not self.outcome.done():
            self.outcome.set_result(bool(assigned))


class Hold:
    """Membership of the runtime's group; one member at a time has its only partition."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._group = connection.cluster.group("runtime")
        self._member: Any = None

    async def take(self) -> None:
        """Become the one. Raises LogInUse, LogUnavailable."""
        cluster = self._connection.cluster
        await self._connection.until_done("asking who holds the log", self._refuse_if_held)
        self._member = AIOKafkaConsumer(
            group_id=self._group,
            client_id=f"{socket.gethostname()}:{os.getpid()}",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 5,
            max_poll_interval_ms=2**31 - 1,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            partition_assignment_strategy=(StickyPartitionAssignor,),
            **cluster.options(),
        )
        joined = _Joined()
        try:
            async with asyncio.timeout(self._connection.timeout_s):
                await self._member.start()
                self._member.subscribe([cluster.meta_topic], listener=joined)
                if not await joined.outcome:
                    raise LogInUse(
                        f"{cluster} was taken by another runtime at the same moment; stop that one first"
                    )
            self._member.pause(*self._member.assignment())
        except (TimeoutError, KafkaError) as error:
            await self.release()
            raise LogUnavailable(
                f"{cluster} does not answer: joining the group of its runtime failed ({error or 'no answer'})"
            ) from error
        except BaseException:
            await self.release()
            raise

    async def release(self) -> None:
        """Let another have it, at once."""
        member, self._member = self._member, None
        if member is not None:
            await member.stop()

    async def _refuse_if_held(self) -> None:
        answer = await self._connection.send_to_coordinator(
            GROUPS, self._group, DescribeGroupsRequest([self._group])
        )
        code, _, _, _, _, members, *_ = answer.groups[0]
        await self._connection.judge(code, "asking who holds the log", (GROUPS, self._group))
        if members:
            _, client, host, *_ = members[0]
            raise LogInUse(
                f"{self._connection.cluster} is held by another runtime, {client} (host:process) at "
                f"{host.lstrip('/')}; stop that one first. If it was killed, its hold ends in {SESSION_MS // 1000} s"
            )
