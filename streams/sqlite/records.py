"""Records in the log's database: appending and reading, within a transaction of the caller's."""

import sqlite3
from collections.abc import Sequence

from streams.log import Batch, LogError, OffsetGone, Record, TopicPartition
from streams.sqlite.schema import OFFSET_BITS

READ_BYTES = 8 * 2**20
"""About how much one read returns at most, so that large records do not fill the memory."""

_FETCH = 64


def append(connection: sqlite3.Connection, number: int, records: Sequence[Record]) -> int:
    """Add records to the partition of that number; returns the offset of the first."""
    if not records:
        return bounds(connection, number)[1]
    keys, values, timestamps = zip(*records, strict=True)
    size = sum(map(len, filter(None, keys))) + sum(map(len, filter(None, values)))
    (end,) = connection.execute(
        "UPDATE partitions SET end_offset = end_offset + ?1, records = records + ?1, bytes = bytes + ?2, "
        "last_timestamp = max(coalesce(last_timestamp, ?3), ?3) WHERE number = ?4 RETURNING end_offset",
        (len(records), size, max(timestamps), number),
    ).fetchone()
    base = number << OFFSET_BITS
    connection.executemany(
        "INSERT INTO records (position, key, value, timestamp) VALUES (?, ?, ?, ?)",
        zip(range(base + end - len(records), base + end), keys, values, timestamps, strict=True),
    )
    return int(end - len(records))


def read(
    connection: sqlite3.Connection, number: int, source: TopicPartition, offset: int, limit: int
) -> Batch:
    """At most `limit` records from `offset` on, fewer where they are large. Raises OffsetGone, LogError."""
    begin, end = bounds(connection, number)
    if offset < begin:
        raise OffsetGone(
            f"{source.topic}/{source.partition} begins at {begin}: offset {offset} was removed by retention",
            begin,
        )
    if offset > end:
        raise LogError(
            f"{source.topic}/{source.partition} ends at {end}, before offset {offset} that was asked for: the log "
            "was cut, or restored from an older backup"
        )
    base = number << OFFSET_BITS
    cursor = connection.execute(
        "SELECT position - ?1, key, value, timestamp FROM records WHERE position >= ?1 + ?2 AND position < ?1 + ?3 "
        "ORDER BY position LIMIT ?4",
        (base, offset, end, limit),
    )
    offsets: list[int] = []
    keys: list[bytes | None] = []
    values: list[bytes | None] = []
    timestamps: list[int] = []
    size = 0
    while size < READ_BYTES and (some := cursor.fetchmany(_FETCH)):
        more_offsets, more_keys, more_values, more_timestamps = zip(*some, strict=True)
        offsets += more_offsets
        keys += more_keys
        values += more_values
        timestamps += more_timestamps
        size += sum(map(len, filter(None, more_values)))
    cursor.close()
    if not offsets:
        return Batch(source, offset, offset if limit <= 0 else end, (), (), (), ())
    reached_end = len(offsets) < limit and size < READ_BYTES
    after = end if reached_end else offsets[-1] + 1
    return Batch(source, offset, after, offsets, keys, values, timestamps, after < end)


def bounds(connection: sqlite3.Connection, number: int) -> tuple[int, int]:
    """Where the partition of that number begins and ends."""
    row = connection.execute(
        "SELECT begin_offset, end_offset FROM partitions WHERE number = ?", (number,)
    ).fetchone()
    return int(row[0]), int(row[1])


def record_at(
    connection: sqlite3.Connection, number: int, offset: int
) -> tuple[bytes | None, bytes | None] | None:
    """Key and value of the record at an offset; None if there is none (any more)."""
    row: tuple[bytes | None, bytes | None] | None = connection.execute(
        "SELECT key, value FROM records WHERE position = ?", ((number << OFFSET_BITS) + offset,)
    ).fetchone()
    return row
