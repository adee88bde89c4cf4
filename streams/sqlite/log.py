"""The log in one SQLite file: any number of emitting processes, one runtime.

An append is durable when it returns: write-ahead log and `synchronous = FULL`. The runtime holds a lock of the
operating system, and an epoch in the database which each of its transactions checks; so a runtime that was
paused and has lost the lock meanwhile writes nothing when it wakes.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from streams.file_lock import FileLock
from streams.log import (
    Batch,
    Fenced,
    LogError,
    LogInUse,
    Mark,
    Record,
    Topic,
    TopicPartition,
)
from streams.marks import check_mark, record_digest
from streams.partitioner import partition_of
from streams.sqlite import erasure as sqlite_erasure
from streams.sqlite import records as sqlite_records
from streams.sqlite import retention as sqlite_retention
from streams.sqlite.backup import copy_database
from streams.sqlite.connections import Connections, beside
from streams.sqlite.retention import Removed
from streams.sqlite.routing import Routing, SqliteTransaction
from streams.sqlite.schema import declare, open_database, undeclared

_NOTE = b"id"
"""The chunk that a note is, as if it were the state of a stage of that name."""


@dataclass(frozen=True, slots=True)
class PartitionStats:
    """What a partition holds: `bytes` counts keys and values; `last_timestamp` is the latest ever appended."""

    source: TopicPartition
    begin: int
    end: int
    records: int
    bytes: int
    last_timestamp: int | None


class SqliteLog:
    """`streams.log.Log` in an SQLite file; `open` makes one."""

    def __init__(self, connections: Connections, topics: Sequence[Topic]) -> None:
        self._connections = connections
        self._retention = {topic.name: topic.retention for topic in topics}
        self._epoch: int | None = None
        with connections.reading() as connection:
            (self._id,) = connection.execute("SELECT id FROM log").fetchone()
            new = undeclared(connection, topics)
        if new:
            with connections.writing() as connection:
                declare(connection, topics)
        self._routing = Routing(connections)

    @classmethod
    def open(
        cls, path: Path, topics: Sequence[Topic], *, create: bool = True, timeout_s: float = 30.0
    ) -> "SqliteLog":
        """Open the log at `path`, made first if it is missing and `create` says so; its folder must exist.

        `topics` are added where the log lacks them; those that it has besides can be read and appended to, and
        are kept for ever. `timeout_s` is how long a write waits for others' writes. Raises LogError.
        """
        connections = open_database(path.resolve(), create, timeout_s)
        try:
            return cls(connections, topics)
        except BaseException:
            connections.close()
            raise

    @property
    def id(self) -> str:
        """Made when the log was created, never changed."""
        return str(self._id)

    @property
    def path(self) -> Path:
        """The database file."""
        return self._connections.path

    def topics(self) -> Sequence[str]:
        """See `NotedLog.topics`."""
        return self._routing.topics()

    def partitions(self, topic: str) -> Sequence[TopicPartition]:
        """See `Log.partitions`."""
        return [TopicPartition(topic, partition) for partition in range(len(self._routing.numbers(topic)))]

    def append(self, topic: str, records: Sequence[Record], partition: int | None = None) -> Sequence[int]:
        """See `Log.append`."""
        routed = self._routing.route(topic, records, partition)
        firsts = self._append(list(routed.items()))
        if len(routed) == 1:
            return range(firsts[0], firsts[0] + len(records))
        following = {
            number: iter(range(first, first + len(routed[number])))
            for number, first in zip(routed, firsts, strict=True)
        }
        partition_numbers = self._routing.numbers(topic)
        return [
            next(following[partition_numbers[partition_of(key, len(partition_numbers))]])
            for key, _, _ in records
        ]

    def append_all(self, records: Mapping[str, Sequence[Record]]) -> None:
        """See `Log.append_all`."""
        route = self._routing.route
        self._append([routed for topic in records for routed in route(topic, records[topic], None).items()])

    def read(self, source: TopicPartition, offset: int, limit: int) -> Batch:
        """See `Log.read`; large records make the batch end before `limit` (about 32 MiB)."""
        number = self._routing.number(source)
        with self._connections.reading() as connection:
            return sqlite_records.read(connection, number, source, offset, limit)

    def begin(self, source: TopicPartition) -> int:
        """See `Log.begin`."""
        return self._bounds(source)[0]

    def end(self, source: TopicPartition) -> int:
        """See `Log.end`."""
        return self._bounds(source)[1]

    def mark(self, source: TopicPartition, offset: int) -> Mark:
        """See `Log.mark`; without a digest where the record before the offset is no longer kept."""
        _, end, digest = self._digest_before(source, offset)
        if not 0 <= offset <= end:
            raise LogError(f"{source.topic}/{source.partition} ends at {end}: it has no position {offset}")
        return Mark(self.id, source, offset, digest)

    def check(self, mark: Mark) -> None:
        """See `Log.check`."""
        same = mark.log_id == self.id
        check_mark(mark, self.id, *(self._digest_before(mark.source, mark.offset) if same else (0, 0, "")))

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See `Log.committed`."""
        with self._connections.reading() as connection:
            rows = connection.execute(
                "SELECT topic, partition, offset FROM committed JOIN partitions USING (number) WHERE consumer_group = ?",
                (group,),
            ).fetchall()
        return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}

    def groups(self) -> Sequence[str]:
        """The groups that have committed a position."""
        with self._connections.reading() as connection:
            rows = connection.execute("SELECT DISTINCT consumer_group FROM committed ORDER BY 1").fetchall()
        return [group for (group,) in rows]

    def forget(self, group: str) -> None:
        """Remove a group that will not come back, so that retention no longer waits for it."""
        with self._connections.writing() as connection:
            connection.execute("DELETE FROM committed WHERE consumer_group = ?", (group,))

    def state(self, stage: str) -> Iterator[tuple[bytes, bytes]]:
        """See `Log.state`: one snapshot, read as the iterator goes."""
        with self._connections.reading() as connection:
            yield from connection.execute("SELECT key, value FROM state WHERE stage = ?", (stage,))

    def noted(self, name: str) -> bytes | None:
        """See `NotedLog.noted`."""
        return next((value for key, value in self.state(name) if key == _NOTE), None)

    def note(self, name: str, value: bytes) -> None:
        """See `NotedLog.note`: state that belongs to no stage."""
        with self._connections.writing() as connection:
            connection.execute(
                "INSERT INTO state (stage, key, value) VALUES (?, ?, ?) "
                "ON CONFLICT (stage, key) DO UPDATE SET value = excluded.value",
                (name, _NOTE, value),
            )

    @contextmanager
    def hold(self) -> Iterator[None]:
        """See `Log.hold`: a lock on `<path>.runtime.lock`, and the next epoch."""
        lock = FileLock(beside(self.path, ".runtime.lock"))
        try:
            if not _acquired(lock):
                raise LogInUse(
                    f"{self.path} is held by another runtime, process {lock.holder()}; stop that one first"
                )
            with self._connections.writing() as connection:
                (self._epoch,) = connection.execute(
                    "UPDATE log SET epoch = epoch + 1 RETURNING epoch"
                ).fetchone()
            try:
                yield
            finally:
                self._epoch = None
        finally:
            lock.close()

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        """See `Log.transaction`: gathered in memory, written when the block ends."""
        epoch = self._epoch
        if epoch is None:
            raise LogError(f"{self.path} is not held by this runtime: use hold() around its transactions")
        step = SqliteTransaction(self._routing)
        yield step
        with self._writing(epoch) as connection:
            for number, records in step.appends:
                sqlite_records.append(connection, number, records)
            for group, source, offset in step.commits:
                self._commit(connection, group, source, offset)
            connection.executemany(
                "INSERT INTO state (stage, key, value) VALUES (?, ?, ?) "
                "ON CONFLICT (stage, key) DO UPDATE SET value = excluded.value",
                ((stage, key, value) for (stage, key), value in step.state.items() if value is not None),
            )
            connection.executemany(
                "DELETE FROM state WHERE stage = ? AND key = ?",
                (place for place, value in step.state.items() if value is None),
            )

    def retain(self, now_ms: int, holds: Mapping[TopicPartition, int] | None = None) -> Removed:
        """Apply the retention of every topic this log was opened with, and give space back to the file system.

        Never removes what a group has yet to read: neither from the position it committed, nor from that in
        `holds` (for readers that have committed none yet, or keep their position elsewhere).
        """
        kept = [
            sqlite_retention.Kept(number, source, retention, (holds or {}).get(source))
            for topic, retention in self._retention.items()
            for source, number in zip(self.partitions(topic), self._routing.numbers(topic), strict=True)
        ]
        removed = sqlite_retention.apply(partial(self._writing, self._epoch), kept, now_ms)
        self._connections.checkpoint()
        return removed

    def erase(self, changes: Mapping[TopicPartition, Mapping[int, bytes]]) -> int:
        """Replace the values at these offsets, for good; returns how many there were.

        For erasures only: see `streams.sqlite.erasure`. Raises UnknownTopic, LogError.
        """
        done = 0
        for source, values in changes.items():
            number = self._routing.number(source)
            with self._connections.writing() as connection:
                done += sqlite_erasure.change(connection, number, values)
        return done

    def settle(self, timeout_s: float = 10.0) -> bool:
        """Move all that was written into the file and empty the write-ahead log, which holds what was erased until then.

        Waits so long for readers of older states; False where one is still in the way.
        """
        while sqlite_retention.give_back_pages(partial(self._writing, self._epoch)):
            pass
        deadline = time.monotonic() + timeout_s
        wal = beside(self.path, "-wal")
        while True:
            self._connections.checkpoint()
            if not wal.exists() or wal.stat().st_size == 0:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)

    def stats(self) -> Sequence[PartitionStats]:
        """What each partition of each topic holds, without reading records."""
        with self._connections.reading() as connection:
            rows = connection.execute(
                "SELECT topic, partition, begin_offset, end_offset, records, bytes, last_timestamp "
                "FROM partitions ORDER BY topic, partition"
            ).fetchall()
        return [PartitionStats(TopicPartition(topic, partition), *rest) for topic, partition, *rest in rows]

    def backup(self, target: Path, progress: Callable[[int, int], None] = lambda copied, left: None) -> None:
        """Copy the log as of now to a new file, while others go on writing. Raises LogError.

        `progress` is told how many more bytes are copied, and how many are left.
        """
        with self._connections.reading() as connection:
            copy_database(connection, target, progress)

    def close(self) -> None:
        """See `Log.close`."""
        self._connections.close()

    def _append(self, routed: Sequence[tuple[int, Sequence[Record]]]) -> list[int]:
        if not any(records for _, records in routed):
            return [0 for _ in routed]
        with self._connections.writing() as connection:
            return [sqlite_records.append(connection, number, records) for number, records in routed]

    @contextmanager
    def _writing(self, held: int | None) -> Iterator[sqlite3.Connection]:
        """A write that only happens if `held` is still the epoch; None is no runtime's, and not checked."""
        with self._connections.writing() as connection:
            (epoch,) = connection.execute("SELECT epoch FROM log").fetchone()
            if held not in (None, epoch):
                raise Fenced(
                    f"another runtime has taken {self.path} over (epoch {epoch}; process {os.getpid()} has "
                    f"{held}): nothing was written, this process must stop"
                )
            yield connection

    def _commit(
        self, connection: sqlite3.Connection, group: str, source: TopicPartition, offset: int
    ) -> None:
        number = self._routing.number(source)
        _, end = sqlite_records.bounds(connection, number)
        if not 0 <= offset <= end:
            raise LogError(
                f"group {group} cannot commit {offset}: {source.topic}/{source.partition} ends at {end}"
            )
        connection.execute(
            "INSERT INTO committed VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET offset = excluded.offset",
            (group, number, offset),
        )

    def _bounds(self, source: TopicPartition) -> tuple[int, int]:
        number = self._routing.number(source)
        with self._connections.reading() as connection:
            return sqlite_records.bounds(connection, number)

    def _digest_before(self, source: TopicPartition, offset: int) -> tuple[int, int, str]:
        """Begin and end of a partition, and the digest of the record before an offset, "" if there is none."""
        number = self._routing.number(source)
        with self._connections.reading() as connection:
            record = sqlite_records.record_at(connection, number, offset - 1) if offset > 0 else None
            if record and sqlite_erasure.was_replaced(connection, number, offset - 1):
                record = None
            return *sqlite_records.bounds(connection, number), record_digest(*record) if record else ""


def _acquired(lock: FileLock) -> bool:
    try:
        return lock.try_acquire()
    except OSError as error:
        raise LogError(f"cannot lock {lock.path}: {error}") from error
