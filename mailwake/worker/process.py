"""A worker on a log in Kafka: the stages and the loader on the partitions that its groups give it.

Documents and counting, which take what producers appended, run in pumps; the fold is a Faust application; all of them
step in threads of the same kind as the embedded pipeline's. Start as many workers as there are cores to spare.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from mode import Service

from mailwake.keyring.opening import letter_seal, open_keyring
from mailwake.opening import open_any_log, open_warehouse
from mailwake.pipeline import BUSY, LOADER
from mailwake.reading import document_stage
from mailwake.rulesets import ruleset_of
from mailwake.settings import Settings, SettingsError
from processors.classification.stage import ClassifyStage
from processors.documents.stage import DocumentStage
from processors.reputation.stage import CountStage, FoldStage
from processors.stage import Stage
from processors.suppressions.stage import SuppressStage
from replay.lineage import FIRST
from sinks.loading import Loader, LoadPlan, PositionRefused
from sinks.sink import SinkRefused
from streams.faust.feed import Pace
from streams.kafka.connection import Background
from streams.kafka.log import KafkaLog
from streams.kafka.membership import Member, Membership
from streams.kafka.ownership import Owned
from streams.log import Fenced, TopicPartition
from streams.partitioner import keys_for
from streams.runner import StageRunner
from streams.seats import Seats
from streams.vitals import Watched
from streams.workers import Patience, Worker, Workers

if TYPE_CHECKING:
    from sinks.warehouse.warehouse import Warehouse
    from streams.faust.fold import Fold

logger = logging.getLogger(__name__)

PARTS = ("documents", "count", "fold", "classify", "suppress", LOADER)
"""What a worker does; each may be left to other workers."""

LANES = {CountStage.name: 2, FoldStage.name: 2, LOADER: 2}
"""How many threads step a part, on a partition each: counting waits for the log a third of its time, loading for the
warehouse. Others have one."""


_LOOK_EVERY_S = 0.03
"""How often a thread that has nothing to do looks whether it is a partition's turn again; the log is not asked for it."""


@dataclass(frozen=True, slots=True)
class Pump:
    """A stage, or the loader, on the partitions that a group of its own gives."""

    seats: Seats
    membership: Membership
    topics: Sequence[str]


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """What one worker runs; `opened` makes one, and `run` runs it."""

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
        return _seats(self.pumps, self.fold)

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


def require_kafka(settings: Settings) -> None:
    """Raises SettingsError where the log is not in Kafka."""
    if not settings.log.startswith("kafka:"):
        raise SettingsError(
            f"workers share a log in Kafka, and MAILWAKE_LOG is {settings.log}: use mailwake up for that one"
        )


@contextmanager
def opened(
    settings: Settings,
    parts: Sequence[str] = PARTS,
    at: Callable[[str, str], None] = lambda part, boundary: None,
) -> Iterator[WorkerProcess]:
    """A worker of these parts. Raises SettingsError, LogError, SinkError; KeyringError where documents are read.

    `at` is told of every boundary within a step, and whose it is.
    """
    require_kafka(settings)
    with ExitStack() as stack:
        log = open_any_log(settings)
        assert isinstance(log, KafkaLog)
        stack.callback(log.close)
        if DocumentStage.name in parts:
            open_keyring(settings, log)
        member = Member(settings.worker_name, settings.session_seconds * 1000)
        pumps: dict[str, Pump] = {}
        takes: dict[str, tuple[Sequence[str], Callable[[TopicPartition], Owned]]] = {}
        for stage in _pumped(settings, log):
            if stage().name in parts:
                name, topic = stage().name, stage().reads
                tells = _Tells(partial(at, name), lambda source, name=name: pumps[name].seats.goes_on(source))  # type: ignore[misc]
                takes[name] = ([topic], partial(_pumping, log, stage, settings, tells))
        if LOADER in parts:
            warehouse = stack.enter_context(_usable_warehouse(settings))
            plan = FIRST.load_plan(
                [DocumentStage(_no_blob), CountStage(), FoldStage(), ClassifyStage(), SuppressStage()],
                settings.step_records,
            )
            sealing = replace(plan, seal=letter_seal(settings))
            takes[LOADER] = (plan.topics, partial(_loading, log, warehouse, sealing, partial(at, LOADER)))
        for name, (topics, take) in takes.items():
            seats = Seats(name, take, BUSY, partial(log.left_by, name), settings.linger_ms / 1000)
            pumps[name] = Pump(seats, Membership(log.cluster, name, topics, seats, member), topics)
        fold = _fold(settings, log, member, at) if FoldStage.name in parts else None
        several = _seats(pumps, fold)
        for each in several.values():
            stack.callback(each.close)
        stepping = [
            Worker(f"{name}/{lane}" if lane else name, each.step)
            for name, each in several.items()
            for lane in range(LANES.get(name, 1))
        ]
        workers = Workers(stepping, Patience(BUSY, linger_s=_LOOK_EVERY_S))
        yield WorkerProcess(log, pumps, fold, workers, settings.worker_name)


def _seats(pumps: Mapping[str, Pump], fold: "Fold | None") -> Mapping[str, Seats]:
    folds = {} if fold is None else {fold.name: fold.seats}
    return {**{name: pump.seats for name, pump in pumps.items()}, **folds}


def part_of(name: str, source: TopicPartition) -> str:
    """What a part on a partition is called: `count/3`; of the loader, which has several topics, with the topic."""
    return f"{name}/{source.topic}/{source.partition}" if name == LOADER else f"{name}/{source.partition}"


def _pumped(settings: Settings, log: KafkaLog) -> list[Callable[[], Stage]]:
    keys = keys_for(len(log.partitions(FoldStage.reads)))
    ruleset = ruleset_of(settings)
    return [
        partial(document_stage, settings),
        lambda: CountStage(keys=keys),
        lambda: ClassifyStage(ruleset),
        SuppressStage,
    ]


@dataclass(frozen=True, slots=True)
class _Tells:
    """Who is told of the work on a partition: of each boundary, and that taking it over goes on."""

    at: Callable[[str], None]
    goes_on: Callable[[TopicPartition], None]


def _pumping(
    log: KafkaLog, make: Callable[[], Stage], settings: Settings, tells: _Tells, source: TopicPartition
) -> Owned:
    stage = make()
    ownership = log.own(stage.name, source, at=tells.at)
    ownership.take_over()
    ownership.recover(goes_on=partial(tells.goes_on, source))
    runner = StageRunner(
        (log, ownership),
        stage,
        step_records=settings.step_records,
        at=tells.at,
        partition=source.partition,
        seal=letter_seal(settings),
    )
    return Owned(ownership, runner)


def _loading(
    log: KafkaLog, warehouse: "Warehouse", plan: LoadPlan, at: Callable[[str], None], source: TopicPartition
) -> Owned:
    ownership = log.own(LOADER, source, at=at)
    ownership.take_over()
    ownership.recover()
    sink = warehouse.sink(FIRST.number)
    try:
        loader = Loader(log, sink, plan, at, (source, ownership))
    except BaseException:
        sink.close()
        raise

    def close() -> None:
        loader.close()
        sink.close()

    return Owned(ownership, loader, close)


def _fold(settings: Settings, log: KafkaLog, member: Member, at: Callable[[str, str], None]) -> "Fold":
    from streams.faust.fold import Fold, FoldSettings

    chosen = FoldSettings(
        member, Pace(linger_s=settings.fold_seconds), standby_replicas=settings.standby_replicas
    )
    return Fold(log, FoldStage, chosen, BUSY, partial(at, FoldStage.name))


@contextmanager
def _usable_warehouse(settings: Settings) -> Iterator["Warehouse"]:
    """The warehouse on a server, its tables up to date. Raises SinkError, SettingsError."""
    server = settings.warehouse_server
    if server is None:
        raise SettingsError(
            f"workers share a warehouse on a server, and MAILWAKE_WAREHOUSE is {settings.warehouse}: name one, "
            "clickhouse://USER@HOST:PORT/DATABASE, or leave loading to other workers (--only documents,count,fold,classify,suppress)"
        )
    from sinks.warehouse.warehouse import pending_on

    if pending_on(server):
        raise SinkRefused(f"the tables in {server.where} are not up to date: mailwake warehouse migrate")
    with open_warehouse(settings) as warehouse:
        if warehouse.current_generation() != FIRST.number:
            raise PositionRefused(
                f"the warehouse {server.where} shows generation {warehouse.current_generation()} of another log: workers "
                "fill the first generation of a database of their own"
            )
        yield warehouse


def _no_blob(tenant: str, sha256: str) -> None:
    """No document is read with this one."""
