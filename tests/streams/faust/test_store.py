"""The store under the fold's table: how far each partition's changelog was applied, and what is let go of."""

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from faust.types import TP

from streams.faust.store import ChunkStore, ChunkTable

CHANGELOG = "changelog"


@dataclass(frozen=True)
class Followed:
    """A store, as its table makes it, and of which partitions it said that it came further."""

    store: ChunkStore
    told: list[set[int]]


@pytest.fixture
def followed() -> Followed:
    app = faust.App("test-of-a-store", store="memory://", web_enabled=False)
    table = ChunkTable(app, name="fold", partitions=4, key_type=bytes, value_type=bytes)
    told: list[set[int]] = []
    table.followed = lambda partitions: told.append(set(partitions))
    return Followed(table._new_store(), told)


@pytest.fixture
def store(followed: Followed) -> ChunkStore:
    return followed.store


def event(partition: int, offset: int, key: bytes, value: bytes | None) -> Any:
    return SimpleNamespace(message=SimpleNamespace(partition=partition, offset=offset, key=key, value=value))


def apply(store: ChunkStore, *events: Any) -> None:
    store.apply_changelog_batch(events, bytes, bytes)


def test_a_changelog_is_applied_in_each_partition_up_to_its_last_offset(store: ChunkStore) -> None:
    assert (store.applied(0), store.persisted_offset(TP(CHANGELOG, 0))) == (-1, None)
    apply(store, event(0, 0, b"a", b"1"), event(1, 7, b"a", b"one"), event(0, 2, b"b", b"2"))
    assert (store.chunks(0), store.chunks(1), store.chunks(2)) == (
        {b"a": b"1", b"b": b"2"},
        {b"a": b"one"},
        {},
    )
    assert [store.applied(partition) for partition in range(3)] == [2, 7, -1]
    assert store.persisted_offset(TP(CHANGELOG, 1)) == 7


def test_what_is_read_again_changes_nothing(store: ChunkStore) -> None:
    apply(store, event(0, 0, b"a", b"old"), event(0, 1, b"a", b"new"))
    apply(store, event(0, 0, b"a", b"old"), event(0, 1, b"a", b"other"))
    assert store.chunks(0) == {b"a": b"new"} and store.applied(0) == 1


def test_a_tombstone_takes_a_chunk_away_known_or_not(store: ChunkStore) -> None:
    apply(store, event(0, 0, b"a", b"1"), event(0, 1, b"a", None), event(0, 2, b"never", None))
    assert store.chunks(0) == {} and store.applied(0) == 2


def test_what_the_owner_wrote_is_not_read_again(store: ChunkStore) -> None:
    apply(store, event(0, 0, b"a", b"1"), event(0, 1, b"b", b"1"))
    store.replace(0, {b"a": b"2", b"b": None}, 5)
    assert store.chunks(0) == {b"a": b"2"} and store.applied(0) == 4
    apply(store, event(0, 2, b"a", b"stale"), event(0, 4, b"b", b"stale"))
    assert store.chunks(0) == {b"a": b"2"}
    apply(store, event(0, 5, b"c", b"3"))
    assert store.chunks(0) == {b"a": b"2", b"c": b"3"}


def test_where_the_end_of_a_write_is_not_known_it_is_read_again(store: ChunkStore) -> None:
    apply(store, event(0, 0, b"a", b"1"))
    store.replace(0, {b"a": b"2"}, None)
    assert store.chunks(0) == {b"a": b"2"} and store.applied(0) == 0


def test_partitions_that_are_neither_worked_on_nor_followed_are_let_go(store: ChunkStore) -> None:
    apply(store, *(event(partition, 3, b"a", b"1") for partition in range(4)))
    active, standby = {TP(CHANGELOG, 0)}, {TP(CHANGELOG, 2)}
    asyncio.run(store.on_recovery_completed(active, standby))
    assert [store.applied(partition) for partition in range(4)] == [3, -1, 3, -1]
    assert [bool(store.chunks(partition)) for partition in range(4)] == [True, False, True, False]
    apply(store, event(1, 0, b"a", b"anew"))
    assert store.chunks(1) == {b"a": b"anew"}


def test_every_batch_that_is_applied_is_told(followed: Followed) -> None:
    apply(followed.store, event(0, 0, b"a", b"1"), event(0, 1, b"a", b"1"))
    apply(followed.store, event(1, 0, b"a", b"1"), event(0, 1, b"a", b"1"), event(2, 3, b"a", None))
    assert followed.told == [{0}, {1, 2}], "what was applied before is not further"
