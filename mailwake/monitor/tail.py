"""What the monitor of a tail watches."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from mailwake.monitor.pages import Part, Subject
from mailwake.monitor.server import Monitored
from sources.mta_logs.places import TOPIC
from sources.mta_logs.tail import STAGE
from streams.log import LogFull, LogUnavailable, TopicPartition
from streams.running.vitals import Moment, Vitals

if TYPE_CHECKING:
    from mailwake.tail.opening import OpenTail

PARTS = ("log",)

_LOOK_EVERY_S = 5.0
"""How often the log is asked whether it answers."""


@contextmanager
def watching(monitored: Monitored, opened: "OpenTail") -> Iterator[None]:
    """Watch a tail for the length of the block, in which it runs. Raises MonitorCannotListen."""
    vitals = Vitals((), Moment.now())

    def waits(error: Exception | None) -> None:
        if error is None:
            vitals.stepped(STAGE, 0, Moment.now())
        else:
            vitals.waits(STAGE, error)

    part = Part(PARTS[0], partial(opened.log.end, TopicPartition(TOPIC)), (LogFull, LogUnavailable))
    with monitored.watching(Subject(vitals, (part,)), _LOOK_EVERY_S):
        opened.waits = waits
        yield
