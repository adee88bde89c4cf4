"""The command line's root: mounts every command."""

import typer

from mailwake.cli import (
    backup,
    classify,
    dead_letters,
    demo,
    emit,
    hooks,
    ingest,
    inspect,
    intake,
    keyring,
    keys,
    log_copy,
    message,
    privacy,
    query,
    replay,
    rules,
    run,
    schemas,
    simulate,
    status,
    suppressed,
    tail,
    topics,
    warehouse,
    worker,
)
from mailwake.cli.usage import Commands

app = typer.Typer(
    name="mailwake",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Everything that happens to your mail is an event in a log; reputation, DMARC and dashboards are folds over it.",
)

app.command()(demo.demo)
app.command()(run.up)
app.command()(run.run)
app.command()(worker.worker)
app.command()(intake.intake)
app.command()(emit.emit)
app.command()(ingest.ingest)
app.command()(inspect.inspect)
app.command()(tail.tail)
app.command()(simulate.simulate)
app.command()(classify.classify)
app.command()(query.query)
app.command()(message.message)
app.command()(status.status)
app.command()(status.pause)
app.command()(status.resume)
app.add_typer(dead_letters.app, name="dead-letters")
app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(keys.app, name="keys")
app.add_typer(hooks.app, name="hooks")
app.add_typer(privacy.app, name="privacy")
app.add_typer(keyring.app, name="keyring")
app.add_typer(log_copy.app, name="log")
app.add_typer(suppressed.app, name="suppressed")
app.add_typer(replay.app, name="replay")
app.add_typer(rules.app, name="rules")
app.add_typer(warehouse.app, name="warehouse")
app.add_typer(topics.app, name="topics")
app.add_typer(schemas.app, name="schemas")
