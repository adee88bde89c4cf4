"""The embedded pipeline: one process that holds the log, drives the stages and loads the warehouse."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailwake.settings import Settings
from processors.documents.stage import DocumentStage
from processors.reputation.stage import ReputationStage
from processors.stage import Stage
from replay.lineage import Lineage, live_lineage
from sinks.loading import Loader
from sinks.sink import SinkBusy
from sinks.warehouse.warehouse import Warehouse
from sources.files import Intake
from sources.watch import WatchedFolder
from streams.blobs import Blobs
from streams.log import LogFull
from streams.pauses import Pauses
from streams.runner import StageRunner
from streams.sqlite_log import SqliteLog
from streams.topics import TOPICS
from streams.workers import Patience, Worker, Workers

BUSY = (LogFull, SinkBusy)
"""What passes: the disk is full, the warehouse is busy."""

ROOM_TO_OPEN = 8 * 2**20
"""Bytes; what must be free where the warehouse is."""

LOADER = "warehouse"
"""The loader's name among the workers."""


def open_log(settings: Settings, create: bool = True) -> SqliteLog:
    """The log that the settings name. Raises LogError."""
    settings.log_path.parent.mkdir(parents=True, exist_ok=True)
    return SqliteLog.open(settings.log_path, TOPICS, create=create)


def existing_log(settings: Settings) -> SqliteLog:
    """The log that the settings name, which must exist. Raises LogError."""
    return open_log(settings, create=False)


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse that the settings name. Raises WarehouseInUse, WarehouseUnavailable, SinkBusy."""
    folder = settings.warehouse_path.absolute()
    _need_room(folder)
    return Warehouse.open(f"chdb://{folder}")


def _need_room(folder: Path) -> None:
    """Raise SinkBusy where the engine would find no room for its files: it leaves empty ones and never opens again."""
    left = shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free
    if left < ROOM_TO_OPEN:
        raise SinkBusy(
            f"the warehouse {folder} has no room left ({left // 2**20} MiB; opening it takes {ROOM_TO_OPEN // 2**20}): "
            "free some space; nothing is lost, run it again"
        )


def fresh_stages(settings: Settings) -> list[Stage]:
    """Every stage of the embedded pipeline, with no state."""
    return [DocumentStage(Blobs(settings.blobs).get), ReputationStage()]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The workers of one process that holds the log; `opened` makes one."""

    log: SqliteLog
    warehouse: Warehouse
    lineage: Lineage
    runners: tuple[StageRunner, ...]
    loader: Loader
    settings: Settings

    def drain(self, progress: Callable[[str, int], None] = lambda name, records: None) -> None:
        """Step until nothing is left to do. Raises the first failure."""
        patience = Patience(BUSY, give_up_after_s=self.settings.wait_seconds)
        Workers(self._workers(), patience, progress).run(until_idle=True)

    def workers(self) -> Workers:
        """Workers that run until they are stopped, folders watched and retention kept."""
        settings = self.settings
        patience = Patience((*BUSY, OSError), linger_s=settings.linger_ms / 1000)
        intake = Intake(self.log, Blobs(settings.blobs), settings.tenant, "folder")
        watched = [Worker(f"watch {folder}", WatchedFolder(folder, intake).step) for folder in settings.watch]
        return Workers([*watched, *self._workers()], patience)

    def lag(self) -> int:
        """How many records are waiting for a stage or the warehouse."""
        return sum(runner.lag() for runner in self.runners) + self.loader.lag()

    def _workers(self) -> list[Worker]:
        pauses = Pauses.beside(self.settings.log_path)
        names = tuple(runner.stage.name for runner in self.runners)
        driving = [
            Worker(name, runner.step, lambda name=name: pauses.paused(name))  # type: ignore[misc]
            for name, runner in zip(names, self.runners, strict=True)
        ]
        return [*driving, Worker(LOADER, self.loader.step, lambda: pauses.paused(LOADER), after=names)]


@contextmanager
def opened(settings: Settings, at: Callable[[str], None] = lambda _: None) -> Iterator[Pipeline]:
    """The pipeline of the live generation, holding the log. Raises LogError, SinkError.

    The warehouse is brought to the newest migration first.
    """
    with ExitStack() as stack:
        log = open_log(settings)
        stack.callback(log.close)
        stack.enter_context(log.hold())
        warehouse = open_warehouse(settings)
        stack.callback(warehouse.close)
        warehouse.migrate()
        live = live_lineage(log, warehouse)
        stages = fresh_stages(settings)
        runners = tuple(StageRunner(log, stage, live.live, settings.step_records, at) for stage in stages)
        loader = Loader(
            log, warehouse.sink(live.number), live.load_plan(stages, 2 * settings.step_records), at
        )
        yield Pipeline(log, warehouse, live, runners, loader, settings)
