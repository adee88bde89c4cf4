"""What is removed from the log's database: by age, by size, by compaction; and its space given back.

Everything is done in slices, each a short transaction of its own, so that emitters get their turn in between.
Nothing is removed that a group has committed a position before: a group that stands still makes its topics grow,
and is named in a warning once they exceed their size.
"""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from streams.log import Retention, TopicPartition
from streams.sqlite.schema import OFFSET_BITS

logger = logging.getLogger(__name__)

TOMBSTONE_MS = 24 * 3600 * 1000
"""How long compaction keeps a tombstone, so that readers learn of it (as Kafka's `delete.retention.ms`)."""

_SLICE_RECORDS = 2_000
_SLICE_BYTES = 2 * 2**20
_SLICE_PAGES = 512
_SPARE_PAGES = 64

Writing = Callable[[], AbstractContextManager[sqlite3.Connection]]


@dataclass(frozen=True, slots=True)
class Removed:
    """How many records a retention run removed, and their bytes (keys and values)."""

    records: int = 0
    bytes: int = 0

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(self.records + other.records, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class Kept:
    """A partition and the rules for it: its number in the database, its name, its retention, and what to keep.

    Nothing at or after `hold` is removed; None leaves it to the committed groups.
    """

    number: int
    source: TopicPartition
    retention: Retention
    hold: int | None

    @property
    def base(self) -> int:
        """The position of the partition's offset 0."""
        return self.number << OFFSET_BITS


def apply(writing: Writing, partitions: Sequence[Kept], now_ms: int) -> Removed:
    """Apply every partition's retention as of `now_ms`, then give free pages back to the file system."""
    removed = Removed()
    for kept in partitions:
        if kept.retention.max_age_ms is not None or kept.retention.max_bytes is not None:
            removed += _in_slices(writing, _remove_oldest, kept, now_ms)
        if kept.retention.compacted:
            removed += _in_slices(writing, _compact, kept, now_ms)
            removed += _in_slices(writing, _remove_tombstones, kept, now_ms)
    while give_back_pages(writing):
        pass
    return removed


def _in_slices(
    writing: Writing,
    one_slice: Callable[[sqlite3.Connection, Kept, int], tuple[Removed, bool]],
    kept: Kept,
    now_ms: int,
) -> Removed:
    removed = Removed()
    more = True
    while more:
        with writing() as connection:
            slice_removed, more = one_slice(connection, kept, now_ms)
        removed += slice_removed
    return removed


def _remove_oldest(connection: sqlite3.Connection, kept: Kept, now_ms: int) -> tuple[Removed, bool]:
    """Remove records from the beginning while they are too old or the partition too large."""
    begin, end, size = connection.execute(
        "SELECT begin_offset, end_offset, bytes FROM partitions WHERE number = ?", (kept.number,)
    ).fetchone()
    until = _free_until(connection, kept, end)
    rule = kept.retention
    taken: list[int] = []
    taken_bytes = 0
    exhausted = True
    for offset, timestamp, length in connection.execute(
        "SELECT position - ?1, timestamp, coalesce(length(key), 0) + coalesce(length(value), 0) FROM records "
        "WHERE position >= ?1 + ?2 AND position < ?1 + ?3 ORDER BY position",
        (kept.base, begin, until),
    ):
        old = rule.max_age_ms is not None and timestamp < now_ms - rule.max_age_ms
        large = rule.max_bytes is not None and size - taken_bytes > rule.max_bytes
        if len(taken) >= _SLICE_RECORDS or taken_bytes >= _SLICE_BYTES or not (old or large):
            exhausted = False
            break
        taken.append(offset)
        taken_bytes += length
    if exhausted and until < end and rule.max_bytes is not None and size - taken_bytes > rule.max_bytes:
        logger.warning(
            "%s/%d holds %d bytes, more than its %d: offset %d is as far as %s has read",
            *kept.source,
            size - taken_bytes,
            rule.max_bytes,
            until,
            _slowest(connection, kept),
        )
    if not taken:
        return Removed(), False
    new_begin = until if exhausted else taken[-1] + 1
    span = (kept.base + begin, kept.base + new_begin)
    if rule.compacted:
        connection.execute(
            "DELETE FROM latest WHERE (number, key, offset) IN "
            "(SELECT ?, key, position - ? FROM records WHERE position >= ? AND position < ?)",
            (kept.number, kept.base, *span),
        )
    connection.execute("DELETE FROM records WHERE position >= ? AND position < ?", span)
    connection.execute("UPDATE partitions SET begin_offset = ? WHERE number = ?", (new_begin, kept.number))
    return _count(connection, kept, Removed(len(taken), taken_bytes)), not exhausted


def _compact(connection: sqlite3.Connection, kept: Kept, now_ms: int) -> tuple[Removed, bool]:
    """Go on from where compaction was: each record with a key replaces the one that had the key before.

    `latest` knows the one record of each key that compaction has left, so its cost is that of what is new.
    """
    done, end = connection.execute(
        "SELECT max(begin_offset, compacted_to), end_offset FROM partitions WHERE number = ?", (kept.number,)
    ).fetchone()
    until = _free_until(connection, kept, end)
    rows = connection.execute(
        "SELECT position - ?1, key, CASE WHEN value IS NULL THEN timestamp END FROM records "
        "WHERE position >= ?1 + ?2 AND position < ?1 + ?3 ORDER BY position LIMIT ?4",
        (kept.base, done, until, _SLICE_RECORDS),
    ).fetchall()
    removed = Removed()
    for offset, key, tombstone_at in rows:
        if key is None:
            continue
        replaced = connection.execute(
            "SELECT offset FROM latest WHERE number = ? AND key = ?", (kept.number, key)
        ).fetchone()
        if replaced:
            removed += _remove_record(connection, kept, replaced[0])
        connection.execute(
            "INSERT INTO latest VALUES (?, ?, ?, ?) ON CONFLICT (number, key) "
            "DO UPDATE SET offset = excluded.offset, tombstone_at = excluded.tombstone_at",
            (kept.number, key, offset, tombstone_at),
        )
    more = len(rows) == _SLICE_RECORDS
    reached = rows[-1][0] + 1 if more else max(done, until)
    if reached > done:
        connection.execute("UPDATE partitions SET compacted_to = ? WHERE number = ?", (reached, kept.number))
    return _count(connection, kept, removed), more


def _remove_tombstones(connection: sqlite3.Connection, kept: Kept, now_ms: int) -> tuple[Removed, bool]:
    """Remove tombstones that have stood long enough; what they erased is gone already."""
    (end,) = connection.execute(
        "SELECT end_offset FROM partitions WHERE number = ?", (kept.number,)
    ).fetchone()
    rows = connection.execute(
        "SELECT key, offset FROM latest WHERE number = ? AND tombstone_at < ? AND offset < ? LIMIT ?",
        (kept.number, now_ms - TOMBSTONE_MS, _free_until(connection, kept, end), _SLICE_RECORDS),
    ).fetchall()
    removed = Removed()
    for key, offset in rows:
        removed += _remove_record(connection, kept, offset)
        connection.execute("DELETE FROM latest WHERE number = ? AND key = ?", (kept.number, key))
    return _count(connection, kept, removed), len(rows) == _SLICE_RECORDS


def _remove_record(connection: sqlite3.Connection, kept: Kept, offset: int) -> Removed:
    lengths = connection.execute(
        "DELETE FROM records WHERE position = ? RETURNING coalesce(length(key), 0) + coalesce(length(value), 0)",
        (kept.base + offset,),
    ).fetchall()
    return Removed(len(lengths), sum(length for (length,) in lengths))


def _count(connection: sqlite3.Connection, kept: Kept, removed: Removed) -> Removed:
    if removed.records:
        connection.execute(
            "UPDATE partitions SET records = records - ?, bytes = bytes - ? WHERE number = ?",
            (removed.records, removed.bytes, kept.number),
        )
    return removed


def _free_until(connection: sqlite3.Connection, kept: Kept, end: int) -> int:
    """The offset before which nobody needs the records any more."""
    (slowest,) = connection.execute(
        "SELECT min(offset) FROM committed WHERE number = ?", (kept.number,)
    ).fetchone()
    return min(end, *(limit for limit in (kept.hold, slowest) if limit is not None), end)


def _slowest(connection: sqlite3.Connection, kept: Kept) -> str:
    row = connection.execute(
        "SELECT consumer_group, offset FROM committed WHERE number = ? ORDER BY offset LIMIT 1",
        (kept.number,),
    ).fetchone()
    if row is None or (kept.hold is not None and kept.hold < row[1]):
        return "the slowest reader"
    return f"group {row[0]}"


def give_back_pages(writing: Writing) -> bool:
    """Shorten the file by some pages, unless few are free: the next appends can use those."""
    with writing() as connection:
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        if free <= max(_SPARE_PAGES, pages // 10):
            return False
        # The sqlite3 module steps only once through a statement that returns no columns: that is one page.
        for _ in range(_SLICE_PAGES):
            connection.execute("PRAGMA incremental_vacuum(1)")
    return True
