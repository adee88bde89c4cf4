"""The tables of the log's database, and opening a file as one: created, recognised, its topics declared."""

import sqlite3
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.file_lock import FileLock
from streams.log import LogError, Topic
from streams.sqlite.connections import PAGE_SIZE, Connections, beside, connect, failures_named

VERSION = 1
"""The schema's version, in the file's `user_version`."""

APPLICATION_ID = 0x6D77_6C67
"""Tells a log from other SQLite files: "mwlg"."""

OFFSET_BITS = 40
"""A record's `position` is its partition's number shifted by this, plus its offset: a partition is a range of rows."""

TABLES = """
CREATE TABLE log (id TEXT NOT NULL, epoch INTEGER NOT NULL) STRICT;
CREATE TABLE topics (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL) STRICT;
CREATE TABLE partitions (
    number INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    begin_offset INTEGER NOT NULL DEFAULT 0,
    end_offset INTEGER NOT NULL DEFAULT 0,
    compacted_to INTEGER NOT NULL DEFAULT 0,
    records INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    last_timestamp INTEGER,
    UNIQUE (topic, partition)
) STRICT;
CREATE TABLE records (position INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, key BLOB, value BLOB) STRICT;
CREATE TABLE latest (
    number INTEGER NOT NULL,
    key BLOB NOT NULL,
    offset INTEGER NOT NULL,
    tombstone_at INTEGER,
    PRIMARY KEY (number, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones ON latest (number, tombstone_at) WHERE tombstone_at IS NOT NULL;
CREATE TABLE committed (
    consumer_group TEXT NOT NULL,
    number INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE state (stage TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (stage, key)) STRICT;
"""

_OLDEST_SQLITE = (3, 37, 0)


@dataclass(frozen=True, slots=True)
class Format:
    """What an SQLite file of ours is, how it is told from others, and how it begins; `first_row` takes its id."""

    name: str
    application_id: int
    version: int
    tables: str
    first_row: str


LOG = Format("mailwake log", APPLICATION_ID, VERSION, TABLES, "INSERT INTO log VALUES (?, 0)")


def open_database(path: Path, create: bool, timeout_s: float, format: Format = LOG) -> Connections:  # noqa: A002
    """Connections to the file at `path`, created first if it is missing and may be. Raises LogError."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise LogError(f"this Python has SQLite {sqlite3.sqlite_version}; the log needs 3.37 or later")
    if not path.parent.is_dir():
        raise LogError(f"{path}: there is no folder {path.parent}; make it first")
    if not path.exists() and not create:
        raise LogError(f"there is no log at {path}; check the path, or let mailwake create it")
    creation = FileLock(beside(path, ".queue.lock"))
    try:
        if not creation.acquire(time.monotonic() + timeout_s):
            raise LogError(
                f"{path}: process {creation.holder()} keeps the log from being opened; see what it does"
            )
        with failures_named(path):
            _create_or_recognise(path, timeout_s, format)
    except OSError as error:
        raise LogError(f"{path} cannot be opened: {error}") from error
    finally:
        creation.close()
    return Connections(path, timeout_s)


def declare(connection: sqlite3.Connection, topics: Sequence[Topic]) -> None:
    """Add the topics that the log does not have yet. Raises LogError where it has one with other partitions."""
    stored: dict[str, int] = dict(connection.execute("SELECT name, partitions FROM topics"))
    for topic in topics:
        if topic.partitions < 1:
            raise LogError(
                f"topic {topic.name} is declared with {topic.partitions} partitions; at least 1 is needed"
            )
        if stored.setdefault(topic.name, topic.partitions) != topic.partitions:
            raise LogError(
                f"topic {topic.name} has {stored[topic.name]} partitions in this log and is declared with "
                f"{topic.partitions}: another number would put keys elsewhere. Declare {stored[topic.name]}, or "
                "copy the records into a new log"
            )
        if connection.execute(
            "INSERT OR IGNORE INTO topics VALUES (?, ?)", (topic.name, topic.partitions)
        ).rowcount:
            connection.executemany(
                "INSERT INTO partitions (topic, partition) VALUES (?, ?)",
                [(topic.name, partition) for partition in range(topic.partitions)],
            )


def undeclared(connection: sqlite3.Connection, topics: Sequence[Topic]) -> bool:
    """Whether `declare` would have anything to add or to refuse."""
    stored = dict(connection.execute("SELECT name, partitions FROM topics"))
    return any(stored.get(topic.name) != topic.partitions for topic in topics)


def numbers(connection: sqlite3.Connection) -> dict[str, list[int]]:
    """The number of each partition, by topic and in the partitions' order."""
    found: dict[str, list[int]] = {}
    for topic, number in connection.execute("SELECT topic, number FROM partitions ORDER BY topic, partition"):
        found.setdefault(topic, []).append(number)
    return found


def _create_or_recognise(path: Path, timeout_s: float, wanted: Format) -> None:
    path.touch()
    connection = connect(path, timeout_s)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if application == version == tables == 0:
            _create(connection, wanted)
        elif application != wanted.application_id:
            raise LogError(f"{path} is an SQLite database, but not a {wanted.name}; check the path")
        elif version > wanted.version:
            raise LogError(
                f"{path} has schema version {version}, written by a newer mailwake; this one knows up to {wanted.version}. "
                "Install the newer mailwake again, or restore a backup made before it"
            )
    finally:
        connection.close()


def _create(connection: sqlite3.Connection, wanted: Format) -> None:
    """Make the tables in one transaction: a creation that was interrupted starts anew."""
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    for statement in wanted.tables.split(";\n"):
        connection.execute(statement)
    connection.execute(wanted.first_row, (uuid.uuid4().hex,))
    connection.execute(f"PRAGMA application_id = {wanted.application_id}")
    connection.execute(f"PRAGMA user_version = {wanted.version}")
    connection.execute("COMMIT")
