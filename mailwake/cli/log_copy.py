"""`mailwake log copy`: what one log was told into another, to move to Kafka, back, or to other partitions."""

from typing import Annotated

import typer

app = typer.Typer(
    name="log", no_args_is_help=True, help="Copy a log into another: to Kafka, back, or to other partitions."
)


@app.callback()
def _group() -> None:
    """Copy a log into another: to Kafka, back, or to other partitions."""


@app.command()
def copy(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="The log to copy, as MAILWAKE_LOG names one.")
    ],
    target: Annotated[str, typer.Argument(metavar="TO", help="The log to copy to; made if it is missing.")],
    partitions: Annotated[
        int | None,
        typer.Option(min=1, max=1_000, help="In Kafka, if it is made now; else MAILWAKE_KAFKA_PARTITIONS."),
    ] = None,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on though retention removed some of the facts.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Copy documents and events to another log, whose pipeline derives the rest anew.

    Nothing may run on the target meanwhile; the source may go on. Run again, it goes on where it was, and copies
    what came since. Blobs are not copied: give both the same MAILWAKE_BLOBS.

    Example: mailwake log copy sqlite:///mailwake.db kafka://127.0.0.1:9092
    """
    from contextlib import ExitStack, closing

    from mailwake.cli.failures import USAGE, CommandFailed
    from mailwake.cli.output import note, print_json, print_line
    from mailwake.cli.progress import progress
    from mailwake.keyring import of_log
    from mailwake.opening import open_any_log, open_log_as_it_is
    from mailwake.settings import SettingsError, load_settings
    from streams.log_copy import Copying, copy_log

    settings = load_settings()
    if partitions:
        settings = settings.model_copy(update={"kafka_partitions": partitions})
    with ExitStack() as stack:
        try:
            origin = stack.enter_context(closing(open_log_as_it_is(settings, source)))
            made = stack.enter_context(closing(open_any_log(settings, target)))
        except SettingsError:
            raise
        except ValueError as error:
            raise CommandFailed(f"a log's address is {error}", USAGE) from None
        with progress("copied", at_first="copying", as_json=as_json) as advance:
            of_log.check_copy(origin, made)
            copied = copy_log(origin, made, Copying(accept_loss=accept_loss), advance)
            of_log.carry_over(origin, made)
    if as_json:
        print_json({"from": source, "to": target, "copied": dict(copied)})
        return
    told = ", ".join(f"{count:,} of {topic}" for topic, count in copied.items())
    print_line(f"{sum(copied.values()):,} records copied ({told})")
    note(
        "run it again to copy what has come since; the target's pipeline needs a warehouse of its own, empty at first"
    )
