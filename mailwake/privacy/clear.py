"""Events that hold an address in clear, though they are made to hold none: in a text that nobody took it out of."""

from collections.abc import Callable, Iterator

from mailwake.privacy.traces import Traces
from schemas.codec import Undecodable, decode
from streams.log import Log, NotedLog
from streams.topics import plain

BY_HASH = ("mail.events", "mail.classified", "suppressions.evidence", "suppressions")
"""The topics whose events know a recipient by its hash."""

LOOKED_AT = 1_000_000
"""The latest records of each partition that are looked through."""
STEP = 10_000


def events_in_clear(log: NotedLog, traces: Traces, advance: Callable[[str, int], None]) -> dict[str, int]:
    """By topic, how many of the latest events have the address in any text. Raises LogError."""
    topics = log.topics()
    found: dict[str, int] = {}
    for topic in (topic for topic in topics if plain(topic) in BY_HASH):
        count = sum(_mentions(value, traces) for value in _suspects(log, topic, traces, advance))
        if count:
            found[topic] = count
    return found


def _suspects(log: Log, topic: str, traces: Traces, advance: Callable[[str, int], None]) -> Iterator[bytes]:
    for source in log.partitions(topic):
        end = log.end(source)
        offset = max(log.begin(source), end - LOOKED_AT)
        while offset < end and (batch := log.read(source, offset, STEP)).next > offset:
            advance(topic, len(batch))
            values = [value for value in batch.values if value is not None]
            if traces.screen(b"\n".join(values)) is not None:
                yield from (value for value in values if traces.screen(value) is not None)
            offset = batch.next


def _mentions(value: bytes, traces: Traces) -> bool:
    """Whether it does in one of its texts: in the record the length of a text stands before it, which may be a letter."""
    try:
        texts = [text.encode() for text in decode(value).__dict__.values() if isinstance(text, str)]
    except Undecodable:
        texts = [value]
    return any(next(traces.spans(text), None) is not None for text in texts)
