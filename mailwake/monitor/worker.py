"""What the monitor of a worker watches, and the end of one that is stuck."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from mailwake.monitor.embedded import ask_server
from mailwake.monitor.looking import looking
from mailwake.monitor.pages import Part, Subject
from mailwake.monitor.server import Monitored
from mailwake.settings import Settings
from mailwake.worker.process import WorkerProcess
from replay.lineage import LOADER
from sinks.sink import SinkBusy
from streams import metrics
from streams.kafka.log import KafkaLog
from streams.log import LogFull, LogUnavailable, TopicPartition
from streams.running.vitals import Moment, Vitals
from streams.topics import TOPICS

logger = logging.getLogger(__name__)

WEDGED = 70
"""The exit code of a worker that was stuck (EX_SOFTWARE of sysexits.h)."""

_LOOK_EVERY_S = 5.0
"""How often the broker is asked how much waits: some requests for each partition."""


@contextmanager
def watching(monitored: Monitored, settings: Settings, process: WorkerProcess) -> Iterator[None]:
    """Watch a worker for the length of the block, in which it runs. Raises MonitorCannotListen."""
    vitals = Vitals(process.watched(), Moment.now())
    process.tell(lambda name, records: vitals.stepped(name, records, Moment.now()), vitals.waits)
    log, server = process.log, settings.warehouse_server
    parts = [Part("log", lambda: log.end(TopicPartition(TOPICS[0].name)), (LogFull, LogUnavailable))]
    if server is not None and LOADER in process.pumps:
        parts.append(Part("warehouse", partial(ask_server, server), (SinkBusy,)))
    subject = Subject(vitals, parts, lambda: _measure(log))
    with (
        monitored.watching(subject, _LOOK_EVERY_S),
        looking([partial(_end_if_stuck, vitals, settings.stall_seconds)], _LOOK_EVERY_S),
    ):
        yield


def _end_if_stuck(vitals: Vitals, stall_s: float, at: Moment) -> None:
    vitals.look(at)
    found = [one for one in vitals.conditions(Moment.now()) if one.stuck(stall_s)]
    if found:
        told = ", ".join(f"{one.name} ({one.waiting} records wait)" for one in found)
        logger.critical(
            "no progress for %d s, and nothing is waited for: %s. This worker ends; nothing is lost, its partitions "
            "go to others or to the next one",
            stall_s,
            told,
        )
        os._exit(WEDGED)


def _measure(log: KafkaLog) -> None:
    for topic in TOPICS:
        metrics.TOPIC_END.set(sum(log.end(source) for source in log.partitions(topic.name)), topic.name)
