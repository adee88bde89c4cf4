"""How recipients stand, as state chunks: a bucket of recipients each, packed, so that a flush writes what changed.

A recipient's bucket and key in it are a hash of tenant and `recipient_hash`. A chunk is one recipient behind another: 16
bytes of key, 4 of length, and Avro. Nothing is unpacked but what is asked for, so that a million recipients are some
hundred bytes each in memory as on disk.
"""

import io
import struct
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import fastavro

from processors.suppressions.standing import REASONS, Fact, Lift, Standing, StreamStanding
from schemas.wire import write_long

BUCKETS = 65_536
"""Of a million recipients some 15 are in each: a step that tells of 25,000 rewrites a third of them."""
PREFIX = b"recipients/"

Place = tuple[int, bytes]
"""A recipient's bucket, and key in it."""

_KEY = 16
_HEAD = struct.Struct(">16sI")
_STREAMS = ("all", "transactional", "marketing", "cold", "other")

_OPTIONAL = ["null", "string"]
_FACT = {
    "type": "record",
    "name": "Fact",
    "fields": [
        {"name": "reason", "type": "int"},
        {"name": "at", "type": "long"},
        {"name": "id", "type": {"type": "fixed", "name": "Id", "size": 16}},
        {"name": "recorded_at", "type": "long"},
        {"name": "after", "type": "int"},
        {"name": "bounce_class", "type": _OPTIONAL},
        {"name": "leaf", "type": _OPTIONAL},
        {"name": "by", "type": _OPTIONAL},
        {"name": "note", "type": _OPTIONAL},
        {"name": "ruleset", "type": _OPTIONAL},
    ],
}
_LIFT = {
    "type": "record",
    "name": "Lift",
    "fields": [
        {"name": "reason", "type": "int"},
        {"name": "at", "type": "long"},
        {"name": "id", "type": "Id"},
        {"name": "recorded_at", "type": "long"},
        {"name": "resubscribed", "type": "boolean"},
        {"name": "by", "type": _OPTIONAL},
        {"name": "note", "type": _OPTIONAL},
    ],
}
_STREAM = {
    "type": "record",
    "name": "Stream",
    "fields": [
        {"name": "stream", "type": "int"},
        {"name": "revision", "type": "long"},
        {"name": "facts", "type": {"type": "array", "items": _FACT}},
        {"name": "lifts", "type": {"type": "array", "items": _LIFT}},
    ],
}
_SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Standing",
        "fields": [
            {"name": "domain", "type": _OPTIONAL},
            {"name": "streams", "type": {"type": "array", "items": _STREAM}},
        ],
    }
)


class Recipients:
    """Everyone that anything was said of, by tenant and hash, in chunks that can be kept elsewhere and given back."""

    def __init__(self) -> None:
        self._buckets: dict[int, bytes] = {}
        self._open: dict[Place, Standing] = {}
        """Those asked for since the last flush."""
        self._changed: dict[Place, None] = {}
        """In the order in which they first did."""

    def standing(self, place: Place) -> Standing:
        """How the recipient at a place stands; a new one stands empty. What is changed in it is told by `changed`."""
        known = self._open.get(place)
        if known is None:
            bucket, key = place
            packed = next(
                (body for name, body in _packed(self._buckets.get(bucket, b"")) if name == key), None
            )
            known = self._open[place] = Standing() if packed is None else unpack(packed)
        return known

    def changed(self, place: Place) -> None:
        """The recipient at this place stands otherwise than it did."""
        self._changed[place] = None

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin from chunks that were flushed. Raises ValueError on one that is none of ours."""
        for key, chunk in chunks:
            digits = key.removeprefix(PREFIX)
            if not digits.isdigit() or _chunk_key(int(digits)) != key:
                raise ValueError(f"state chunk {key!r} is no chunk of recipients")
            self._buckets[int(digits)] = chunk

    def flush(self) -> dict[bytes, bytes]:
        """The chunks that changed since the last flush."""
        news: dict[int, list[bytes]] = {}
        for bucket, key in self._changed:
            news.setdefault(bucket, []).append(key)
        chunks = {_chunk_key(bucket): self._repacked(bucket, keys) for bucket, keys in sorted(news.items())}
        self._open.clear()
        self._changed.clear()
        return chunks

    def _repacked(self, bucket: int, keys: Iterable[bytes]) -> bytes:
        merged = dict(_packed(self._buckets.get(bucket, b"")))
        for key in keys:
            merged[key] = pack(self._open[bucket, key])
        chunk = b"".join([_HEAD.pack(key, len(body)) + body for key, body in merged.items()])
        self._buckets[bucket] = chunk
        return chunk


def pack(standing: Standing) -> bytes:
    """A recipient as bytes, Avro by `_SCHEMA`; the same standing always the same ones."""
    parts = [_text(standing.domain)]
    if standing.streams:
        parts.append(_count(len(standing.streams)))
    for name, stream in sorted(standing.streams.items()):
        parts += (_count(_STREAMS.index(name)), _count(stream.revision))
        facts = [(reason, fact) for reason in REASONS for fact in stream.facts.get(reason, ())]
        if facts:
            parts.append(_count(len(facts)))
            for reason, (at, told_by, recorded_at, after, *words) in facts:
                head = (
                    _count(_REASON[reason]),
                    write_long(at),
                    told_by,
                    write_long(recorded_at),
                    _count(after),
                )
                parts += (*head, *map(_text, words))
        parts.append(_END)
        lifts = [(reason, stream.lifts[reason]) for reason in REASONS if reason in stream.lifts]
        if lifts:
            parts.append(_count(len(lifts)))
            for reason, (at, told_by, recorded_at, resubscribed, *words) in lifts:
                said = b"\x01" if resubscribed else b"\x00"
                head = _count(_REASON[reason]), write_long(at), told_by, write_long(recorded_at), said
                parts += (*head, *map(_text, words))
        parts.append(_END)
    parts.append(_END)
    return b"".join(parts)


_END = b"\x00"
"""The block that ends an array."""
_REASON = {reason: number for number, reason in enumerate(REASONS)}
_count = lru_cache(1024)(write_long)


@lru_cache(4096)
def _text(value: str | None) -> bytes:
    if value is None:
        return b"\x00"
    encoded = value.encode()
    return b"\x02" + write_long(len(encoded)) + encoded


def unpack(body: bytes) -> Standing:
    """What `pack` made the bytes of."""
    held: Any = fastavro.schemaless_reader(io.BytesIO(body), _SCHEMA, None)
    return Standing(held["domain"], {_STREAMS[one["stream"]]: _stream(one) for one in held["streams"]})


def _stream(held: Mapping[str, Any]) -> StreamStanding:
    stream = StreamStanding(revision=held["revision"])
    for fact in held["facts"]:
        stream.facts.setdefault(REASONS[fact.pop("reason")], []).append(Fact(**fact))
    stream.lifts = {REASONS[lift.pop("reason")]: Lift(**lift) for lift in held["lifts"]}
    return stream


def _packed(chunk: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(chunk):
        key, size = _HEAD.unpack_from(chunk, at)
        at += _HEAD.size + size
        yield key, chunk[at - size : at]


def place_of(tenant: str, recipient_hash: str) -> Place:
    """Where a recipient is."""
    who = f"{tenant}\x1f{recipient_hash}".encode("utf-8", "surrogatepass")
    key = blake2b(who, digest_size=_KEY).digest()
    return int.from_bytes(key[:2], "big") % BUCKETS, key


def _chunk_key(bucket: int) -> bytes:
    return PREFIX + b"%05d" % bucket
