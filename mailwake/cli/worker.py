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
    import signal

    from mailwake.cli.failures import USAGE, CommandFailed, code_of
    from mailwake.monitor_server import monitored
    from mailwake.monitoring import PARTS as STANDS_ON
    from mailwake.settings import load_settings
    from mailwake.worker import PARTS, opened
    from mailwake.worker_watch import end_soon, watching

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("faust", "mode", "aiokafka", "urllib3", "clickhouse_connect"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    parts = tuple(part.strip() for part in only.split(",")) if only is not None else PARTS
    if unknown := set(parts) - set(PARTS):
        raise CommandFailed(
            f"--only: got {', '.join(sorted(unknown))}, wants some of {', '.join(PARTS)}", USAGE
        )
    settings = load_settings()

    async def run() -> None:
        stop = asyncio.Event()

        def end() -> None:
            end_soon()
            stop.set()

        def failed(failure: Exception) -> None:
            end_soon(failure, code_of(failure) or 1)

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, end)
        with (
            monitored(settings, STANDS_ON) as monitor,
            opened(settings, parts) as process,
            watching(monitor, settings, process),
        ):
            logging.getLogger("mailwake").info("working on %s: %s", settings.log, ", ".join(parts))
            await process.run(stop, failed)

    asyncio.run(run())
