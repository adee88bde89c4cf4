"""How recipients stand, as state chunks: a bucket of recipients each, packed, so that a flush writes what changed.

A recipient's bucket and key in it are a hash of tenant and `recipient_hash`. A chunk is one recipient behind another: 16
bytes of key, 4 of length, and Avro. Nothing is unpacked but what is asked for, so that a million recipients are some
hundred bytes each in memory as on disk.
"""

import io
import struct
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import fastavro

from processors.suppressions.standing import REASONS, Fact, Lift, Standing, StreamStanding

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
        self._open: dict[int, dict[bytes, Standing]] = {}
        """Those asked for since the last flush."""
        self._changed: set[int] = set()

    def standing(self, place: Place) -> Standing:
        """How the recipient at a place stands; a new one stands empty. What is changed in it is told by `changed`."""
        bucket, key = place
        opened = self._open.setdefault(bucket, {})
        if key not in opened:
            packed = next(
                (body for name, body in _packed(self._buckets.get(bucket, b"")) if name == key), None
            )
            opened[key] = Standing() if packed is None else unpack(packed)
        return opened[key]

    def changed(self, place: Place) -> None:
        """The recipient at this place stands otherwise than it did."""
        self._changed.add(place[0])

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin from chunks that were flushed. Raises ValueError on one that is none of ours."""
        for key, chunk in chunks:
            digits = key.removeprefix(PREFIX)
            if not digits.isdigit() or _chunk_key(int(digits)) != key:
                raise ValueError(f"state chunk {key!r} is no chunk of recipients")
            self._buckets[int(digits)] = chunk

    def flush(self) -> dict[bytes, bytes]:
        """The chunks that changed since the last flush."""
        chunks = {_chunk_key(bucket): self._repacked(bucket) for bucket in sorted(self._changed)}
        self._open.clear()
        self._changed.clear()
        return chunks

    def _repacked(self, bucket: int) -> bytes:
        opened = {key: pack(standing) for key, standing in self._open[bucket].items() if standing.streams}
        merged = {**dict(_packed(self._buckets.get(bucket, b""))), **opened}
        chunk = b"".join(_HEAD.pack(key, len(body)) + body for key, body in merged.items())
        self._buckets[bucket] = chunk
        return chunk


def pack(standing: Standing) -> bytes:
    """A recipient as bytes; the same standing always the same ones."""
    streams = [
        {
            "stream": _STREAMS.index(name),
            "revision": stream.revision,
            "facts": [
                {"reason": REASONS.index(reason), **fact._asdict()}
                for reason in REASONS
                for fact in stream.facts.get(reason, ())
            ],
            "lifts": [
                {"reason": REASONS.index(reason), **stream.lifts[reason]._asdict()}
                for reason in REASONS
                if reason in stream.lifts
            ],
        }
        for name, stream in sorted(standing.streams.items())
    ]
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _SCHEMA, {"domain": standing.domain, "streams": streams})
    return out.getvalue()


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
