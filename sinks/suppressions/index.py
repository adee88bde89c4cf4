"""Who is suppressed, in a local SQLite file that follows the log: asked in microseconds, before each message.

The file is made from the log alone and may be deleted at any time. It keeps its position beside what it holds, in one
transaction, as marks of the log: a log that was replaced, cut or regrown is noticed, and the file filled anew. What it
held is answered until the new filling holds everything, and then replaced by it in one transaction. Several processes may
follow and ask at once.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from schemas.catalog import TOPICS, UnknownSchema, version, versions
from schemas.codec import HEADER, Undecodable, schema_id_of
from schemas.columns import INDEX, decode_frames
from schemas.suppression import RecipientSuppressed, SuppressionLifted
from sinks.sink import SinkBusy, SinkError
from sinks.suppressions.connections import Connections
from streams.log import Log, LogError, LogUnavailable, Mark, TopicPartition

TOPIC = "suppressions"
ALL = "all"
"""The stream that stands for every one."""

VERSION = "2"
"""Of what the tables hold: a file of another one is filled anew."""

STEP = 100_000
"""About the most records in one transaction. Recipients lie anywhere in the table: of a million one that takes few of them
writes nearly as much of it as one that takes many."""

_KEY = ("tenant", "recipient_hash", "stream")
_SAID = ("reason", "reasons", "since", "evidence", "bounce_class", "leaf", "recipient_domain", "by", "note")
_COLUMNS = (*_KEY, *_SAID)

_TABLES = """
DROP TABLE IF EXISTS suppressions;
DROP TABLE IF EXISTS positions;
DROP TABLE IF EXISTS about;
CREATE TABLE IF NOT EXISTS fillings (
    filling INTEGER PRIMARY KEY AUTOINCREMENT, about TEXT NOT NULL, complete INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS filled_to (
    filling INTEGER, topic TEXT, partition INTEGER, log_id TEXT NOT NULL, offset INTEGER NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (filling, topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS suppressed (
    filling INTEGER, tenant TEXT, recipient_hash TEXT, stream TEXT, reason TEXT NOT NULL, reasons TEXT NOT NULL,
    since INTEGER NOT NULL, evidence TEXT NOT NULL, bounce_class TEXT, leaf TEXT, recipient_domain TEXT, "by" TEXT, note TEXT,
    PRIMARY KEY (filling, tenant, recipient_hash, stream)
) WITHOUT ROWID;
"""
"""The first three are of version 1. The numbers of fillings are not given again: who fills one that was removed notices."""

_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)
_INSERT = f"INSERT OR REPLACE INTO suppressed (filling, {_NAMES}) VALUES (?{', ?' * len(_COLUMNS)})"
_DELETE = "DELETE FROM suppressed WHERE filling = ? AND tenant = ? AND recipient_hash = ? AND stream = ?"
_COMPLETE = "SELECT filling FROM fillings WHERE about = ? AND complete"
_NEWEST = "SELECT max(filling) FROM fillings WHERE about = ?"
# One statement, one snapshot: a row of nulls says that there is a complete filling, and nothing in it of the recipient.
_OF_RECIPIENT = (
    f"SELECT {_NAMES} FROM fillings LEFT JOIN suppressed ON suppressed.filling = fillings.filling "
    "AND tenant = ? AND recipient_hash = ? WHERE about = ? AND complete ORDER BY stream"
)
_EVERY = f"SELECT {_NAMES} FROM suppressed WHERE filling = ? AND tenant = ? ORDER BY recipient_hash, stream"
_MARK = "INSERT OR REPLACE INTO filled_to VALUES (?, ?, ?, ?, ?, ?)"


class IndexUnusable(SinkError):
    """The file can't be used, or the log not be understood; the message says which and what to do."""


class IndexBehind(SinkBusy):
    """The index does not hold everything that the log says: nobody may be called not suppressed. Ask again later."""


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
    """The index in one file. `follow` brings it up to date; any number of threads may ask meanwhile.

    What is answered is what a `follow` of this index has completed, and what came since. Until the first one has, and when
    another process has filled the file from another log, all questions raise IndexBehind.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, made if it is missing. Raises IndexUnusable."""
        self.path = path
        self._about: str | None = None
        self._connections = Connections(path, _TABLES)
        self._following = threading.Lock()
        with self._explained(), self._connections.lent():
            pass

    def is_suppressed(self, tenant: str, recipient_hash: str, stream: str = ALL) -> Suppression | None:
        """Why a recipient is not to be sent mail of a stream, or of any for `all`; None when nothing speaks against it.

        What holds for every stream comes before what holds for one. Raises IndexUnusable, IndexBehind.
        """
        held = {one.stream: one for one in self.of_recipient(tenant, recipient_hash)}
        return held.get(ALL) or held.get(stream)

    def of_recipient(self, tenant: str, recipient_hash: str) -> tuple[Suppression, ...]:
        """All that is suppressed of a recipient, by stream. Raises IndexUnusable, IndexBehind."""
        with self._explained(), self._connections.lent() as connection:
            rows = connection.execute(_OF_RECIPIENT, (tenant, recipient_hash, self._about)).fetchall()
        if not rows:
            raise self._behind()
        return tuple(_suppression(row) for row in rows if row[0] is not None)

    def every(self, tenant: str) -> Iterator[Suppression]:
        """Everyone who is suppressed, in the order of their hashes, as of now. Raises IndexUnusable, IndexBehind."""
        with self._explained(), closing(self._connections.open()) as connection:
            connection.execute("BEGIN")
            filling = connection.execute(_COMPLETE, (self._about,)).fetchone()
            if filling is None:
                raise self._behind()
            yield from map(_suppression, connection.execute(_EVERY, (*filling, tenant)))

    def count(self) -> int:
        """How many recipients and streams are suppressed. Raises IndexUnusable, IndexBehind."""
        sql = f"SELECT count(*) FROM suppressed WHERE filling = ({_COMPLETE}) HAVING EXISTS ({_COMPLETE})"
        with self._explained(), self._connections.lent() as connection:
            found = connection.execute(sql, (self._about, self._about)).fetchone()
        if found is None:
            raise self._behind()
        return int(found[0])

    def follow(self, log: Log, source: Source) -> int:
        """Take in what was appended since, to the end of the log; returns how many records.

        What was made from another log or generation, or by one who knew other schemas, is let go of once everything is
        filled anew. Raises LogError; IndexUnusable, also for records of a schema that is not known here, which are not
        passed over; IndexBehind when another process filled the file from another log meanwhile.
        """
        about = _about(log, source)
        with self._following, self._explained(), self._connections.lent() as connection:
            filling = _Filling(connection, _filling(connection, log, about))
            taken = sum(
                filling.follow(log, partition, start)
                for topic, start in source.parts
                for partition in log.partitions(topic)
            )
            filling.complete()
            self._about = about
        return taken

    def close(self) -> None:
        """Let go of the file. Nobody may be asking."""
        self._connections.close()

    def _behind(self) -> IndexBehind:
        return IndexBehind(
            f"the index of suppressions {self.path} is being filled, and does not hold everyone yet: ask again later"
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise IndexUnusable(
                f"the index of suppressions {self.path} can't be used: {error}. It is made from the log alone: if it is "
                "damaged delete it, and it is made anew"
            ) from error


def _about(log: Log, source: Source) -> str:
    """What a filling is made from, and by whom: with another one nothing of it may be answered."""
    return json.dumps(
        {
            "version": VERSION,
            "log": log.id,
            "generation": source.generation,
            "parts": [f"{topic}:{start}" for topic, start in source.parts],
            "schemas": sorted(known.id for known in versions().values() if known.record in TOPICS[TOPIC]),
        }
    )


def _filling(connection: sqlite3.Connection, log: Log, about: str) -> int:
    """The filling to go on with; a new one, where there is none or the log does not go on from where it ends."""
    while True:
        (newest,) = connection.execute(_NEWEST, (about,)).fetchone()
        if newest is not None and _continues(connection, log, newest):
            return int(newest)
        with _transaction(connection):
            # Another process may have begun one in the meantime: then that is gone on with.
            if connection.execute(_NEWEST, (about,)).fetchone() != (newest,):
                continue
            begun = connection.execute("INSERT INTO fillings (about, complete) VALUES (?, 0)", (about,))
        return int(begun.lastrowid or 0)


def _continues(connection: sqlite3.Connection, log: Log, filling: int) -> bool:
    sql = "SELECT topic, partition, log_id, offset, digest FROM filled_to WHERE filling = ?"
    for topic, partition, log_id, offset, digest in connection.execute(sql, (filling,)).fetchall():
        try:
            log.check(Mark(log_id, TopicPartition(topic, partition), offset, digest))
        except LogUnavailable:
            raise
        except LogError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class _Filling:
    """What is filled, or was and is kept up to date. Several processes may work on the same one."""

    connection: sqlite3.Connection
    number: int

    def follow(self, log: Log, source: TopicPartition, start: int) -> int:
        """Take in a partition to its end; returns how many records."""
        taken = 0
        while True:
            position = self._position(source, start)
            if log.end(source) <= position:
                return taken
            read = _read(log, source, position)
            if read.next == position:
                return taken
            mark = log.mark(source, read.next)
            with _transaction(self.connection):
                self._require()
                # Another process may follow the same file: then it has taken this batch already.
                if self._position(source, start) != position:
                    continue
                self._apply(read.latest)
                self.connection.execute(_MARK, (self.number, *source, mark.log_id, mark.offset, mark.digest))
            taken += read.records

    def complete(self) -> None:
        """From now on this is what is answered, and nothing else is kept."""
        if self._require():
            return
        with _transaction(self.connection):
            self._require()
            self.connection.execute("UPDATE fillings SET complete = 1 WHERE filling = ?", (self.number,))
            for table in ("fillings", "filled_to", "suppressed"):
                self.connection.execute(f"DELETE FROM {table} WHERE filling <> ?", (self.number,))

    def _require(self) -> bool:
        """Whether it is complete. Raises IndexBehind when it was removed."""
        sql = "SELECT complete FROM fillings WHERE filling = ?"
        found = self.connection.execute(sql, (self.number,)).fetchone()
        if found is None:
            raise IndexBehind(
                "another process has filled the index of suppressions from another log or generation: ask again later, and "
                "give each log an index of its own (MAILWAKE_SUPPRESSIONS)"
            )
        return bool(found[0])

    def _position(self, source: TopicPartition, start: int) -> int:
        sql = "SELECT offset FROM filled_to WHERE filling = ? AND topic = ? AND partition = ?"
        found = self.connection.execute(sql, (self.number, *source)).fetchone()
        return start if found is None else int(found[0])

    def _apply(self, latest: pl.DataFrame) -> None:
        lifted = pl.col("reason").is_null()
        number = pl.lit(self.number)
        self.connection.executemany(_DELETE, latest.filter(lifted).select(number, *_KEY).iter_rows())
        self.connection.executemany(_INSERT, latest.filter(~lifted).select(number, *_COLUMNS).iter_rows())


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@dataclass(frozen=True, slots=True)
class _Read:
    """What some records say: the last word on each recipient and stream, how many they were, and where the next one is."""

    latest: pl.DataFrame
    records: int
    next: int


def _read(log: Log, source: TopicPartition, position: int) -> _Read:
    """About `STEP` records, or what there is. Raises LogError, IndexUnusable."""
    parts = [pl.DataFrame(schema=_SCHEMA)]
    records = 0
    while records < STEP:
        batch = log.read(source, position, STEP - records)
        try:
            parts.append(_told(batch.values))
        except UnknownSchema as error:
            raise IndexUnusable(
                f"{source.topic}/{source.partition}, offsets {batch.first} to {batch.next - 1}: {error}. A newer mailwake "
                "wrote that: who is suppressed can be said here again once this one is upgraded too"
            ) from None
        records += len(batch)
        position = batch.next
        if not batch.more:
            break
    latest = pl.concat(parts).unique(_KEY, keep="last", maintain_order=False).sort(_KEY)
    return _Read(latest, records, position)


def _told(values: Sequence[bytes | None]) -> pl.DataFrame:
    """What a batch says of recipients and streams, in its order; `reason` is null where something is lifted.

    What is garbage is passed over: whoever loads the topic tells of it. Raises UnknownSchema.
    """
    for head in {value[:HEADER] for value in values if value is not None}:
        with suppress(Undecodable):
            version(schema_id_of(head))
    frames = decode_frames(values).frames
    parts = [pl.DataFrame(schema=_SCHEMA)]
    if (suppressed := frames.get(RecipientSuppressed)) is not None:
        joined = [pl.col(name).list.join(" ") for name in ("reasons", "evidence")]
        parts.append(suppressed.with_columns(joined).select(*_SCHEMA))
    if (lifted := frames.get(SuppressionLifted)) is not None:
        parts.append(lifted.select(INDEX, *_KEY))
    return pl.concat(parts, how="diagonal").sort(INDEX)


_SCHEMA: dict[str, Any] = {
    INDEX: pl.UInt32,
    **dict.fromkeys(_COLUMNS, pl.String),
    "since": pl.Int64,
}


def _suppression(row: Sequence[Any]) -> Suppression:
    fields = dict(zip(_COLUMNS, row, strict=True))
    return Suppression(
        **{
            **fields,
            "reasons": tuple(fields["reasons"].split()),
            "evidence": tuple(fields["evidence"].split()),
        }
    )
