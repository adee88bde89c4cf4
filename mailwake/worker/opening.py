"""A worker as the settings want it: its parts, each with the log, the warehouse and the group that it needs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from mailwake.keyring.opening import letter_seal, open_keyring
from mailwake.opening import open_any_log, open_warehouse
from mailwake.pipeline import BUSY
from mailwake.reading import document_stage
from mailwake.rulesets import ruleset_of
from mailwake.settings import Settings, SettingsError, is_kafka
from mailwake.worker.process import Pump, WorkerProcess, seats_of
from processors.classification.stage import ClassifyStage
from processors.documents.stage import DocumentStage
from processors.reputation.stage import CountStage, FoldStage
from processors.stage import Stage
from processors.suppressions.stage import SuppressStage
from replay.lineage import FIRST, LOADER
from sinks.loading import Loader, LoadPlan, PositionRefused
from sinks.sink import SinkRefused
from streams.faust.feed import Pace
from streams.kafka.log import KafkaLog
from streams.kafka.membership import Member, Membership
from streams.kafka.ownership import Owned
from streams.log import TopicPartition
from streams.partitioner import keys_for
from streams.running.runner import StageRunner
from streams.running.seats import Seats
from streams.running.workers import Patience, Worker, Workers
from streams.sealed_letters import LetterSeal

if TYPE_CHECKING:
    from sinks.warehouse.warehouse import Warehouse
    from streams.faust.fold import Fold

PARTS = ("documents", "count", "fold", "classify", "suppress", LOADER)
"""What a worker does; each may be left to other workers."""

LANES = {CountStage.name: 2, FoldStage.name: 2, LOADER: 2}
"""How many threads step a part, on a partition each: counting waits for the log a third of its time, loading for the
warehouse. Others have one."""

_LOOK_EVERY_S = 0.03
"""How often a thread that has nothing to do looks whether it is a partition's turn again; the log is not asked for it."""


def require_kafka(settings: Settings) -> None:
    """Raises SettingsError where the log is not in Kafka."""
    if not is_kafka(settings.log):
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
        seal = letter_seal(settings)
        pumps: dict[str, Pump] = {}
        takes: dict[str, tuple[Sequence[str], Callable[[TopicPartition], Owned]]] = {}
        for stage in _pumped(settings, log):
            if stage().name in parts:
                name, topic = stage().name, stage().reads
                tells = _Tells(partial(at, name), lambda source, name=name: pumps[name].seats.goes_on(source))  # type: ignore[misc]
                takes[name] = ([topic], partial(_pumping, log, stage, settings.step_records, seal, tells))
        if LOADER in parts:
            warehouse = stack.enter_context(_usable_warehouse(settings))
            plan = FIRST.load_plan(
                [DocumentStage(_no_blob), CountStage(), FoldStage(), ClassifyStage(), SuppressStage()],
                settings.step_records,
            )
            loading = partial(_loading, log, warehouse, replace(plan, seal=seal), partial(at, LOADER))
            takes[LOADER] = (plan.topics, loading)
        for name, (topics, take) in takes.items():
            seats = Seats(name, take, BUSY, partial(log.left_by, name), settings.linger_ms / 1000)
            pumps[name] = Pump(seats, Membership(log.cluster, name, topics, seats, member), topics)
        fold = _fold(settings, log, member, at) if FoldStage.name in parts else None
        several = seats_of(pumps, fold)
        for each in several.values():
            stack.callback(each.close)
        stepping = [
            Worker(f"{name}/{lane}" if lane else name, each.step)
            for name, each in several.items()
            for lane in range(LANES.get(name, 1))
        ]
        workers = Workers(stepping, Patience(BUSY, linger_s=_LOOK_EVERY_S))
        yield WorkerProcess(log, pumps, fold, workers, settings.worker_name)


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
    log: KafkaLog,
    make: Callable[[], Stage],
    step_records: int,
    seal: LetterSeal,
    tells: _Tells,
    source: TopicPartition,
) -> Owned:
    stage = make()
    ownership = log.own(stage.name, source, at=tells.at)
    ownership.take_over()
    ownership.recover(goes_on=partial(tells.goes_on, source))
    runner = StageRunner(
        (log, ownership),
        stage,
        step_records=step_records,
        at=tells.at,
        partition=source.partition,
        seal=seal,
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
