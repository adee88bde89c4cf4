"""`mailwake query`: SQL on the warehouse, through the running pipeline or, if none runs, directly."""

import sys
from typing import Annotated

import typer


def query(
    sql: Annotated[str, typer.Argument(help="A SELECT; - reads it from stdin.")],
    output_format: Annotated[
        str | None,
        typer.Option("--format", help="A ClickHouse format: PrettyCompact, JSONEachRow, CSVWithNames, …"),
    ] = None,
) -> None:
    """Ask the warehouse, read-only. On a terminal the answer is a table, else tab-separated with names.

    Example: mailwake query "SELECT * FROM freshness"
    """
    from mailwake.querying import ask
    from mailwake.settings import load_settings

    text = sys.stdin.read() if sql == "-" else sql
    chosen = output_format or ("PrettyCompact" if sys.stdout.isatty() else "TabSeparatedWithNames")
    for chunk in ask(load_settings(), text, chosen):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
