"""The warehouse as a sink: slices of the log in, rows and then the position of what was read."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import polars as pl

from processors.stage import Slice
from sinks.sink import Loaded
from sinks.warehouse import positions
from sinks.warehouse.client import Client
from sinks.warehouse.frames import arrow_stream, read_slice
from sinks.warehouse.tables import TOPICS
from streams.log import Mark, TopicPartition
from streams.topics import plain

PIECE = 25_000
"""The most records decoded while the piece before is being inserted."""

PIECE_BYTES = 4 * 2**20
"""The most bytes of them, one record's excepted: packed records hold thousands of rows each."""


class WarehouseSink:
    """Loads one generation of the warehouse. Used by one thread at a time."""

    def __init__(self, client: Client, generation: int) -> None:
        """Load into `generation`, whatever the views show."""
        self._client, self._generation = client, generation
        self._decoder = ThreadPoolExecutor(1, "warehouse-decode")

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

    def load(self, records: Slice, mark: Mark) -> Loaded:
        """See `Sink.load`. Raises SinkBusy, SinkRefused; ValueError for a topic that it has no table for."""
        topic = plain(records.topic)
        if topic not in TOPICS:
            raise ValueError(
                f"the warehouse has no table for topic {records.topic}; it has {', '.join(TOPICS)}"
            )
        source = TopicPartition(records.topic, records.partition)
        held = positions.held(self._client, self._generation, source)
        positions.refuse_what_does_not_follow(held, records, mark)
        pieces = [self._insert(piece) for piece in self._decoded(topic, records)]
        bad = [culprit for piece in pieces for culprit in piece.bad]
        if held is None or mark.offset > held.mark.offset:
            seen = [piece.seen for piece in pieces]
            culprits = [records.offsets[index] for index, _ in bad]
            positions.write(self._client, self._generation, positions.advanced(held, mark, seen, culprits))
        return Loaded(sum(piece.rows for piece in pieces), bad)

    def close(self) -> None:
        """Stop decoding ahead; the warehouse itself stays open."""
        self._decoder.shutdown()

    def _decoded(self, topic: str, records: Slice) -> Iterator["_Piece"]:
        """The slice piece by piece, the next one being decoded while the caller deals with this one."""
        ahead: Future[_Piece] | None = None
        for start, end in _pieces(records.values):
            following = self._decoder.submit(_decode, topic, records, start, end, self._generation)
            if ahead is not None:
                yield ahead.result()
            ahead = following
        if ahead is not None:
            yield ahead.result()

    def _insert(self, piece: "_Piece") -> "_Piece":
        for table, columns, block in piece.blocks:
            self._client.insert(table, columns, block)
        return replace(piece, blocks=())


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a slice, ready to be inserted."""

    blocks: Sequence[tuple[str, Sequence[str], bytes]]
    """Table, columns, ArrowStream."""
    rows: int
    seen: pl.DataFrame
    bad: Sequence[tuple[int, str]]
    """Index in the whole slice, and why."""


def _pieces(values: Sequence[bytes | None]) -> Iterator[tuple[int, int]]:
    """Where pieces begin and end."""
    start = size = 0
    for index, value in enumerate(values):
        size += len(value or b"")
        if index > start and (index - start == PIECE or size > PIECE_BYTES):
            yield start, index
            start, size = index, len(value or b"")
    if start < len(values):
        yield start, len(values)


def _decode(topic: str, records: Slice, start: int, end: int, generation: int) -> _Piece:
    part = replace(records, offsets=records.offsets[start:end], values=records.values[start:end])
    told = read_slice(topic, part, generation)
    return _Piece(
        [(f"{name}_told", frame.columns, arrow_stream(frame)) for name, frame in told.tables.items()],
        sum(frame.height for frame in told.tables.values()),
        told.records,
        [(start + index, reason) for index, reason in told.bad],
    )
