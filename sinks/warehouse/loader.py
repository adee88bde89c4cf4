"""The warehouse as a sink: slices of the log in, rows and then the position of what was read."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import polars as pl

from processors.stage import Slice
from sinks.sink import Loaded, SinkBusy
from sinks.warehouse import positions
from sinks.warehouse.arrow import arrow_file, with_values
from sinks.warehouse.client import Client, explained
from sinks.warehouse.frames import read_slice
from sinks.warehouse.tables import BUCKETS, TOPICS
from streams.log import Mark, TopicPartition
from streams.topics import plain

PIECE = 25_000
"""The most records in one insert, decoded while the one before is under way.

Every insert is a part, and a row is merged each time that parts grow twentyfold. Larger ones would load somewhat
faster, and take more memory.
"""

PIECE_BYTES, PACKED_BYTES = 12 * 2**20, 4 * 2**20
"""The most bytes of them, one record's excepted; a byte of packed records is more of a row."""

PACKED_TOPICS = frozenset(table.topic for table in BUCKETS)


class WarehouseSink:
    """Loads one generation of the warehouse. Used by one thread at a time."""

    def __init__(self, client: Client, generation: int) -> None:
        """Load into `generation`, whatever the views show."""
        self._client, self._generation = client, generation
        self._decoder = ThreadPoolExecutor(1, "warehouse-decode")
        self._begun: dict[TopicPartition, _Begun] = {}
        self._kept: dict[TopicPartition, _Begun] = {}

    @property
    def name(self) -> str:
        """What dead letters and messages call it."""
        return "warehouse"

    @property
    def topics(self) -> Sequence[str]:
        """Every topic there is a table for."""
        return TOPICS

    def position(self, source: TopicPartition) -> Mark | None:
        """See `Sink.position`."""
        held = positions.held(self._client, self._generation, source)
        return None if held is None else held.mark

    def prepare(self, records: Slice) -> None:
        """See `Sink.prepare`."""
        self._begun[TopicPartition(records.topic, records.partition)] = self._begin(records)

    def load(self, records: Slice, mark: Mark) -> Loaded:
        """See `Sink.load`. Raises SinkBusy, SinkRefused; ValueError for a topic that it has no table for."""
        if plain(records.topic) not in TOPICS:
            raise ValueError(
                f"the warehouse has no table for topic {records.topic}; it has {', '.join(TOPICS)}"
            )
        source = TopicPartition(records.topic, records.partition)
        begun = self._taken(source, records)
        try:
            held = positions.held(self._client, self._generation, source)
            positions.refuse_what_does_not_follow(held, records, mark)
            for piece in self._decoded(begun):
                self._insert(piece)
            loaded = self._told(begun, held, mark)
        except SinkBusy:
            # A server that comes back may have lost what it was told before: only a first piece is kept.
            if not begun.done:
                self._kept[source] = begun
            raise
        return loaded

    def close(self) -> None:
        """Stop decoding ahead; the warehouse itself stays open."""
        self._decoder.shutdown()

    def _taken(self, source: TopicPartition, records: Slice) -> "_Begun":
        """What is prepared of a slice: by an attempt that the warehouse was too busy for, ahead, or now."""
        kept = self._kept.pop(source, None)
        if kept is not None and kept.records == records:
            return kept
        begun = self._begun.pop(source, None)
        return begun if begun is not None and begun.records == records else self._begin(records)

    def _begin(self, records: Slice) -> "_Begun":
        begun = _Begun(records, deque(_pieces(records)))
        if begun.rest:
            begun.ahead = self._submit(begun, 0)
        return begun

    def _submit(self, begun: "_Begun", index: int) -> "Future[_Piece]":
        return self._decoder.submit(_decode, begun.records, *begun.rest[index], self._generation)

    def _decoded(self, begun: "_Begun") -> Iterator["_Piece"]:
        """What is left of a slice, piece by piece, the next one being decoded while the caller deals with this one.

        A piece that the caller did not come back from is the first again; one that could not be decoded is tried anew.
        """
        while begun.rest:
            piece = begun.current = begun.current or self._awaited(begun)
            if begun.ahead is None and len(begun.rest) > 1:
                begun.ahead = self._submit(begun, 1)
            yield piece
            begun.done.append(piece)
            begun.current = None
            begun.rest.popleft()

    def _awaited(self, begun: "_Begun") -> "_Piece":
        ahead, begun.ahead = begun.ahead or self._submit(begun, 0), None
        with explained(self._client.where):
            return ahead.result()

    def _insert(self, piece: "_Piece") -> None:
        """Insert a piece, all of it again where an attempt was cut short: that changes nothing."""
        for table, columns, block in piece.blocks:
            block.seek(0)
            self._client.insert(table, columns, block)
        for _, _, block in piece.blocks:
            block.close()

    def _told(self, begun: "_Begun", held: positions.Position | None, mark: Mark) -> Loaded:
        """Write the position behind what was inserted, unless the warehouse is further already."""
        bad = [culprit for piece in begun.done for culprit in piece.bad]
        if held is None or mark.offset > held.mark.offset:
            seen = [piece.seen for piece in begun.done]
            culprits = [begun.records.offsets[index] for index, _ in bad]
            positions.write(self._client, self._generation, positions.advanced(held, mark, seen, culprits))
        return Loaded(sum(piece.rows for piece in begun.done), bad)


@dataclass(slots=True)
class _Begun:
    """A slice on its way: what of it is inserted, decoded, and to come."""

    records: Slice
    rest: deque[tuple[int, int]]
    """Where the pieces begin and end that are not inserted whole."""
    ahead: "Future[_Piece] | None" = None
    """The first of them that is not `current`, being decoded."""
    current: "_Piece | None" = None
    """The first of them, decoded."""
    done: "list[_Piece]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a slice, ready to be inserted."""

    blocks: Sequence[tuple[str, Sequence[str], BinaryIO]]
    """Table, columns, ArrowStream."""
    rows: int
    seen: pl.DataFrame
    bad: Sequence[tuple[int, str]]
    """Index in the whole slice, and why."""


def _pieces(records: Slice) -> Iterator[tuple[int, int]]:
    """Where pieces begin and end."""
    most = PACKED_BYTES if plain(records.topic) in PACKED_TOPICS else PIECE_BYTES
    start = size = 0
    for index, value in enumerate(records.values):
        size += len(value or b"")
        if index > start and (index - start == PIECE or size > most):
            yield start, index
            start, size = index, len(value or b"")
    if start < len(records):
        yield start, len(records)


def _decode(records: Slice, start: int, end: int, generation: int) -> _Piece:
    part = replace(records, offsets=records.offsets[start:end], values=records.values[start:end])
    told = read_slice(plain(records.topic), part, generation)
    tables = {f"{name}_told": with_values(frame) for name, frame in told.tables.items()}
    return _Piece(
        [(name, frame.columns, arrow_file(frame)) for name, frame in tables.items()],
        sum(frame.height for frame in told.tables.values()),
        told.records,
        [(start + index, reason) for index, reason in told.bad],
    )
