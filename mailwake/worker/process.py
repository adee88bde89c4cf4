"""What one worker on a log in Kafka runs: the stages and the loader on the partitions that its groups give it.

Documents and counting, which take what producers appended, run in pumps; the fold is a Faust application; all of them
step in threads of the same kind as the embedded pipeline's. Start as many workers as there are cores to spare.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mode import Service

from replay.lineage import LOADER
from streams.kafka.connection import Background
from streams.kafka.log import KafkaLog
from streams.kafka.membership import Membership
from streams.log import Fenced, TopicPartition
from streams.running.seats import Seats
from streams.running.vitals import Watched
from streams.running.workers import Workers

if TYPE_CHECKING:
    from streams.faust.fold import Fold


@dataclass(frozen=True, slots=True)
class Pump:
    """A stage, or the loader, on the partitions that a group of its own gives."""

    seats: Seats
    membership: Membership
    topics: Sequence[str]


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """What one worker runs; `mailwake.worker.opening` makes one."""

    log: KafkaLog
    pumps: Mapping[str, Pump]
    fold: "Fold | None"
    workers: Workers
    name: str | None = None
    """Its own, if it has one."""

    def watched(self) -> list[Watched]:
        """Each part on each partition that it may be given."""
        sources: dict[str, tuple[Seats | Fold, list[TopicPartition]]] = {
            name: (pump.seats, [s for topic in pump.topics for s in self.log.partitions(topic)])
            for name, pump in self.pumps.items()
        }
        if self.fold is not None:
            sources[self.fold.name] = (self.fold, list(self.fold.sources))
        return [
            Watched(part_of(name, source), partial(part.lag, source), partial(part.lag_seconds, source))
            for name, (part, several) in sources.items()
            for source in several
        ]

    def tell(self, stepped: Callable[[str, int], None], waits: Callable[[str, Exception], None]) -> None:
        """Have every step told, by `part_of` names: those that ended well, and those that found something busy."""
        for name, seats in self.seats().items():
            seats.stepped = lambda source, records, name=name: stepped(part_of(name, source), records)  # type: ignore[misc]
            seats.waits = lambda source, error, name=name: waits(part_of(name, source), error)  # type: ignore[misc]

    def seats(self) -> Mapping[str, Seats]:
        """The seats of each part."""
        return seats_of(self.pumps, self.fold)

    async def run(
        self, stop: asyncio.Event, failed: Callable[[Exception], None] = lambda failure: None
    ) -> None:
        """Until `stop` is set. Raises what ended it before; `failed` is told that at once."""
        root = _Root(self)
        async with root:
            stopping = asyncio.ensure_future(stop.wait())
            await root.wait_first(stopping)
            stopping.cancel()
            reason = root.crash_reason
            if isinstance(reason, Exception):
                failed(reason)
        if isinstance(reason, Fenced) and self.name is not None:
            raise Fenced(
                f"{reason}. Was it silent for long, or is there another worker of the name {self.name}? Each needs a "
                "MAILWAKE_WORKER_NAME of its own"
            ) from reason
        if reason is not None:
            raise reason


class _Root(Service):
    """Everything that runs, as Faust's services: what fails in one ends all."""

    logger = logging.getLogger("mode.worker")

    def __init__(self, process: WorkerProcess) -> None:
        super().__init__()
        self._process = process

    async def on_start(self) -> None:
        """The pumps, then Faust."""
        await self.add_runtime_dependency(_Stepping(self._process))
        if self._process.fold is not None:
            await self.add_runtime_dependency(self._process.fold.app)


class _Stepping(Service):
    """The threads that step, and the groups that give them partitions."""

    logger = logging.getLogger("mode.worker")

    def __init__(self, process: WorkerProcess) -> None:
        super().__init__()
        self._process = process
        self._groups = Background("mailwake-groups")
        self._thread = threading.Thread(target=self._run, name="mailwake-steps", daemon=True)
        self._ended: asyncio.Future[BaseException | None] | None = None

    async def on_start(self) -> None:
        """Join the groups, and begin to step."""
        self._ended = asyncio.get_running_loop().create_future()
        for pump in self._process.pumps.values():
            await asyncio.to_thread(self._groups.run, pump.membership.join())
        self._thread.start()

    @Service.task
    async def _watch(self) -> None:
        assert self._ended is not None
        failure = await self._ended
        if failure is not None:
            await self.crash(failure)

    async def on_stop(self) -> None:
        """End the steps under way, then leave the groups, so that others go on at once."""
        self._process.workers.stopping.set()
        await asyncio.to_thread(self._thread.join)
        for pump in self._process.pumps.values():
            await asyncio.to_thread(self._groups.run, pump.membership.leave())
        await asyncio.to_thread(self._groups.close)

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            self._process.workers.run(until_idle=False)
        except BaseException as error:  # noqa: BLE001 - raised again where the worker is waited for
            failure = error
        self.loop.call_soon_threadsafe(self._end, failure)

    def _end(self, failure: BaseException | None) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(failure)


def part_of(name: str, source: TopicPartition) -> str:
    """What a part on a partition is called: `count/3`; of the loader, which has several topics, with the topic."""
    return f"{name}/{source.topic}/{source.partition}" if name == LOADER else f"{name}/{source.partition}"


def seats_of(pumps: Mapping[str, Pump], fold: "Fold | None") -> Mapping[str, Seats]:
    """The seats of each part that is pumped, and of the fold."""
    folds = {} if fold is None else {fold.name: fold.seats}
    return {**{name: pump.seats for name, pump in pumps.items()}, **folds}
