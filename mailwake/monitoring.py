"""What the monitor of the embedded pipeline watches."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from mailwake.monitor import Part, Subject
from mailwake.monitor_server import Monitored
from mailwake.pipeline import Pipeline
from sinks.engine import Engine
from sinks.sink import SinkBusy
from streams import metrics
from streams.log import LogFull
from streams.topics import plain
from streams.vitals import Moment, Vitals
from streams.workers import Workers

PARTS = ("log", "warehouse")


@contextmanager
def watching(monitored: Monitored, pipeline: Pipeline, engine: Engine, workers: Workers) -> Iterator[None]:
    """Watch these workers for the length of the block, in which they run. Raises MonitorCannotListen."""
    vitals = Vitals(pipeline.watched(), Moment.now())
    parts = (
        Part("log", pipeline.log.stats, (LogFull,)),
        Part("warehouse", lambda: _ask(engine), (SinkBusy,)),
    )
    with monitored.watching(Subject(vitals, parts, lambda: _measure(pipeline))) as watched:
        if watched:
            workers.progress = lambda name, records: vitals.stepped(name, records, Moment.now())
            workers.waits = vitals.waits
        yield


def _ask(engine: Engine) -> None:
    """Raises when the warehouse does not answer."""
    connection = engine.connect()
    try:
        connection.query("SELECT count() FROM mailwake.positions_told", "Null")
    finally:
        connection.close()


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
    places = {
        "log": pipeline.settings.log_path.absolute().parent,
        "warehouse": pipeline.settings.warehouse_path,
    }
    for part, folder in places.items():
        metrics.FREE_BYTES.set(shutil.disk_usage(folder).free, part)
