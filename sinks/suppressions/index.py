"""Who is suppressed, in a local SQLite file that follows the log: asked in microseconds, before each message.

The file is made from the log alone and may be deleted at any time. It keeps its position beside what it holds, in one
transaction, as marks of the log: a log that was replaced, cut or regrown is noticed, and the file filled anew. Several
processes may follow and ask at once.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from schemas.columns import INDEX, decode_frames
from schemas.suppression import RecipientSuppressed, SuppressionLifted
from sinks.sink import SinkError
from streams.log import Log, LogError, LogUnavailable, Mark, TopicPartition

TOPIC = "suppressions"
ALL = "all"
"""The stream that stands for every one."""

VERSION = "1"
"""Of the tables: a file of another one is filled anew."""

STEP = 50_000
"""The most records in one transaction."""

_KEY = ("tenant", "recipient_hash", "stream")
_SAID = ("reason", "reasons", "since", "evidence", "bounce_class", "leaf", "recipient_domain", "by", "note")
_COLUMNS = (*_KEY, *_SAID)

_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (
    topic TEXT, partition INTEGER, log_id TEXT NOT NULL, offset INTEGER NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS suppressions (
    tenant TEXT, recipient_hash TEXT, stream TEXT, reason TEXT NOT NULL, reasons TEXT NOT NULL, since INTEGER NOT NULL,
    evidence TEXT NOT NULL, bounce_class TEXT, leaf TEXT, recipient_domain TEXT, "by" TEXT, note TEXT,
    PRIMARY KEY (tenant, recipient_hash, stream)
) WITHOUT ROWID;
"""
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)
_INSERT = f"INSERT OR REPLACE INTO suppressions ({_NAMES}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_DELETE = "DELETE FROM suppressions WHERE tenant = ? AND recipient_hash = ? AND stream = ?"
_OF_RECIPIENT = f"SELECT {_NAMES} FROM suppressions WHERE tenant = ? AND recipient_hash = ? ORDER BY stream"
_MARK = "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?)"


class IndexUnusable(SinkError):
    """The file can't be used; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """A recipient who is not to be mailed."""

    tenant: str
    recipient_hash: str
    stream: str
    """Which mail it holds for; `all` is every stream."""
    reason: str
    """The strongest of the reasons: complaint, unsubscribe, bounce, manual, import."""
    reasons: tuple[str, ...]
    since: int
    """When the first of what it stands on happened, ms."""
    evidence: tuple[str, ...]
    """Ids of the events that led to it, the latest first."""
    bounce_class: str | None
    leaf: str | None
    recipient_domain: str | None
    by: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """What an index follows: the topics that hold the suppressions of a generation, in their order."""

    generation: int
    parts: Sequence[tuple[str, int]]
    """Topic, and the offset at which it begins for this generation."""


class SuppressionIndex:
    """The index in one file. `follow` brings it up to date; any number of threads may ask meanwhile."""

    def __init__(self, path: Path) -> None:
        """Open the file, made if it is missing. Raises IndexUnusable."""
        self.path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._following = threading.Lock()
        with self._explained():
            connection = self._connection()
            connection.executescript(_TABLES)

    def is_suppressed(self, tenant: str, recipient_hash: str, stream: str = ALL) -> Suppression | None:
        """Why a recipient is not to be sent mail of a stream, or of any for `all`; None when nothing speaks against it.

        What holds for every stream comes before what holds for one. Raises IndexUnusable.
        """
        held = {one.stream: one for one in self.of_recipient(tenant, recipient_hash)}
        return held.get(ALL) or held.get(stream)

    def of_recipient(self, tenant: str, recipient_hash: str) -> tuple[Suppression, ...]:
        """All that is suppressed of a recipient, by stream. Raises IndexUnusable."""
        with self._explained():
            rows = self._connection().execute(_OF_RECIPIENT, (tenant, recipient_hash)).fetchall()
        return tuple(map(_suppression, rows))

    def every(self, tenant: str) -> Iterator[Suppression]:
        """Everyone who is suppressed, in the order of their hashes, as of now. Raises IndexUnusable."""
        sql = f"SELECT {_NAMES} FROM suppressions WHERE tenant = ? ORDER BY recipient_hash, stream"
        with self._explained():
            connection = _connected(self.path)
            try:
                yield from map(_suppression, connection.execute(sql, (tenant,)))
            finally:
                connection.close()

    def count(self) -> int:
        """How many recipients and streams are suppressed. Raises IndexUnusable."""
        with self._explained():
            ((count,),) = self._connection().execute("SELECT count(*) FROM suppressions")
        return int(count)

    def follow(self, log: Log, source: Source) -> int:
        """Take in what was appended since, to the end of the log; returns how many records.

        What was made from another log or generation is let go of, and filled anew. Raises LogError, IndexUnusable.
        """
        with self._following, self._explained():
            self._begin(log, source)
            return sum(
                self._follow_partition(log, partition, start)
                for topic, start in source.parts
                for partition in log.partitions(topic)
            )

    def close(self) -> None:
        """Let go of the file. Nobody may be asking."""
        while self._opened:
            self._opened.pop().close()

    def _begin(self, log: Log, source: Source) -> None:
        """Empty the file unless it goes on with what it holds."""
        parts = " ".join(f"{topic}:{start}" for topic, start in source.parts)
        wanted = {"version": VERSION, "log": log.id, "generation": f"{source.generation} {parts}"}
        connection = self._connection()
        if dict(connection.execute("SELECT name, value FROM about").fetchall()) == wanted and self._continues(
            log
        ):
            return
        with _transaction(connection):
            for table in ("suppressions", "positions", "about"):
                connection.execute(f"DELETE FROM {table}")
            connection.executemany("INSERT INTO about VALUES (?, ?)", wanted.items())

    def _continues(self, log: Log) -> bool:
        for topic, partition, log_id, offset, digest in (
            self._connection().execute("SELECT * FROM positions").fetchall()
        ):
            try:
                log.check(Mark(log_id, TopicPartition(topic, partition), offset, digest))
            except LogUnavailable:
                raise
            except LogError:
                return False
        return True

    def _follow_partition(self, log: Log, source: TopicPartition, start: int) -> int:
        taken = 0
        while True:
            position = self._position(source, start)
            if log.end(source) <= position:
                return taken
            batch = log.read(source, position, STEP)
            if batch.next == batch.first:
                return taken
            mark = log.mark(source, batch.next)
            latest = _latest(batch.values)
            connection = self._connection()
            with _transaction(connection):
                # Another process may follow the same file: then it has taken this batch already.
                if self._position(source, start) != position:
                    continue
                _apply(connection, latest)
                connection.execute(_MARK, (*source, mark.log_id, mark.offset, mark.digest))
            taken += len(batch)

    def _position(self, source: TopicPartition, start: int) -> int:
        sql = "SELECT offset FROM positions WHERE topic = ? AND partition = ?"
        found = self._connection().execute(sql, source).fetchone()
        return start if found is None else int(found[0])

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _connected(self.path)
            self._opened.append(connection)
        return connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise IndexUnusable(
                f"the index of suppressions {self.path} can't be used: {error}. It is made from the log alone: if it is "
                "damaged delete it, and it is made anew"
            ) from error


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    # What a power failure takes of it is read from the log again: the position goes with it.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _latest(values: Sequence[bytes | None]) -> pl.DataFrame:
    """The last word of a batch on each recipient and stream; `reason` is null where that is lifted.

    What can't be understood is passed over: whoever loads the topic tells of it.
    """
    frames = decode_frames(values).frames
    parts = [pl.DataFrame(schema=_SCHEMA)]
    if (suppressed := frames.get(RecipientSuppressed)) is not None:
        joined = [pl.col(name).list.join(" ") for name in ("reasons", "evidence")]
        parts.append(suppressed.with_columns(joined).select(*_SCHEMA))
    if (lifted := frames.get(SuppressionLifted)) is not None:
        parts.append(lifted.select(INDEX, *_KEY))
    told = pl.concat(parts, how="diagonal").sort(INDEX)
    return told.unique(_KEY, keep="last", maintain_order=False).sort(_KEY)


_SCHEMA: dict[str, Any] = {
    INDEX: pl.UInt32,
    **dict.fromkeys(_COLUMNS, pl.String),
    "since": pl.Int64,
}


def _apply(connection: sqlite3.Connection, latest: pl.DataFrame) -> None:
    lifted = pl.col("reason").is_null()
    connection.executemany(_DELETE, latest.filter(lifted).select(_KEY).iter_rows())
    connection.executemany(_INSERT, latest.filter(~lifted).select(_COLUMNS).iter_rows())


def _suppression(row: Sequence[Any]) -> Suppression:
    fields = dict(zip(_COLUMNS, row, strict=True))
    return Suppression(
        **{
            **fields,
            "reasons": tuple(fields["reasons"].split()),
            "evidence": tuple(fields["evidence"].split()),
        }
    )
