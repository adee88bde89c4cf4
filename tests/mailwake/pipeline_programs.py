"""Programs that tests run as processes of their own: pipelines that die at a chosen place, readers of all views.

    die PLACE NTH      run the pipeline until idle; the process kills itself at the NTH time that PLACE is reached
    stop PLACE NTH     the same, with SIGSTOP: it goes on when it gets SIGCONT
    up-behind STAGE GATE   `mailwake up`, but the stage takes nothing as long as the file GATE exists
    views              print every view's rows as JSON
    finish             run the pipeline until idle, then the same
    emit NAME BATCHES  emit batches of events, saying each batch's number once it was acknowledged

A place is a worker and a boundary (`reputation flushed`), or one of those that they make inside a step:
`WORKER writing` (the transaction has appended and not yet committed), `warehouse TABLE` (the data of that table is
in and its position is not), `warehouse position` (the position is in and the log does not know of it), and
`migrating N` (so many statements of the warehouse's making are done).
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sinks.warehouse.warehouse import Warehouse

EVENTS_OF_A_BATCH = 50
FATES = {"die": signal.SIGKILL, "stop": signal.SIGSTOP}


class Fate:
    """A signal that the process gets the nth time that a place is reached."""

    def __init__(self, sent: signal.Signals, place: str, nth: int) -> None:
        self._signal, self._place, self._left = sent, place, nth

    def at(self, place: str) -> None:
        if place == self._place:
            self._left -= 1
            if self._left == 0:
                # To this thread, which must not take another step before the signal has reached the process.
                signal.pthread_kill(threading.get_ident(), self._signal)


def run(fate: Fate) -> None:
    from mailwake.cli.failures import explained
    from mailwake.pipeline import opened
    from mailwake.settings import load_settings

    _inside_transactions(fate)
    _inside_the_warehouse(fate)
    with (
        explained(),
        opened(load_settings(), lambda boundary: fate.at(f"{_worker()} {boundary}")) as pipeline,
    ):
        pipeline.drain()


def _worker() -> str:
    return threading.current_thread().name


def _inside_transactions(fate: Fate) -> None:
    from streams.sqlite.log import SqliteLog

    commit = SqliteLog._commit

    def dying(self: SqliteLog, *arguments: Any) -> None:
        commit(self, *arguments)
        fate.at(f"{_worker()} writing")

    SqliteLog._commit = dying  # type: ignore[method-assign]


def _inside_the_warehouse(fate: Fate) -> None:
    from sinks.warehouse.client import Client

    insert: Callable[..., None] = Client.insert
    command: Callable[..., None] = Client.command

    def dying_insert(self: Client, table: str, *arguments: Any, **named: Any) -> None:
        insert(self, table, *arguments, **named)
        fate.at(f"{_worker()} {'position' if table == 'positions_told' else table}")

    def dying_command(self: Client, *arguments: Any, **named: Any) -> None:
        command(self, *arguments, **named)
        fate.at("migrating")

    Client.insert = dying_insert  # type: ignore[method-assign]
    Client.command = dying_command  # type: ignore[method-assign]


def up_behind(stage: str, gate: Path) -> None:
    from mailwake.cli.failures import explained
    from mailwake.cli.run import up
    from streams.running.runner import StageRunner

    step = StageRunner.step

    def hanging(self: StageRunner) -> int:
        while self.stage.name == stage and gate.exists():
            time.sleep(0.01)
        return step(self)

    StageRunner.step = hanging  # type: ignore[method-assign]
    with explained():
        up()


def finish() -> None:
    from mailwake.pipeline import opened
    from mailwake.settings import load_settings

    with opened(load_settings()) as pipeline:
        pipeline.drain()
        _print_views(pipeline.warehouse)


def views() -> None:
    from mailwake.opening import open_warehouse
    from mailwake.settings import load_settings

    with open_warehouse(load_settings()) as warehouse:
        _print_views(warehouse)


def _print_views(warehouse: "Warehouse") -> None:
    from mailwake.opening import usable_warehouse
    from mailwake.settings import load_settings
    from sinks.engine import Engine

    found = {}
    with Engine(usable_warehouse(load_settings())) as engine:
        connection = engine.connect()
        for view in warehouse.views():
            sql = warehouse.view_sql(view.name, warehouse.current_generation())
            if view.name == "freshness":
                sql = f"SELECT * EXCEPT (loaded_at) FROM ({sql})"
            answer = bytes(connection.query(sql, "JSONEachRow").bytes()).decode(errors="surrogateescape")
            found[view.name] = sorted(answer.split("\n")[:-1])
        connection.close()
    sys.stdout.write(json.dumps(found))


def emit(name: str, batches: int) -> None:
    from mailwake import Emitter

    with Emitter() as emitter:
        for number in range(batches):
            emitter.emit_many(batch_of(name, number))
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


def batch_of(name: str, number: int) -> list[dict[str, Any]]:
    """The events of one batch; the same batch is the same facts whenever it is told."""
    return [
        {
            "type": "MessageSent",
            "source": "test",
            "source_event_id": f"{name}-{number}-{index}",
            "occurred_at": 1_780_272_000_000 + number * 1_000 + index,
            "from_domain": f"{name}.example",
        }
        for index in range(EVENTS_OF_A_BATCH)
    ]


def main() -> None:
    name, *arguments = sys.argv[1:]
    if name in FATES:
        run(Fate(FATES[name], arguments[0], int(arguments[1])))
    elif name == "up-behind":
        up_behind(arguments[0], Path(arguments[1]))
    elif name == "views":
        views()
    elif name == "finish":
        finish()
    elif name == "emit":
        emit(arguments[0], int(arguments[1]))
    else:
        raise SystemExit(f"no program {name}")


if __name__ == "__main__":
    main()
