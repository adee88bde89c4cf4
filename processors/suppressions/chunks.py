"""How recipients stand, as state chunks: buckets of recipients, and a journal, so that a flush writes about what changed.

A recipient's key is a hash of tenant and `recipient_hash`, and the bucket the first two bytes of it. A bucket, in memory and as
a chunk, is one recipient behind another: 16 bytes of key, 4 of length, and how they stand (`packing.py`). Nothing is
unpacked but what is asked for, so that a million recipients are some hundred bytes each in memory as on disk.

A flush of many recipients touches a bucket each, and would write all that is in them. So it writes an entry of the journal
instead: its recipients one behind another, in a few chunks. When the journal has grown long, the buckets that its oldest
entry speaks of are written, and the entry is removed. Before its recipients a bucket's chunk holds the number of the last
entry that is in it, so that what is restored is the buckets and, on top of each, what the journal says since.
"""

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

from processors.suppressions.packing import pack, unpack
from processors.suppressions.standing import Standing

BUCKETS = b"recipients/"
"""Before a bucket's four hex digits."""
JOURNAL = b"journal/"
"""Before an entry's number, and that of the part of it."""

FEW = 64
"""A flush that touches so few buckets writes them, and nothing to the journal."""
JOURNALED = 200_000
"""The journal holds at most so many recipients, or as many as there are if that is more."""

_KEY, _PREFIX = 16, 2
_HEAD = struct.Struct(">16sI")
_STAMP = struct.Struct(">Q")
_PART = 256 * 1024
"""Bytes of one chunk of the journal, or a little more."""


class Recipients:
    """Everyone that anything was said of, by `recipient_key`, in chunks that can be kept elsewhere and given back."""

    def __init__(self) -> None:
        self._buckets: dict[bytes, bytes] = {}
        """By the first bytes of the keys."""
        self._count = 0
        """Of all recipients."""
        self._open: dict[bytes, Standing] = {}
        """Those asked for since the last flush."""
        self._changed: dict[bytes, None] = {}
        """In the order in which they first did."""
        self._journal: dict[int, list[int]] = {}
        """How many recipients each part of an entry speaks of, by the entry's number, the oldest first."""
        self._last = 0
        """Number of the last entry there was."""
        self._behind: dict[bytes, int] = {}
        """Buckets that the journal is ahead of, by the first entry that they lack; in that order."""

    def standing(self, key: bytes) -> Standing:
        """How the recipient of a key stands; a new one stands empty. What is changed in it is told by `changed`."""
        known = self._open.get(key)
        if known is None:
            bucket = self._buckets.get(key[:_PREFIX], b"")
            span = _span(bucket, key)
            known = self._open[key] = Standing() if span is None else unpack(bucket[slice(*span)])
        return known

    def changed(self, key: bytes) -> None:
        """The recipient of this key stands otherwise than they did."""
        self._changed[key] = None

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin from chunks that were flushed. Raises ValueError on one that is none of ours."""
        stamps: dict[bytes, int] = {}
        journal: list[tuple[int, int, bytes]] = []
        for name, chunk in chunks:
            if (part := _JOURNAL_NAME.fullmatch(name)) is not None:
                journal.append((int(part[1]), int(part[2]), chunk))
            elif (of := _BUCKET_NAME.fullmatch(name)) is not None:
                bucket = bytes.fromhex(of[1].decode())
                (stamps[bucket],) = _STAMP.unpack_from(chunk)
                self._buckets[bucket] = held = chunk[_STAMP.size :]
                self._count += sum(1 for _ in _recipients(held))
            else:
                raise ValueError(
                    f"state chunk {name!r} is no chunk of recipients: another version wrote it; derive who is suppressed "
                    "anew with mailwake replay rebuild && mailwake replay swap"
                )
        self._last = max(stamps.values(), default=0)
        for entry, _, chunk in sorted(journal):
            self._last = max(self._last, entry)
            recipients = {key: chunk[start - _HEAD.size : end] for key, start, end in _recipients(chunk)}
            self._journal.setdefault(entry, []).append(len(recipients))
            news = {key: said for key, said in recipients.items() if stamps.get(key[:_PREFIX], 0) < entry}
            self._lag(self._put(news), entry)

    def flush(self) -> dict[bytes, bytes | None]:
        """The chunks that changed since the last flush; None for those that are gone."""
        changed: dict[bytes, bytes] = {}
        for key in self._changed:
            body = pack(self._open[key])
            changed[key] = _HEAD.pack(key, len(body)) + body
        self._open.clear()
        self._changed.clear()
        buckets = self._put(changed)
        if len(buckets) <= FEW:
            return {**self._written(buckets), **self._shortened()}
        self._last += 1
        self._lag(buckets, self._last)
        parts = list(_parts(changed.values()))
        self._journal[self._last] = [len(part) for part in parts]
        chunks = {_journal_name(self._last, number): b"".join(part) for number, part in enumerate(parts)}
        return {**chunks, **self._shortened()}

    def _put(self, recipients: Mapping[bytes, bytes]) -> list[bytes]:
        """Put these into their buckets, by key, each as it stands there; the buckets, in that order."""
        touched: dict[bytes, None] = {}
        for key, said in recipients.items():
            bucket = key[:_PREFIX]
            touched[bucket] = None
            held = self._buckets.get(bucket, b"")
            if (span := _span(held, key)) is None:
                self._count += 1
                self._buckets[bucket] = held + said
            else:
                self._buckets[bucket] = held[: span[0] - _HEAD.size] + said + held[span[1] :]
        return list(touched)

    def _lag(self, buckets: Iterable[bytes], entry: int) -> None:
        """These buckets have changed by an entry of the journal, and are not written."""
        for bucket in buckets:
            self._behind.setdefault(bucket, entry)

    def _written(self, buckets: Iterable[bytes]) -> dict[bytes, bytes | None]:
        """The chunks of these buckets, which are no longer behind."""
        stamp = _STAMP.pack(self._last)
        chunks: dict[bytes, bytes | None] = {}
        for bucket in sorted(buckets):
            self._behind.pop(bucket, None)
            chunks[BUCKETS + bucket.hex().encode()] = stamp + self._buckets[bucket]
        return chunks

    def _shortened(self) -> dict[bytes, bytes | None]:
        """What takes away the entries of the journal that are in all buckets, or too many."""
        chunks: dict[bytes, bytes | None] = {}
        most = max(JOURNALED, self._count)
        while self._journal:
            oldest = next(iter(self._journal))
            is_needed = next(iter(self._behind.values()), None) == oldest
            if is_needed and sum(map(sum, self._journal.values())) <= most:
                break
            chunks |= self._written([bucket for bucket, entry in self._behind.items() if entry == oldest])
            chunks |= dict.fromkeys(
                _journal_name(oldest, part) for part in range(len(self._journal.pop(oldest)))
            )
        return chunks


def recipient_key(tenant: str, recipient_hash: str) -> bytes:
    """The key of a recipient."""
    return blake2b(f"{tenant}\x1f{recipient_hash}".encode(), digest_size=_KEY).digest()


def _recipients(held: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The key of each, and where how they stand begins and ends."""
    end = 0
    while end < len(held):
        key, size = _HEAD.unpack_from(held, end)
        start = end + _HEAD.size
        end = start + size
        yield key, start, end


def _span(bucket: bytes, key: bytes) -> tuple[int, int] | None:
    """Where in its bucket it begins and ends how the recipient of a key stands."""
    # Most are new, and so is nothing like their key in it.
    if key not in bucket:
        return None
    return next(((start, end) for name, start, end in _recipients(bucket) if name == key), None)


def _parts(said: Iterable[bytes]) -> Iterator[list[bytes]]:
    """An entry of the journal in chunks of a size that any log takes."""
    part: list[bytes] = []
    size = 0
    for one in said:
        part.append(one)
        size += len(one)
        if size >= _PART:
            yield part
            part, size = [], 0
    if part:
        yield part


def _journal_name(entry: int, part: int) -> bytes:
    return JOURNAL + b"%012d/%04d" % (entry, part)


_BUCKET_NAME = re.compile(re.escape(BUCKETS) + rb"([0-9a-f]{4})")
_JOURNAL_NAME = re.compile(re.escape(JOURNAL) + rb"([0-9]{12})/([0-9]{4})")
