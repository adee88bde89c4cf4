"""A log, a warehouse and blobs in a folder, worked on as the commands do: opened, held, closed each time."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from processors.documents.stage import DocumentStage
from processors.reputation.stage import ReputationStage
from processors.stage import Stage
from replay.differences import compare_view
from replay.lineage import LOADED, live_lineage
from replay.verify import live_lane
from replay.view import ends_now
from replay.work import Pace, Replay
from sinks.warehouse.warehouse import Warehouse
from sources.simulator import Scenario, into_log
from streams.blobs import Blobs
from streams.log import Record
from streams.sqlite_log import SqliteLog
from streams.topics import TOPICS

START_MS = 1_780_272_000_000
DAY_MS = 86_400_000
Rows = Sequence[Sequence[object]]


class Crash(BaseException):
    """What a killed process does not survive: nothing may catch it."""


@dataclass(frozen=True)
class House:
    folder: Path
    step_records: int = 400

    def log(self) -> SqliteLog:
        self.folder.mkdir(exist_ok=True)
        return SqliteLog.open(self.folder / "mailwake.db", TOPICS)

    def stages(self) -> list[Stage]:
        return [DocumentStage(Blobs(self.folder / "blobs").get), ReputationStage()]

    @contextmanager
    def replay(self, at: Callable[[str], None] = lambda _: None) -> Iterator[Replay]:
        with ExitStack() as stack:
            log = self.log()
            stack.callback(log.close)
            stack.enter_context(log.hold())
            warehouse = Warehouse.open(f"chdb://{self.folder / 'warehouse'}")
            stack.callback(warehouse.close)
            warehouse.migrate()
            yield Replay(log, warehouse, self.stages, Pace(self.step_records), at=at)

    def run(self) -> None:
        """Drive the live pipeline until nothing is left."""
        with self.replay() as replay:
            live = live_lineage(replay.log, replay.warehouse)
            live_lane(replay, live, {}).drain()

    def simulate(self, seed: int = 1, start_ms: int = START_MS, days: float = 2) -> None:
        log = self.log()
        into_log(log, Scenario(seed, start_ms, days, 3, 100, "none", late_share=0.05, repeat_share=0.05))
        log.close()

    def append(self, topic: str, values: Iterable[bytes], timestamp: int = START_MS) -> None:
        log = self.log()
        log.append(topic, [Record(None, value, timestamp) for value in values])
        log.close()

    def views(self, generation: int | None = None) -> dict[str, tuple[int, str]]:
        """Count and digest of every view that says whether two generations are equal."""
        with self.replay() as replay:
            shown = replay.warehouse.current_generation() if generation is None else generation
            names = [view.name for view in replay.warehouse.views() if view.compared]
            found = [compare_view(replay.warehouse, name, shown, shown) for name in names]
            return {each.view: (each.live_rows, each.live_digest) for each in found}

    def ends(self) -> dict[str, int]:
        log = self.log()
        found = {source.topic: end for source, end in ends_now(log, LOADED).items()}
        log.close()
        return found

    def copy(self, folder: Path) -> "House":
        shutil.copytree(self.folder, folder, symlinks=True)
        return replace(self, folder=folder)
