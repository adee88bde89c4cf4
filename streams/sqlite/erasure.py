"""Putting other values in the place of records in the log's database, for good: what an erasure needs.

Nothing else changes a record. One that is replaced keeps its offset, its key and its time, so whoever has read it goes on
as before, and whoever reads it again (a replay) finds it where it was. Which were replaced is kept, without what they
were: a mark that was made after such a record can no longer be checked by its digest, only by log and bounds.
"""

import sqlite3
from collections.abc import Mapping

from streams.sqlite.schema import OFFSET_BITS

_TABLE = "CREATE TABLE IF NOT EXISTS replaced (position INTEGER PRIMARY KEY) STRICT"


def change(connection: sqlite3.Connection, number: int, changes: Mapping[int, bytes]) -> int:
    """Replace the values at these offsets of a partition. Returns how many there were.

    `secure_delete` overwrites what stood there with zeros, in the pages of the file.
    """
    connection.execute(_TABLE)
    base = number << OFFSET_BITS
    done = 0
    for offset, value in changes.items():
        row = connection.execute(
            "SELECT coalesce(length(value), 0) FROM records WHERE position = ?", (base + offset,)
        ).fetchone()
        if row is None:
            continue
        done += 1
        connection.execute("UPDATE records SET value = ? WHERE position = ?", (value, base + offset))
        connection.execute("INSERT OR IGNORE INTO replaced VALUES (?)", (base + offset,))
        connection.execute(
            "UPDATE partitions SET bytes = bytes + ? WHERE number = ?", (len(value) - row[0], number)
        )
    return done


def was_replaced(connection: sqlite3.Connection, number: int, offset: int) -> bool:
    """Whether the record at that offset is another than was appended."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'replaced'").fetchone():
        return False
    position = (number << OFFSET_BITS) + offset
    return connection.execute("SELECT 1 FROM replaced WHERE position = ?", (position,)).fetchone() is not None
