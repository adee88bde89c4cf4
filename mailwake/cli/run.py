"""`mailwake up` and `mailwake run`: drive the pipeline, for ever or until nothing is left."""

import signal
from contextlib import ExitStack
from functools import partial
from typing import Annotated

import typer


def up() -> None:
    """Run until stopped: HTTP intake, watched folders, stages, warehouse, ClickHouse's HTTP interface, metrics, health."""
    import logging

    from mailwake.cli.embedded_only import embedded
    from mailwake.cli.output import note
    from mailwake.intake.opening import served as intake_served
    from mailwake.monitor.embedded import PARTS, ask_engine, ask_server, watching
    from mailwake.monitor.server import monitored
    from mailwake.opening import usable_folders
    from mailwake.pipeline import opened
    from mailwake.serving import served
    from mailwake.settings import load_settings
    from sinks.engine import Engine

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = embedded(load_settings(), "up")
    usable_folders(settings)
    logging.getLogger("mailwake").info("opening log %s, warehouse %s", settings.log, settings.warehouse)
    with (
        monitored(settings, PARTS) as monitor,
        opened(settings) as pipeline,
        ExitStack() as stack,
    ):
        server = settings.warehouse_server
        if server is None:
            engine = stack.enter_context(Engine(settings.warehouse_path))
            url = stack.enter_context(served(engine, settings))
            curl, check = f"curl '{url}/?query=SELECT+1', or ", partial(ask_engine, engine)
        else:
            url, curl, check = server.where, "", partial(ask_server, server)
        workers = pipeline.workers()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: workers.stopping.set())
        stack.enter_context(intake_served(settings, pipeline.log, workers.stopping.set))
        with watching(monitor, pipeline, check, workers):
            logging.getLogger("mailwake").info("up: queries at %s", url)
            note(f'query it: {curl}mailwake query "SELECT * FROM freshness". Ctrl-C stops.')
            workers.run(until_idle=False)


def run(
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Stop when nothing is left to do.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Drive stages and warehouse without serving queries; with --until-idle, as far as the log reaches."""
    from mailwake.cli.embedded_only import embedded
    from mailwake.cli.failures import USAGE, CommandFailed
    from mailwake.cli.output import print_json, print_line
    from mailwake.cli.progress import progress
    from mailwake.pipeline import opened
    from mailwake.settings import load_settings
    from replay.lineage import LOADER
    from streams.log import TopicPartition

    letters_topic = TopicPartition("dead.letters")
    if not until_idle:
        raise CommandFailed("say --until-idle, or use mailwake up to run until stopped", USAGE)
    with progress(as_json=as_json) as advance, opened(embedded(load_settings(), "run")) as pipeline:
        done = dict.fromkeys((*(runner.stage.name for runner in pipeline.runners), LOADER), 0)

        def count(name: str, records: int) -> None:
            done[name] += records
            advance(name, records)

        before = pipeline.log.end(letters_topic)
        pipeline.drain(count)
        letters = pipeline.log.end(letters_topic) - before
    if as_json:
        print_json({"records": done, "dead_letters": letters})
    else:
        said = ", ".join(f"{name} {records:,} records" for name, records in done.items())
        print_line(said if any(done.values()) else "nothing was left to do")
        if letters:
            print_line(f"{letters:,} records could not be understood: mailwake dead-letters list")
