"""`mailwake query`: SQL on the warehouse, through the running pipeline or, if none runs, directly."""

import sys
from itertools import chain
from typing import Annotated

import typer


def query(
    sql: Annotated[str, typer.Argument(help="A SELECT; - reads it from stdin.")],
    output_format: Annotated[
        str | None,
        typer.Option("--format", help="A ClickHouse format: PrettyCompact, JSONEachRow, CSVWithNames, …"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON line per row: short for --format JSONEachRow.")
    ] = False,
) -> None:
    """Ask the warehouse, read-only. On a terminal the answer is a table, else tab-separated with names.

    Example: mailwake query "SELECT * FROM freshness"
    """
    from mailwake.cli.failures import USAGE, CommandFailed
    from mailwake.cli.progress import progress, waiting
    from mailwake.querying import ask
    from mailwake.settings import load_settings

    if as_json and output_format:
        raise CommandFailed("say --json or --format, not both", USAGE)
    text = sys.stdin.buffer.read().decode(errors="surrogateescape") if sql == "-" else sql
    standard = "PrettyCompact" if sys.stdout.isatty() else "TabSeparatedWithNames"
    answer = ask(load_settings(), text, "JSONEachRow" if as_json else output_format or standard)
    with waiting("asking the warehouse", as_json=as_json):
        first = next(answer, b"")
    with progress("received", as_json=as_json or sys.stdout.isatty()) as advance:
        for chunk in chain((first,), answer):
            sys.stdout.buffer.write(chunk)
            advance("bytes", len(chunk))
    sys.stdout.buffer.flush()
