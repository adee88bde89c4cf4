"""`mailwake backup` and `mailwake restore`: the log and its blobs; the warehouse follows from them."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for the backup.")],
    as_json: AsJson = False,
) -> None:
    """Copy the log, as of now, and the blobs into a new folder, while others go on writing.

    The warehouse is not copied: it is filled again from the log. Nor is the keyring: sealed documents can't be read
    without it, so keep copies of it, and of its journal of erasures, somewhere else; so too of the files of API keys and of
    webhooks, whose secrets no backup of mail should hold.
    """
    from mailwake.backup import left_out_of_backups, make_backup
    from mailwake.cli.embedded_only import embedded
    from mailwake.cli.output import print_json, print_line
    from mailwake.cli.progress import progress
    from mailwake.settings import load_settings

    settings = embedded(load_settings(), "backup")
    with progress("copied", at_first="copying", as_json=as_json) as advance:
        size = make_backup(settings, folder, advance)
    left_out = left_out_of_backups(settings)
    if as_json:
        print_json({"backup": str(folder), "bytes": size, "left_out": left_out})
    else:
        print_line(f"{size:,} bytes in {folder}. To restore it: mailwake restore {folder}")
        print_line(f"not included, keep copies of these elsewhere: {', '.join(left_out)}")


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that mailwake backup made.")],
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of the log, its blobs and the warehouse; what was there is moved aside.

    A warehouse on a server stays as it is.
    """
    from mailwake.backup import restore_backup
    from mailwake.cli.embedded_only import embedded
    from mailwake.cli.output import complain, note, print_json, print_line
    from mailwake.cli.progress import progress
    from mailwake.settings import load_settings

    settings = embedded(load_settings(), "restore")
    moved: list[tuple[Path, Path]] = []
    again: list[int] = []
    try:
        with progress("copied", at_first="copying", as_json=as_json) as advance:
            for pair in restore_backup(settings, folder, advance, again.append):
                moved.append(pair)
    finally:
        # Said whatever happens: a restore that fails half-way has moved some of it.
        if not as_json:
            for place, now in moved:
                print_line(f"{place} is now {now.name}")
    if as_json:
        places = {str(place): str(now) for place, now in moved}
        print_json({"restored": str(folder), "moved": places, "erased_again": sum(again)})
        return
    if not again:
        complain(
            "there is no keyring: documents that were sealed can't be read, and no erasure was applied again"
        )
    elif again[0]:
        print_line(f"erased again, by the keyring's journal: {again[0]}")
    else:
        print_line("nothing was erased again: the keyring's journal of erasures is empty")
    if settings.warehouse_server:
        print_line(f"{folder} is in place, and the warehouse on the server is as it was")
        note(
            "if it has loaded more than this log holds, it says so and names the way out: mailwake run --until-idle"
        )
    else:
        print_line(f"{folder} is in place, and the warehouse is empty")
        note("to fill it from the log: mailwake run --until-idle")
