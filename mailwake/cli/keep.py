"""`mailwake backup` and `mailwake restore`: the log and its blobs; the warehouse follows from them."""

from pathlib import Path
from typing import Annotated

import typer


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for the backup.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Copy the log, as of now, and the blobs into a new folder, while others go on writing.

    The warehouse is not copied: it is filled again from the log.
    """
    from mailwake.cli.output import print_json, print_line
    from mailwake.keeping import make_backup
    from mailwake.settings import load_settings

    size = make_backup(load_settings(), folder)
    if as_json:
        print_json({"backup": str(folder), "bytes": size})
    else:
        print_line(f"{size:,} bytes in {folder}. To go back to it: mailwake restore {folder}")


def restore(folder: Annotated[Path, typer.Argument(help="A folder that mailwake backup made.")]) -> None:
    """Put a backup in the place of the log, its blobs and the warehouse; what was there is moved aside."""
    from mailwake.cli.output import print_line
    from mailwake.keeping import put_back
    from mailwake.settings import load_settings

    for line in put_back(load_settings(), folder):
        print_line(line)
    print_line("The warehouse is empty now. To fill it from the log: mailwake run --until-idle")
