"""A log in Kafka behind a spool: what an Emitter writes to when it must not wait for a broker."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from streams.kafka.batches import encode
from streams.kafka.cluster import KafkaCluster
from streams.kafka.log import KafkaLog
from streams.kafka.topics import LARGEST_BATCH
from streams.log import NotedLog, Record, Topic
from streams.spool.draining import Drainer, Draining
from streams.spool.spool import Emit, Held, Spool

BATCH_BYTES = 200
"""What a batch takes beside the key and value of its only record, at most."""

_TIMEOUT_S = 10.0


class SpoolTarget:
    """The log as the drainer sees it; see `streams.spool.draining.Target`."""

    def __init__(
        self, cluster: KafkaCluster, topics: Sequence[Topic], spool_id: str, meets: Callable[[NotedLog], None]
    ) -> None:
        """Open the log and take over from whoever drained this spool before, once `meets` has nothing against that log.

        Raises LogError, LogUnavailable.
        """
        self._log = KafkaLog.open(cluster, topics, _TIMEOUT_S)
        try:
            meets(self._log)
            self._topics = topics
            self._appends = self._log.numbered(f"spool.{spool_id}")
        except BaseException:
            self._log.close()
            raise

    def last(self) -> int | None:
        """See `Target.last`."""
        return self._appends.last()

    def append_all(self, records: Mapping[str, Sequence[Record]], number: int) -> None:
        """See `Target.append_all`."""
        self._appends.append_all(records, number)

    def limits(self) -> Mapping[str, int]:
        """See `Target.limits`."""
        names = {topic.name: self._log.cluster.topic(topic.name) for topic in self._topics}
        found = self._log.routing.limits_of(set(names.values()))
        return {topic: found[name] for topic, name in names.items()}

    def close(self) -> None:
        """See `Target.close`."""
        self._log.close()


class SpooledLog:
    """Takes emits into a spool, and drains it into the log meanwhile."""

    def __init__(self, spool: Spool, drainer: Drainer, how: Draining) -> None:
        self._spool, self._drainer, self._how = spool, drainer, how
        self._end = 0
        self._adding = threading.Lock()
        self._gave_up = False

    @classmethod
    def open(
        cls,
        spool: Spool,
        cluster: KafkaCluster,
        topics: Sequence[Topic],
        how: Draining | None = None,
        meets: Callable[[NotedLog], None] = lambda log: None,
    ) -> Self:
        """Begin to drain this spool, which is closed with it, into the log in this cluster.

        `meets` is told of the log whenever that is opened; while it raises LogError, what is in the spool waits.
        """
        how = how or Draining()
        drainer = Drainer(spool, lambda: SpoolTarget(cluster, topics, spool.id, meets), how)
        return cls(spool, drainer, how)

    def append_emits(self, emits: Sequence[Emit]) -> None:
        """Keep emits in the spool, all or nothing. Raises SpoolFull, RecordTooLarge, LogError."""
        self._check_sizes(emits)
        end = self._spool.add(emits)
        with self._adding:
            self._end = max(self._end, end)
        self._drainer.wake()

    def held(self) -> Held:
        """What is in the spool."""
        return self._spool.held()

    def retry_refused(self) -> int:
        """Let what the log refused wait again; how many records."""
        taken = self._spool.take_back()
        self._drainer.wake()
        return taken

    def drain(self, within_s: float) -> int:
        """Wait for what is in the spool now: while records go to the log, and `within_s` without any that does.

        How many are left.
        """
        end, first = self._spool.end(), self._spool.first()
        while not self._drainer.wait(end, within_s):
            before, first = first, self._spool.first()
            if first == before:
                self._gave_up = True
                break
        return self.held().records

    def close(self) -> None:
        """Wait a bounded time until what was emitted here is in the log; what is not stays in the spool."""
        if not self._gave_up:
            self._drainer.wait(self._end, self._how.close_s)
        self._drainer.close()
        self._spool.close()

    def _check_sizes(self, emits: Sequence[Emit]) -> None:
        """Refuse what the log will refuse, by the limits it was last known to have."""
        for emit in emits:
            for topic, records in emit.items():
                limit = self._spool.limits.get(topic, LARGEST_BATCH)
                for record in records:
                    if len(record.value or b"") + len(record.key or b"") + BATCH_BYTES > limit:
                        encode([record], limit, False, topic)
