"""The warehouse as a sink: slices of the log in, rows and then the position of what was read."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import BinaryIO

import polars as pl

from processors.stage import Slice
from sinks.sink import Loaded
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
        held = positions.held(self._client, self._generation, source)
        positions.refuse_what_does_not_follow(held, records, mark)
        begun = self._begun.pop(source, None)
        if begun is None or begun.records != records:
            begun = self._begin(records)
        pieces = [self._insert(piece) for piece in self._decoded(begun)]
        bad = [culprit for piece in pieces for culprit in piece.bad]
        if held is None or mark.offset > held.mark.offset:
            seen = [piece.seen for piece in pieces]
            culprits = [records.offsets[index] for index, _ in bad]
            positions.write(self._client, self._generation, positions.advanced(held, mark, seen, culprits))
        return Loaded(sum(piece.rows for piece in pieces), bad)

    def close(self) -> None:
        """Stop decoding ahead; the warehouse itself stays open."""
        self._decoder.shutdown()

    def _begin(self, records: Slice) -> "_Begun":
        pieces = _pieces(records)
        return _Begun(records, self._submit(records, next(pieces, None)), pieces)

    def _submit(self, records: Slice, piece: tuple[int, int] | None) -> "Future[_Piece] | None":
        return self._decoder.submit(_decode, records, *piece, self._generation) if piece else None

    def _decoded(self, begun: "_Begun") -> Iterator["_Piece"]:
        """A slice piece by piece, the next one being decoded while the caller deals with this one."""
        ahead = begun.first
        while ahead is not None:
            following = self._submit(begun.records, next(begun.rest, None))
            with explained(self._client.where):
                piece = ahead.result()
            yield piece
            ahead = following

    def _insert(self, piece: "_Piece") -> "_Piece":
        for table, columns, block in piece.blocks:
            with block:
                self._client.insert(table, columns, block)
        return replace(piece, blocks=())


@dataclass(frozen=True, slots=True)
class _Begun:
    """A slice whose first piece is being decoded."""

    records: Slice
    first: "Future[_Piece] | None"
    rest: Iterator[tuple[int, int]]
    """Where the other pieces begin and end."""


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
