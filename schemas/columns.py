"""Batches of framed records to data frames, without decoding a record in Python.

Bodies that share a schema are joined into one Avro file for polars to read. Each stands between two guards,
numbers that are known, as extra fields of the file's schema: a body that is too short, too long or garbage
shifts them, and the batch is then searched, half by half, for the culprits.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, islice
from typing import Any

import polars as pl

from schemas.catalog import UnknownSchema, Version, latest, version
from schemas.codec import HEADER, Undecodable, checked_fields, plain, schema_id_of
from schemas.encoding.container import as_read, file_head, read_bodies
from schemas.encoding.container import polars_schema as polars_schema
from schemas.encoding.wire import canonical, write_long
from schemas.packed import INDEX as INDEX
from schemas.packed import Unpacked as Unpacked
from schemas.packed import pack_rows as pack_rows
from schemas.packed import unpack_rows as unpack_rows
from schemas.packed import whole_rows as whole_rows
from schemas.record import CLOCK_TOLERANCE_MS, EARLIEST_MS, LATEST_MS, UUID_PATTERN, Event

EFFECTIVE_TIME = pl.min_horizontal("occurred_at", pl.col("recorded_at") + CLOCK_TOLERANCE_MS)
"""When an event counts, ms: when it happened, but never far after it was recorded."""

_GUARDS = "_guard_before", "_guard_after"
_LEAST_GUARD = 8192
_FEW = 32
"""So many bodies are judged one by one, in Python, when something is wrong among them."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a batch held: a frame for each record type, and what could not be understood."""

    frames: dict[type[Event], pl.DataFrame] = field(default_factory=dict)
    """Columns are the fields of today's reader and `_index`; rows are in the batch's order."""
    bad: list[tuple[int, str]] = field(default_factory=list)
    """Index in the batch, and why it is no record of ours."""


def decode_frames(values: Sequence[bytes | None], columns: Iterable[str] | None = None) -> Decoded:
    """Decode a batch of framed records of any types; tombstones (None) are passed over.

    `columns` limits what is materialised (id and times always are): fields that a record type does not have are
    left out of its frame. What is set aside is what `decode_fields` refuses, wherever in the batch it stands;
    except that text of a column that is not materialised is not looked at, be it UTF-8 or not.
    """
    wanted = None if columns is None else frozenset(columns)
    frames: dict[type[Event], list[pl.DataFrame]] = {}
    bad: list[tuple[int, str]] = []
    for head, indices in _by_head(values).items():
        try:
            known = version(schema_id_of(head))
        except (Undecodable, UnknownSchema) as error:
            bad += [(index, str(error)) for index in indices]
            continue
        bodies = [values[index][HEADER:] for index in indices]  # type: ignore[index]
        parts, culprits = _decode(known, indices, bodies, wanted)
        frames.setdefault(known.record, []).extend(part for part in parts if part.height)
        bad += culprits
    return Decoded({record: _in_order(parts) for record, parts in frames.items() if parts}, sorted(bad))


def _by_head(values: Sequence[bytes | None]) -> dict[bytes, list[int]]:
    groups: dict[bytes, list[int]] = {}
    for index, value in enumerate(values):
        if value is not None:
            groups.setdefault(value[:HEADER], []).append(index)
    return groups


def _in_order(parts: list[pl.DataFrame]) -> pl.DataFrame:
    whole = pl.concat(parts)
    return whole if whole.get_column(INDEX).is_sorted() else whole.sort(INDEX)


Bad = list[tuple[int, str]]


def _decode(
    known: Version, indices: list[int], bodies: list[bytes], wanted: frozenset[str] | None
) -> tuple[list[pl.DataFrame], Bad]:
    frame = _read(known, bodies, wanted)
    if frame is not None:
        return _valid(known, indices, frame)
    if len(bodies) <= _FEW:
        return _one_by_one(known, indices, bodies, wanted)
    half = len(bodies) // 2
    one, bad_of_one = _decode(known, indices[:half], bodies[:half], wanted)
    other, bad_of_other = _decode(known, indices[half:], bodies[half:], wanted)
    return one + other, bad_of_one + bad_of_other


def _one_by_one(
    known: Version, indices: list[int], bodies: list[bytes], wanted: frozenset[str] | None
) -> tuple[list[pl.DataFrame], Bad]:
    sound: list[tuple[int, bytes]] = []
    bad: Bad = []
    for index, body in zip(indices, bodies, strict=True):
        try:
            sound.append((index, canonical(plain(known.id), body)))
        except Undecodable as error:
            bad.append((index, f"{known.record.__name__}: {error}"))
    frames, unreadable = _readable(known, sound, wanted)
    return frames, bad + unreadable


def _readable(
    known: Version, sound: list[tuple[int, bytes]], wanted: frozenset[str] | None
) -> tuple[list[pl.DataFrame], Bad]:
    """What is known to be whole, read together; each alone should polars have another opinion."""
    if not sound:
        return [], []
    indices, bodies = zip(*sound, strict=True)
    frame = _read(known, list(bodies), wanted)
    if frame is not None:
        return _valid(known, indices, frame)
    if len(sound) == 1:
        return [], [(indices[0], f"{known.record.__name__}: a body that can't be read in columns")]
    parts = [_readable(known, [one], wanted) for one in sound]
    return [frame for frames, _ in parts for frame in frames], [one for _, bad in parts for one in bad]


def _read(known: Version, bodies: list[bytes], wanted: frozenset[str] | None) -> pl.DataFrame | None:
    """The bodies as a frame of today's columns, or None when one of them is not whole.

    Every column is read, wanted or not: what is whole must not depend on who asks.
    """
    materialised = None if wanted is None else wanted | checked_fields(known.record).keys()
    written = plain(known.id)
    names = [f["name"] for f in written["fields"]]
    first = _first_guard(bodies)
    guards = _guards(first, len(bodies))
    joined = b"".join(chain.from_iterable(zip(guards, bodies, guards, strict=True)))
    frame = read_bodies(_head(known.id), len(bodies), joined, [*_GUARDS, *names])
    if frame is None:
        return None
    expected = pl.int_range(first, first + frame.height, dtype=pl.Int32, eager=True)
    if not all((frame.get_column(name) == expected).all() for name in _GUARDS):
        return None
    if flags := _flags(known.id):
        if not frame.select(pl.all_horizontal(pl.col(flags).is_between(-1, 0).all())).item():
            return None
        frame = frame.with_columns(pl.col(flags) != 0)
    return as_read(frame, written, plain(latest(known.record).id), materialised)


@cache
def _head(schema_id: int) -> bytes:
    """Guards around the fields; a boolean is read as an int, since polars takes any byte for one."""
    known = plain(schema_id)
    before, after = ({"name": name, "type": "int"} for name in _GUARDS)
    flags = _flags(schema_id)
    fields = [{**f, "type": _as_int(f["type"])} if f["name"] in flags else f for f in known["fields"]]
    return file_head({**known, "fields": [before, *fields, after]})


@cache
def _flags(schema_id: int) -> tuple[str, ...]:
    fields = plain(schema_id)["fields"]
    return tuple(f["name"] for f in fields if f["type"] in ("boolean", ["null", "boolean"]))


def _as_int(kind: Any) -> Any:
    return ["null", "int"] if isinstance(kind, list) else "int"


_GUARDS_MADE = 8192


def _guards(first: int, count: int) -> list[bytes]:
    """So many numbers from `first` on, as Avro ints."""
    lots = range(first // _GUARDS_MADE, (first + count - 1) // _GUARDS_MADE + 1)
    return list(
        islice(chain.from_iterable(map(_lot, lots)), first % _GUARDS_MADE, first % _GUARDS_MADE + count)
    )


@cache
def _lot(number: int) -> tuple[bytes, ...]:
    """A lot of guards, made once; threads that decode at the same time get the same one."""
    return tuple(map(write_long, range(number * _GUARDS_MADE, (number + 1) * _GUARDS_MADE)))


def _first_guard(bodies: list[bytes]) -> int:
    """Guards begin where the batch's content says: no record can know beforehand what its own will be.

    Each is three bytes long, none of the first two 0. Behind the last body stands no other guard to give it away: one
    byte alone could be the length that a second body in it begins with, or the zeros that a cut one is read on into.
    """
    return _LEAST_GUARD + zlib.crc32(bodies[-1], zlib.crc32(bodies[0])) % 8192


def _valid(known: Version, indices: Sequence[int], frame: pl.DataFrame) -> tuple[list[pl.DataFrame], Bad]:
    """Set aside rows that are whole Avro and still no event: no id, or a time outside what can be stored."""
    frame = frame.with_columns(pl.Series(INDEX, indices, pl.UInt32))
    kinds = checked_fields(known.record)
    checks = {
        name: pl.col(name).str.contains(UUID_PATTERN)
        if kind == "uuid"
        else pl.col(name).is_between(EARLIEST_MS, LATEST_MS)
        for name, kind in kinds.items()
    }
    valid = frame.select(pl.all_horizontal(list(checks.values()))).to_series()
    if valid.all():
        return [frame], []
    wrong = frame.filter(~valid)
    bad = []
    for row, passes in zip(
        wrong.iter_rows(named=True), wrong.select(**checks).iter_rows(named=True), strict=True
    ):
        name = next(name for name in kinds if not passes[name])
        bad.append((row[INDEX], f"{known.record.__name__}.{name}: {row[name]!r} is no {kinds[name]}"))
    return [frame.filter(valid)], bad
