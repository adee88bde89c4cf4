"""`mailwake intake`: what comes in over HTTP, as a process of its own."""


def intake() -> None:
    """Take events, documents and webhooks over HTTP into the log until stopped; several may run on one log.

    `mailwake up` does this too. With MAILWAKE_SPOOL it goes on while Kafka is away.
    """
    import gc
    import logging
    import signal
    import threading

    from mailwake.cli.failures import USAGE, CommandFailed
    from mailwake.intake.opening import opened
    from mailwake.monitor.server import monitored
    from mailwake.settings import load_settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("aiokafka", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    settings = load_settings()
    if not (settings.intake_host and settings.intake_port):
        raise CommandFailed(
            "nowhere to listen: MAILWAKE_INTAKE_HOST is empty, or MAILWAKE_INTAKE_PORT is 0", USAGE
        )
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with monitored(settings, ("log",)) as monitor, opened(settings, monitor, stopping.set):
        gc.freeze()
        # Of hundreds of requests in hand nothing is garbage, and every 700 objects they would all be gone through for it.
        gc.set_threshold(10_000, 20, 50)
        while not stopping.wait(0.5):
            pass
    logging.getLogger("mailwake").info("ended: what was answered with 2xx is in the log, or in the spool")
