"""A fold as a Faust application: Faust shares out partitions, recovers state and delivers; the steps are ours.

An agent hands what it gets to a feed; a thread of the worker steps the stage on each partition, and writes chunks,
emissions and the position in one fenced transaction. When partitions are given, their owners are fenced before Faust
recovers anything or asks where to go on.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import faust
from faust.types import TP, StreamT

from processors.stage import Stage
from streams import metrics
from streams.faust.feed import Feed, Pace
from streams.faust.store import ChunkStore, ChunkTable
from streams.faust.transport import Transport, credentials, quiet
from streams.kafka import topics as kafka_topics
from streams.kafka.cluster import KafkaPartition
from streams.kafka.log import KafkaLog
from streams.kafka.membership import METADATA_AGE_MS, Member
from streams.kafka.ownership import Ownership, changelog_of, make_changelog
from streams.log import TopicPartition
from streams.running.event_lag import seconds_behind
from streams.running.runner import StageRunner
from streams.running.seats import Seats

_FULL_REST_S = 0.02


@dataclass(frozen=True, slots=True)
class FoldSettings:
    """How a fold runs."""

    member: Member
    pace: Pace
    standby_replicas: int = 0
    """How many other workers follow the changelog of each partition, to take over without recovery."""
    step_messages: int = 10_000
    """The most messages in one step."""


class FoldApp(faust.App):
    """Faust, with our transport; it lets the fold know of partitions before it deals with them itself."""

    logger = quiet
    fold: "Fold"

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self, places=self.fold)

    def _create_directories(self) -> None:
        """None: nothing of a fold is on disk."""

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        try:
            await self.fold.suspend()
        except Exception as error:  # noqa: BLE001 - as below; aiokafka would only log it
            await self.crash(error)
            return
        await super()._on_partitions_revoked(revoked)

    async def _on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self.consumer.pause_partitions(assigned)
        try:
            await self.fold.take_over(assigned)
        except Exception as error:  # noqa: BLE001 - ends the worker, as whatever goes wrong here does
            await self.crash(error)
            return
        await super()._on_partitions_assigned(assigned, generation_id)


class Fold:
    """One fold stage of a worker: `app` is to be started, and `seats` to be stepped."""

    def __init__(
        self,
        log: KafkaLog,
        make: Callable[[], Stage],
        settings: FoldSettings,
        busy: tuple[type[Exception], ...],
        at: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`make` makes a stage without state; `busy` are the errors that pass."""
        self.log, self._make, self._settings, self._at = log, make, settings, at
        self._stage = make()
        self.name = self._stage.name
        self._sources = {source.partition: source for source in log.partitions(self._stage.reads)}
        self.feed = Feed(log, settings.pace)
        self.seats = Seats(self.name, self._take, busy, partial(log.left_by, self.name))
        self._given: frozenset[TopicPartition] = frozenset()
        self._owned: dict[TopicPartition, Ownership] = {}
        self._opened: set[TopicPartition] = set()
        self._sharing = threading.Lock()
        self._given_at = 0.0
        self._changelog = changelog_of(log.cluster, self.name, self._stage.reads)
        # Asked about a topic that is missing, a broker may make one with as many partitions as it pleases.
        make_changelog(log.routing, self.name, self._stage.reads)
        self.app = self._application()
        self._table = self._chunks()
        self._agent()

    @property
    def sources(self) -> Sequence[TopicPartition]:
        """The partitions there are."""
        return list(self._sources.values())

    def visible_end(self, place: KafkaPartition) -> int:
        """See `Places.visible_end`."""
        return self.log.visible_end(place)

    def positions(self) -> dict[TP, int]:
        """See `Places.positions`."""
        topic = self.log.cluster.topic(self._stage.reads)
        return {
            TP(topic, source.partition): ownership.committed(self.name).get(source, 0)
            for source, ownership in list(self._owned.items())
        }

    def lag(self, source: TopicPartition) -> int:
        """How many records wait on a partition; 0 where it is another's. Raises LogError.

        Those of a partition that is yet to be taken over, or that Faust has yet to recover, wait too: else one with
        which that never comes to an end would look well.
        """
        if source in self._given and source not in self._opened:
            return self.log.left_by(self.name, source)
        return self.seats.lag(source)

    def lag_seconds(self, source: TopicPartition) -> float:
        """How much event time waits on a partition, in seconds. Raises LogError."""
        return self.seats.lag_seconds(source)

    async def suspend(self) -> None:
        """Nothing of the fold is under way when this returns, and nothing begins before partitions are given."""
        await asyncio.get_running_loop().run_in_executor(None, self._leave)

    async def take_over(self, assigned: set[TP]) -> None:
        """Fence the owners of the partitions that Faust gives. Raises LogError."""
        topic = self.log.cluster.topic(self._stage.reads)
        sources = [self._sources[tp.partition] for tp in assigned if tp.topic == topic]
        await self.suspend()
        await asyncio.get_running_loop().run_in_executor(None, self._own, sources)

    def _application(self) -> FoldApp:
        cluster, member = self.log.cluster, self._settings.member
        app = FoldApp(
            cluster.group(self.name),
            broker=[f"kafka://{server}" for server in cluster.servers],
            broker_credentials=credentials(cluster),
            store="memory://",
            key_serializer="raw",
            value_serializer="raw",
            topic_partitions=len(self._sources),
            topic_allow_declare=False,
            topic_disable_leader=True,
            table_standby_replicas=self._settings.standby_replicas,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=member.name,
            consumer_max_fetch_size=kafka_topics.LARGEST_BATCH,
            consumer_metadata_max_age_ms=METADATA_AGE_MS,
            broker_session_timeout=member.session_ms / 1000,
            broker_heartbeat_interval=member.session_ms / 5000,
            broker_rebalance_timeout=member.rebalance_ms / 1000,
            broker_request_timeout=max(40.0, member.rebalance_ms / 1000 + 10),
            stream_wait_empty=False,
            stream_recovery_delay=0.0,
            web_enabled=False,
        )
        app.fold = self
        return app

    def _chunks(self) -> ChunkTable:
        table = ChunkTable(
            self.app,
            name=self.name,
            partitions=len(self._sources),
            key_type=bytes,
            value_type=bytes,
            changelog_topic=self.app.topic(
                self._changelog,
                key_type=bytes,
                value_type=bytes,
                key_serializer="raw",
                value_serializer="raw",
                partitions=len(self._sources),
                internal=True,
            ),
            recover_callbacks={self._recovered},
        )
        table.followed = self._recovers
        self.app.tables.add(table)
        return table

    def _agent(self) -> None:
        topic = self.app.topic(
            self.log.cluster.topic(self._stage.reads),
            key_type=bytes,
            value_type=bytes,
            partitions=len(self._sources),
            acks=False,
        )
        self.app.agent(topic, concurrency=1, name=self.name)(self._deliver)

    async def _deliver(self, stream: StreamT[Any]) -> None:
        async for event in cast(faust.Stream[Any], stream).noack().events():
            message = event.message
            while self.feed.full():
                await asyncio.sleep(_FULL_REST_S)
            stamp = int(message.timestamp * 1000)
            self.feed.put(message.partition, message.offset, message.key, message.value, stamp)

    async def _recovered(self) -> None:
        """Faust has state and position of what it gave: from here on its partitions are stepped."""
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._open)
        except Exception as error:  # noqa: BLE001 - Faust would let it go; it ends the worker
            await self.app.crash(error)

    def _recovers(self, partitions: Collection[int]) -> None:
        """Changelogs were followed further. Where one of them is being recovered, no partition stands still.

        Those that this worker only follows, as a standby, say nothing of that.
        """
        recovering = [source for source in list(self._owned) if source not in self._opened]
        if any(source.partition in partitions for source in recovering):
            for source in recovering:
                self.seats.goes_on(source)

    @property
    def _store(self) -> ChunkStore:
        store: Any = self._table.data
        assert isinstance(store, ChunkStore)
        return store

    def _leave(self) -> None:
        with self._sharing:
            self.seats.close()
            for source in self._owned:
                self.feed.close(source)
            self._given, self._owned, self._opened = frozenset(), {}, set()

    def _own(self, sources: list[TopicPartition]) -> None:
        with self._sharing:
            self._given, self._given_at = frozenset(sources), time.perf_counter()
            for source in sources:
                written = partial(self._store.replace, source.partition)
                ownership = self.log.own(self.name, source, written, self._at)
                ownership.take_over()
                self._owned[source] = ownership

    def _open(self) -> None:
        """Have the partitions stepped that are recovered.

        Faust may call a recovery complete that another sharing out has overtaken. But nobody writes to a changelog
        whose owner is fenced, so what is missing can be seen. When the other recovery is complete as well, what is
        stepped already is left alone: its position has moved on, and goes back for nobody.
        """
        with self._sharing:
            closed = {source: owned for source, owned in self._owned.items() if source not in self._opened}
            whole = [source for source, ownership in closed.items() if self._is_whole(ownership)]
            for source in whole:
                ownership = self._owned[source]
                ownership.recover(self._store.chunks(source.partition))
                self.feed.open(source, ownership.committed(self.name).get(source, 0))
            if whole:
                metrics.RECOVERY_SECONDS.observe(time.perf_counter() - self._given_at, self.name)
            self._opened.update(whole)
            self.seats.give(self._opened)

    def _is_whole(self, ownership: Ownership) -> bool:
        end = self.log.visible_end(ownership.changelog)
        return self._store.applied(ownership.changelog.partition) >= end - 1

    def _take(self, source: TopicPartition) -> "_FoldSeat":
        ownership = self._owned[source]
        runner = StageRunner(
            (self.feed, ownership),
            self._make(),
            step_records=self._settings.step_messages,
            at=self._at,
            partition=source.partition,
        )
        return _FoldSeat(self, runner)


@dataclass(frozen=True, slots=True)
class _FoldSeat:
    """The fold on one partition; Faust recovers it, so it is never kept over an interruption."""

    fold: Fold
    runner: StageRunner

    def step(self) -> int:
        return self.runner.step()

    def lag(self) -> int:
        return max(0, self.fold.feed.end(self.runner.source) - self.runner.position)

    def lag_seconds(self) -> float:
        return seconds_behind(self.fold.log, self.runner.source, self.runner.position)

    def renew(self) -> bool:
        return False

    def close(self) -> None:
        self.fold.feed.close(self.runner.source)
