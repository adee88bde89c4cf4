"""`mailwake warehouse`: its tables and views, brought up to date or shown."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mailwake.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The warehouse's tables and views.")


@app.callback()
def _group() -> None:
    """Commands about the warehouse itself."""


@app.command()
def migrate(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the SQL that would run, and change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Bring tables, views and comments up to date, as up and run do when they start."""
    from mailwake.cli.output import print_json, print_line
    from mailwake.opening import open_warehouse
    from mailwake.settings import load_settings

    settings = load_settings()
    if dry_run:
        statements = _pending(settings)
        if as_json:
            print_json({"dry_run": True, "statements": list(statements)})
            return
        for statement in statements:
            print_line(f"{statement.strip()};\n")
        print_line(
            "-- then a comment on each table, view and column that has none yet, or another one"
            if statements
            else "-- nothing to do"
        )
        return
    with open_warehouse(settings) as warehouse:
        applied = warehouse.migrate()
    if as_json:
        print_json({"applied": list(applied)})
    else:
        print_line("\n".join([*applied, "the warehouse is up to date"]))


@app.command()
def serve() -> None:
    """Serve the embedded warehouse to workers, as a ClickHouse server would be: to try the platform form on one machine.

    Whoever has MAILWAKE_WAREHOUSE_PASSWORD may write; anybody else on this machine may read. Ctrl-C stops.
    """
    import signal

    from mailwake.cli.output import say
    from mailwake.opening import usable_warehouse
    from mailwake.serving import served_to_workers
    from mailwake.settings import load_settings
    from sinks.engine import Engine

    settings = load_settings()
    with Engine(usable_warehouse(settings)) as engine, served_to_workers(engine, settings) as url:
        say(
            f"workers find it by MAILWAKE_WAREHOUSE={url} and the same MAILWAKE_WAREHOUSE_PASSWORD. Ctrl-C stops."
        )
        stopped = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, stopped)
        signal.sigwait(stopped)


def _pending(settings: "Settings") -> Sequence[str]:
    from mailwake.opening import open_warehouse, usable_warehouse
    from sinks.warehouse.warehouse import everything, pending_on

    server = settings.warehouse_server
    if server is not None:
        return pending_on(server)
    if not usable_warehouse(settings).exists():
        return everything()
    with open_warehouse(settings) as warehouse:
        return warehouse.pending()
