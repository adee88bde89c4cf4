"""`mailwake worker`: one of several that share the work on a log in Kafka."""

from typing import Annotated

import typer


def worker(
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            help="Do only these parts: documents, count, fold, classify, suppress, warehouse (separated by commas).",
        ),
    ] = None,
) -> None:
    """Work on a log in Kafka until stopped, on the partitions that no other worker has."""
    import asyncio
    import logging

    from mailwake.cli.failures import USAGE, CommandFailed, code_of
    from mailwake.monitor.embedded import PARTS as STANDS_ON
    from mailwake.monitor.server import monitored
    from mailwake.monitor.worker import watching
    from mailwake.settings import load_settings
    from mailwake.worker.ending import Ending, ToldToEnd
    from mailwake.worker.opening import PARTS, opened, require_kafka

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("faust", "mode", "aiokafka", "urllib3", "clickhouse_connect"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    parts = tuple(part.strip() for part in only.split(",")) if only is not None else PARTS
    if unknown := set(parts) - set(PARTS):
        raise CommandFailed(
            f"--only: got {', '.join(sorted(unknown))}, wants some of {', '.join(PARTS)}", USAGE
        )
    settings = load_settings()
    require_kafka(settings)
    ending = Ending().listen()
    say = logging.getLogger("mailwake").info
    say("opening log %s, warehouse %s", settings.log, settings.warehouse)

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def failed(failure: Exception) -> None:
            ending.failed(failure, code_of(failure) or 1)

        with (
            monitored(settings, STANDS_ON) as monitor,
            opened(settings, parts) as process,
            watching(monitor, settings, process),
        ):
            ending.leaves_by(lambda: loop.call_soon_threadsafe(stop.set))
            say("working on %s: %s", settings.log, ", ".join(parts))
            await process.run(stop, failed)

    try:
        asyncio.run(run())
    except ToldToEnd:
        say("told to end before it had begun to work")
