"""A Faust table's store that knows how far each partition's changelog has been applied.

Faust's own memory store forgets that, so that a standby replica would be read anew from the beginning when it takes
over. Here a partition that was followed, or worked on, goes on from where it is.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import faust
from faust.stores import base
from faust.types import TP, EventT

from streams.faust.transport import quiet

Chunks = Mapping[bytes, bytes]


class ChunkStore(base.Store[int, dict[bytes, bytes]]):
    """State chunks in memory, by partition."""

    logger = quiet
    table: "ChunkTable"

    def __post_init__(self) -> None:
        """As Faust begins a service."""
        self.data: dict[int, dict[bytes, bytes]] = {}
        self._applied: dict[int, int] = {}

    def chunks(self, partition: int) -> Chunks:
        """What there is of a partition."""
        return self.data.get(partition, {})

    def replace(self, partition: int, chunks: Mapping[bytes, bytes | None], end: int | None) -> None:
        """Take over what the owner of the partition has made durable; `end` is the changelog's offset after it."""
        held = self.data.setdefault(partition, {})
        for key, chunk in chunks.items():
            _put(held, key, chunk)
        if end is not None:
            self._applied[partition] = end - 1

    def apply_changelog_batch(
        self, batch: Iterable[EventT[Any]], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """As Faust recovers, and follows; what was applied before changes nothing."""
        further = set()
        for event in batch:
            message = event.message
            partition, offset = message.partition, message.offset
            if offset > self.applied(partition):
                _put(self.data.setdefault(partition, {}), message.key or b"", message.value)
                self._applied[partition] = offset
                further.add(partition)
        self.table.followed(further)

    def applied(self, partition: int) -> int:
        """The last offset of a partition's changelog that was applied; -1 before the first."""
        return self._applied.get(partition, -1)

    def persisted_offset(self, tp: TP) -> int | None:
        """The last offset that was applied; None before the first."""
        return self._applied.get(tp.partition)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Let go of the partitions that are neither worked on nor followed here."""
        kept = {tp.partition for tp in active_tps | standby_tps}
        for partition in self._applied.keys() - kept:
            self.data.pop(partition, None)
            del self._applied[partition]

    def _clear(self) -> None:
        self.data.clear()
        self._applied.clear()

    def reset_state(self) -> None:
        """Nothing is on disk."""

    async def backup_partition(
        self, tp: TP | int, flush: bool = True, purge: bool = False, keep: int = 1
    ) -> None:
        """The changelog is the backup."""

    def restore_backup(self, tp: TP | int, latest: bool = True, backup_id: int = 0) -> None:
        """The changelog is the backup."""


class ChunkTable(faust.Table[int, dict[bytes, bytes]]):
    """A table of chunks; its changelog is written in the owners' transactions, not by Faust."""

    logger = quiet
    followed: Callable[[Collection[int]], None] = staticmethod(lambda partitions: None)
    """Told when some of the changelog was applied, and of which partitions."""

    def _new_store(self) -> ChunkStore:
        return ChunkStore(
            "memory://", self.app, self, table_name=self.name, beacon=self.beacon, loop=self.loop
        )


def _put(held: dict[bytes, bytes], key: bytes, chunk: bytes | None) -> None:
    if chunk is None:
        held.pop(key, None)
    else:
        held[key] = chunk
