"""What the monitor of the embedded pipeline watches."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from mailwake.monitor.looking import looking
from mailwake.monitor.pages import Part, Subject
from mailwake.monitor.server import LOOK_EVERY_S, Monitored
from mailwake.pipeline import Pipeline
from sinks.engine import Engine
from sinks.sink import SinkBusy
from sinks.warehouse.client import connected
from sinks.warehouse.server import Server, Timeouts
from streams import metrics
from streams.log import LogFull
from streams.running.vitals import Moment, Vitals
from streams.running.workers import Workers
from streams.topics import plain

PARTS = ("log", "warehouse")

SOON = Timeouts(connect=2, answer=5)
"""How long whoever asks whether a server is usable waits for it."""


@contextmanager
def watching(
    monitored: Monitored, pipeline: Pipeline, ask: Callable[[], None], workers: Workers
) -> Iterator[None]:
    """Watch these workers for the length of the block, in which they run. Raises MonitorCannotListen.

    `ask` raises when the warehouse does not answer; it is called by other threads than the pipeline's.
    """
    vitals = Vitals(pipeline.watched(), Moment.now())
    parts = (
        Part("log", pipeline.log.stats, (LogFull,)),
        Part("warehouse", ask, (SinkBusy,)),
    )
    with monitored.watching(Subject(vitals, parts, lambda: _measure(pipeline))) as watched:
        if watched:
            workers.progress = lambda name, records: vitals.stepped(name, records, Moment.now())
            workers.waits = vitals.waits
            with looking([vitals.look], LOOK_EVERY_S):
                yield
        else:
            yield


def ask_engine(engine: Engine) -> None:
    """Raises when the embedded warehouse does not answer."""
    connection = engine.connect()
    try:
        connection.query("SELECT count() FROM mailwake.positions_told", "Null")
    finally:
        connection.close()


def ask_server(server: Server) -> None:
    """Raises when a warehouse on a server does not answer, or not soon."""
    client = connected(replace(server, timeouts=SOON))
    try:
        client.rows(f"SELECT count() FROM {server.database}.positions_told")
    finally:
        client.close()


def _measure(pipeline: Pipeline) -> None:
    ends: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for partition in pipeline.log.stats():
        topic = plain(partition.source.topic)
        ends[topic] = ends.get(topic, 0) + (partition.end if topic == partition.source.topic else 0)
        sizes[topic] = sizes.get(topic, 0) + partition.bytes
    for topic, end in ends.items():
        metrics.TOPIC_END.set(end, topic)
        metrics.TOPIC_BYTES.set(sizes[topic], topic)
    places = {"log": pipeline.settings.log_path.absolute().parent}
    if pipeline.settings.warehouse_server is None:
        places["warehouse"] = pipeline.settings.warehouse_path
    for part, folder in places.items():
        metrics.FREE_BYTES.set(shutil.disk_usage(folder).free, part)
