"""The embedded pipeline: one process that holds the log, drives the stages and loads the warehouse."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from mailwake.keyring.opening import KeysWhenAsked, letter_seal
from mailwake.opening import open_log, open_warehouse
from mailwake.reading import document_stage
from mailwake.rulesets import ruleset_of
from mailwake.settings import Settings
from processors.classification.stage import ClassifyStage
from processors.reputation.stage import ReputationStage
from processors.stage import Stage
from processors.suppressions.stage import SuppressStage
from replay.lineage import LOADER, Lineage, live_lineage
from schemas.record import now_ms
from sinks.loading import Loader
from sinks.sink import SinkBusy, SinkFull
from sinks.warehouse.warehouse import Warehouse
from sources.documents import DocumentIntake
from sources.watch import FolderBusy, WatchedFolder
from streams.blobs import Blobs
from streams.log import LogFull, LogUnavailable
from streams.running.pauses import Pauses
from streams.running.runner import StageRunner
from streams.running.vitals import Watched
from streams.running.workers import Patience, Worker, Workers
from streams.sqlite.log import SqliteLog

BUSY = (LogFull, LogUnavailable, SinkBusy, SinkFull)
"""What passes: the disk is full, the log's servers are away, the warehouse is busy."""

RETENTION_EVERY_S = 300.0


def fresh_stages(settings: Settings) -> list[Stage]:
    """Every stage of the embedded pipeline, with no state; each after those whose output it takes."""
    return [
        document_stage(settings),
        ReputationStage(),
        ClassifyStage(ruleset_of(settings)),
        SuppressStage(),
    ]


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
        patience = Patience(
            (*BUSY, FolderBusy), linger_s=settings.linger_ms / 1000, full_step=settings.step_records
        )
        intake = DocumentIntake(
            self.log,
            Blobs(settings.blobs),
            settings.tenant,
            "folder",
            keys=KeysWhenAsked(settings),
            from_domain=settings.from_domain,
        )
        watched = [Worker(f"watch {folder}", WatchedFolder(folder, intake).step) for folder in settings.watch]
        return Workers(
            [*watched, *self._workers(), Worker("retention", RetentionSweep(self.log).step)], patience
        )

    def lag(self) -> int:
        """How many records are waiting for a stage or the warehouse."""
        return sum(runner.lag() for runner in self.runners) + self.loader.lag()

    def watched(self) -> list[Watched]:
        """The stages and the loader, each as who watches it sees it."""
        pauses = Pauses.beside(self.settings.log_path)
        parts: dict[str, StageRunner | Loader] = {
            **{runner.stage.name: runner for runner in self.runners},
            LOADER: self.loader,
        }
        return [
            Watched(name, part.lag, part.lag_seconds, partial(pauses.paused, name))
            for name, part in parts.items()
        ]

    def _workers(self) -> list[Worker]:
        pauses = Pauses.beside(self.settings.log_path)
        names = tuple(runner.stage.name for runner in self.runners)
        driving = [
            Worker(name, runner.step, lambda name=name: pauses.paused(name), after=names[:earlier])  # type: ignore[misc]
            for earlier, (name, runner) in enumerate(zip(names, self.runners, strict=True))
        ]
        return [*driving, Worker(LOADER, self.loader.step, lambda: pauses.paused(LOADER), after=names)]


@dataclass(slots=True)
class RetentionSweep:
    """Applies retention to the log, now and then."""

    log: SqliteLog
    _next: float = 0.0

    def step(self) -> int:
        """Apply it if it is time; nothing that anybody waits for. Raises LogError."""
        if time.monotonic() >= self._next:
            self.log.retain(now_ms())
            self._next = time.monotonic() + RETENTION_EVERY_S
        return 0


@contextmanager
def opened(settings: Settings, at: Callable[[str], None] = lambda _: None) -> Iterator[Pipeline]:
    """The pipeline of the live generation, holding the log. Raises SettingsError, LogError, SinkError.

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
        seal = letter_seal(settings)
        runners = tuple(
            StageRunner(log, stage, live.live, settings.step_records, at, seal=seal) for stage in stages
        )
        sink = warehouse.sink(live.number)
        stack.callback(sink.close)
        plan = replace(live.load_plan(stages, settings.step_records), seal=seal)
        loader = Loader(log, sink, plan, at)
        stack.callback(loader.close)
        yield Pipeline(log, warehouse, live, runners, loader, settings)
