"""A durable queue in one SQLite file: emits that wait for a log, in order, each whole.

Any number of processes may add to it; one at a time sends what waits (`streams.spool.draining` sees to that). Before a
group is sent it gets a number, which is durable before the group leaves: whoever goes on after a crash asks the log
for the last number it kept, and knows whether the group was.
"""

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from sqlite3 import Connection

from streams import metrics
from streams.log import LogError, LogFull, Record
from streams.sqlite.connections import Connections
from streams.sqlite.retention import give_back_pages
from streams.sqlite.schema import Format, open_database

Emit = Mapping[str, Sequence[Record]]
"""The records of one emit, by topic."""

TABLES = """
CREATE TABLE spool (
    id TEXT NOT NULL,
    log TEXT,
    next INTEGER NOT NULL DEFAULT 0,
    records INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    refused_records INTEGER NOT NULL DEFAULT 0,
    refused_bytes INTEGER NOT NULL DEFAULT 0,
    sent_number INTEGER,
    sent_first INTEGER,
    sent_next INTEGER
) STRICT;
CREATE TABLE emits (
    first INTEGER PRIMARY KEY,
    next INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    refused TEXT
) STRICT;
CREATE INDEX refused ON emits (first) WHERE refused IS NOT NULL;
CREATE TABLE records (
    position INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    key BLOB,
    value BLOB,
    timestamp INTEGER NOT NULL
) STRICT;
CREATE TABLE limits (topic TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""

SPOOL = Format("mailwake spool", 0x6D77_7370, 1, TABLES, "INSERT INTO spool (id) VALUES (?)")
RECORD_BYTES = 32
"""What a record takes beside its topic, key and value, about."""


class SpoolFull(LogFull):
    """The spool has reached its bound. Nothing of the emit was kept."""


class SpoolOfAnotherLog(LogError):
    """What waits in the spool was emitted to another log."""


@dataclass(frozen=True, slots=True)
class Most:
    """How much goes to the log in one append; a larger emit goes by itself."""

    emits: int = 10_000
    records: int = 10_000
    bytes: int = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Group:
    """Emits from `first` on, all those before `next`, and the number under which they are sent."""

    number: int
    first: int
    next: int
    emits: int
    bytes: int
    records: dict[str, list[Record]]


@dataclass(frozen=True, slots=True)
class Held:
    """What the spool holds: waiting, and set aside because the log refused it."""

    records: int
    bytes: int
    refused_records: int
    refused_bytes: int


class Spool:
    """The queue; `open` makes one. Safe to use from threads and from several processes."""

    def __init__(self, connections: Connections, bound: int, log: str) -> None:
        self._connections, self._bound, self._log = connections, bound, log
        # Threads of one process hand over faster by this than by the files that processes take turns with.
        self._turn = threading.Lock()
        with connections.reading() as connection:
            (self.id,) = connection.execute("SELECT id FROM spool").fetchone()
            self.limits: Mapping[str, int] = dict(connection.execute("SELECT topic, bytes FROM limits"))
            self._check_log(connection)
            self._tell(connection)

    @classmethod
    def open(cls, path: Path, bound: int, log: str, timeout_s: float = 30.0) -> "Spool":
        """Open the spool at `path`, made if it is missing, for emits to a log of this name.

        `bound` is the most bytes it takes, about. Raises SpoolOfAnotherLog, LogError.
        """
        connections = open_database(path.resolve(), True, timeout_s, SPOOL)
        try:
            return cls(connections, bound, log)
        except BaseException:
            connections.close()
            raise

    @property
    def path(self) -> Path:
        """The file."""
        return self._connections.path

    def add(self, emits: Sequence[Emit]) -> int:
        """Add emits at the end, all or nothing; durable when it returns. The position after them.

        Raises SpoolFull, SpoolOfAnotherLog, LogFull, LogError.
        """
        rows = [(topic, *record) for emit in emits for topic, records in emit.items() for record in records]
        sizes = [
            sum(_size(topic, record) for topic, records in emit.items() for record in records)
            for emit in emits
        ]
        with self._turn, self._connections.writing() as connection:
            self._check_log(connection)
            first, held = connection.execute("SELECT next, bytes + refused_bytes FROM spool").fetchone()
            if held + sum(sizes) > self._bound:
                raise SpoolFull(
                    f"the spool {self.path} is full: {held} bytes of events wait in it for the log, these are "
                    f"{sum(sizes)} more, and its bound is {self._bound} (MAILWAKE_SPOOL_BYTES): nothing of them was kept. "
                    "See why the log does not take them, or raise the bound, and emit again"
                )
            connection.executemany(
                "INSERT INTO records (position, topic, key, value, timestamp) VALUES (?, ?, ?, ?, ?)",
                ((position, *row) for position, row in enumerate(rows, first)),
            )
            ends = list(accumulate((sum(map(len, emit.values())) for emit in emits), initial=first))
            connection.executemany(
                "INSERT INTO emits (first, next, bytes) VALUES (?, ?, ?)",
                (row for row in zip(ends, ends[1:], sizes, strict=False) if row[1] > row[0]),
            )
            connection.execute(
                "UPDATE spool SET log = ?, next = ?, records = records + ?, bytes = bytes + ?",
                (self._log, ends[-1], len(rows), sum(sizes)),
            )
            self._tell(connection)
        return int(ends[-1])

    def held(self) -> Held:
        """How much there is."""
        with self._connections.reading() as connection:
            return _held(connection)

    def first(self) -> int | None:
        """The position of what waits longest, None if nothing does."""
        with self._connections.reading() as connection:
            (first,) = connection.execute("SELECT min(first) FROM emits WHERE refused IS NULL").fetchone()
        return None if first is None else int(first)

    def end(self) -> int:
        """The position that the next record will get."""
        with self._connections.reading() as connection:
            return int(connection.execute("SELECT next FROM spool").fetchone()[0])

    def settle(self, last: int | None) -> None:
        """Remove the group that was sent last, if the last number that the log kept is its own."""
        with self._turn, self._connections.writing() as connection:
            number, *sent = connection.execute(
                "SELECT sent_number, sent_first, sent_next FROM spool"
            ).fetchone()
            if number is not None and number == last:
                _remove(connection, *sent)
            _note_sent(connection, None)
            self._tell(connection)

    def next_group(self, sent: Group | None, most: Most) -> Group | None:
        """Remove the group that was sent, and number the next one; None if nothing waits."""
        with self._turn, self._connections.writing() as connection:
            if sent is not None:
                _remove(connection, sent.first, sent.next)
            group = _gathered(connection, most)
            _note_sent(connection, group)
            self._tell(connection)
        return group

    def set_aside(self, group: Group, reason: str) -> None:
        """Keep what the log refuses out of the way of what waits behind it."""
        with self._turn, self._connections.writing() as connection:
            connection.execute(
                "UPDATE emits SET refused = ? WHERE first >= ? AND first < ?",
                (reason, group.first, group.next),
            )
            _count_refused(connection, group.next - group.first, group.bytes)
            self._tell(connection)

    def take_back(self) -> int:
        """Let what was set aside wait again, before all else; how many records."""
        with self._turn, self._connections.writing() as connection:
            held = _held(connection)
            connection.execute("UPDATE emits SET refused = NULL WHERE refused IS NOT NULL")
            _count_refused(connection, -held.refused_records, -held.refused_bytes)
            self._tell(connection)
        return held.refused_records

    def learn(self, limits: Mapping[str, int]) -> None:
        """Remember how large a batch of each topic may be, for when the log is away."""
        if limits == self.limits:
            return
        with self._turn, self._connections.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO limits VALUES (?, ?)", limits.items())
        self.limits = dict(limits)

    def give_back(self) -> bool:
        """Shorten the file by some of what was removed; False where little is left to give back."""
        with self._turn:
            return give_back_pages(self._connections.writing)

    def close(self) -> None:
        """Release the file."""
        self._connections.close()

    def _check_log(self, connection: Connection) -> None:
        log, held = connection.execute("SELECT log, records + refused_records FROM spool").fetchone()
        if held and log != self._log:
            raise SpoolOfAnotherLog(
                f"the spool {self.path} holds {held} records for {log}, and the log is {self._log}: let it drain there first "
                f"(MAILWAKE_LOG={log} mailwake emit < /dev/null), or let MAILWAKE_SPOOL name another file"
            )

    def _tell(self, connection: Connection) -> None:
        held = _held(connection)
        metrics.SPOOL_RECORDS.set(held.records)
        metrics.SPOOL_BYTES.set(held.bytes)
        metrics.SPOOL_REFUSED_RECORDS.set(held.refused_records)


def _size(topic: str, record: Record) -> int:
    return RECORD_BYTES + len(topic) + len(record.key or b"") + len(record.value or b"")


def _held(connection: Connection) -> Held:
    return Held(
        *connection.execute("SELECT records, bytes, refused_records, refused_bytes FROM spool").fetchone()
    )


def _gathered(connection: Connection, most: Most) -> Group | None:
    """The emits that wait and are next to each other, as many as go together."""
    first = end = None
    emits = size = 0
    for begin, following, taken in connection.execute(
        "SELECT first, next, bytes FROM emits WHERE refused IS NULL ORDER BY first LIMIT ?", (most.emits,)
    ):
        first, end = (begin, begin) if first is None else (first, end)
        if begin != end or (emits and (following - first > most.records or size + taken > most.bytes)):
            break
        end, emits, size = following, emits + 1, size + taken
    if first is None or end is None:
        return None
    records: dict[str, list[Record]] = {}
    for topic, key, value, timestamp in connection.execute(
        "SELECT topic, key, value, timestamp FROM records WHERE position >= ? AND position < ? ORDER BY position",
        (first, end),
    ):
        records.setdefault(topic, []).append(Record(key, value, timestamp))
    return Group(secrets.randbits(62), first, end, emits, size, records)


def _note_sent(connection: Connection, group: Group | None) -> None:
    sent = (group.number, group.first, group.next) if group else (None, None, None)
    connection.execute("UPDATE spool SET sent_number = ?, sent_first = ?, sent_next = ?", sent)


def _remove(connection: Connection, first: int, end: int) -> None:
    """What lies between: others may have been taken back before it meanwhile, and wait."""
    (size,) = connection.execute(
        "SELECT coalesce(sum(bytes), 0) FROM emits WHERE first >= ? AND first < ?", (first, end)
    ).fetchone()
    connection.execute("DELETE FROM emits WHERE first >= ? AND first < ?", (first, end))
    removed = connection.execute("DELETE FROM records WHERE position >= ? AND position < ?", (first, end))
    connection.execute("UPDATE spool SET records = records - ?, bytes = bytes - ?", (removed.rowcount, size))


def _count_refused(connection: Connection, records: int, size: int) -> None:
    connection.execute(
        "UPDATE spool SET records = records - ?1, bytes = bytes - ?2, refused_records = refused_records + ?1, "
        "refused_bytes = refused_bytes + ?2",
        (records, size),
    )
