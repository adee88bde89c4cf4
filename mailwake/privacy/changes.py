"""What an erasure writes, gathered until all of it is known."""

from collections import defaultdict
from dataclasses import dataclass, field

from mailwake.privacy.documents import Held, Place, as_value, masked
from schemas.documents import DeadLetter, DocumentReceived
from streams.log import NotedLog, Record, TopicPartition
from streams.sqlite.log import SqliteLog

TOLD_AGAIN_MS = 24 * 3600 * 1000
"""A document that came longer ago is not told again by its copy: what its events' ids would be told by is forgotten."""


@dataclass(slots=True)
class Changes:
    """What is to be written, gathered; in SQLite in the place of what was there, in Kafka behind it."""

    log: NotedLog
    now_ms: int
    in_place: dict[TopicPartition, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))
    behind: list[tuple[Held, DocumentReceived | DeadLetter]] = field(default_factory=list)

    def replace(self, one: Held, event: DocumentReceived | DeadLetter) -> None:
        """Let this stand for that record from now on."""
        if isinstance(self.log, SqliteLog):
            self.in_place[one.place.source][one.place.offset] = as_value(event)[1]
            return
        if isinstance(event, DocumentReceived) and event.recorded_at < self.now_ms - TOLD_AGAIN_MS:
            event = event.model_copy(update={"is_copy": True})
        self.behind.append((one, event))

    def mask(self, place: Place, value: bytes) -> bool:
        """Let a record say nothing any more; False where the log can't."""
        if not isinstance(self.log, SqliteLog):
            return False
        self.in_place[place.source].setdefault(place.offset, masked(value))
        return True

    def write(self) -> list[str]:
        """Write it all; what then waits for Kafka's compaction. Raises LogError."""
        if isinstance(self.log, SqliteLog):
            self.log.erase(self.in_place)
            return []
        for one, event in self.behind:
            key, value = as_value(event)
            self.log.append(one.place.source.topic, [Record(one.key or key, value, self.now_ms)])
        return [str(one.place) for one, _ in self.behind]
