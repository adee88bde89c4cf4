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
    help="What became of the mail you send: all that happens to it is an event in a log, and the rest a fold over that.",
)

RUN, BRING, ASK, LOOK_AFTER, PLATFORM = (
    "Run it",
    "Bring in what happened",
    "Ask",
    "Look after it",
    "Logs in Kafka, schemas, tables",
)
"""The panels that the help lists commands in."""

for panel, commands in (
    (RUN, (demo.demo, run.up, run.run, worker.worker, intake.intake)),
    (BRING, (emit.emit, ingest.ingest, inspect.inspect, tail.tail, simulate.simulate)),
    (ASK, (query.query, message.message, classify.classify)),
    (LOOK_AFTER, (status.status, status.pause, status.resume, backup.backup, backup.restore)),
):
    for command in commands:
        app.command(rich_help_panel=panel)(command)

for panel, groups in (
    (BRING, {"hooks": hooks.app, "keys": keys.app}),
    (ASK, {"suppressed": suppressed.app, "rules": rules.app}),
    (
        LOOK_AFTER,
        {
            "dead-letters": dead_letters.app,
            "replay": replay.app,
            "privacy": privacy.app,
            "keyring": keyring.app,
        },
    ),
    (
        PLATFORM,
        {"topics": topics.app, "schemas": schemas.app, "warehouse": warehouse.app, "log": log_copy.app},
    ),
):
    for name, group in groups.items():
        app.add_typer(group, name=name, rich_help_panel=panel)
