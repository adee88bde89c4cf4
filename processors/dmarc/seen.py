"""Which reports were told before: a key fold over their identity, without a window.

32 bytes for each report: half of a hash of its identity, half of its content's hash. They lie in buckets by the
month in which the span begins and by (tenant, policy domain), as they were told. A bucket is kept in chunks of at
most `CHUNK_REPORTS`, of which a flush writes those that grew: the last one, and the ones begun since. A bucket of
one chunk is searched through its bytes; a larger one, as when somebody floods a domain with reports, gets an index
when it is first told a report. So neither a look-up nor a flush takes longer the more reports there are.
"""

from array import array
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Literal

BUCKETS = 1024
"""Buckets of one month. A million reports a year are some 80 in each."""
HALF = 16
ENTRY = 2 * HALF
CHUNK_REPORTS = 1024
CHUNK = CHUNK_REPORTS * ENTRY
"""Bytes of a full chunk."""
PREFIX = b"reports/"

Told = Literal["first", "duplicate", "conflict"]


class SeenReports:
    """Remembers every report told to it, in chunks that can be kept elsewhere and given back.

    A bucket's first chunk has the bucket's key, `reports/2024-03/0007`; later ones add their number,
    `reports/2024-03/0007/0001`.
    """

    def __init__(self) -> None:
        self._buckets: dict[bytes, bytes | _Indexed] = {}
        self._flushed: dict[bytes, int] = {}
        """How many bytes were flushed of each bucket that has grown since."""

    def tell(self, tenant: str, policy_domain: str, begin: int, identity: str, content_hash: str) -> Told:
        """Whether this report is new, the same again, or another under the same identity; remembers it.

        `begin` is the start of its span in ms, `content_hash` 64 hex digits. Of reports that conflict each is
        told once: told again it is a duplicate.
        """
        key = _bucket_of(tenant, policy_domain, begin)
        who = _digest(f"{tenant}\x1f{identity}", HALF)
        entry = who + bytes.fromhex(content_hash)[:HALF]
        bucket = self._buckets.get(key, b"")
        size = len(bucket)
        if isinstance(bucket, bytes) and size >= CHUNK:
            bucket = self._buckets[key] = _Indexed(bucket)
        if isinstance(bucket, _Indexed):
            told = bucket.tell(entry)
        else:
            told = _told(bucket, entry)
            if told != "duplicate":
                self._buckets[key] = bucket + entry
        if told != "duplicate":
            self._flushed.setdefault(key, size)
        return told

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin from chunks that were flushed, in any order.

        Raises ValueError on a chunk that is none of ours, and on one whose predecessor is missing or not full.
        """
        found: dict[bytes, dict[int, bytes]] = {}
        for key, value in chunks:
            bucket, number = _bucket_and_number(key)
            if number < 0 or len(value) % ENTRY or len(value) > CHUNK:
                raise ValueError(f"state chunk {key!r} of {len(value)} bytes is no chunk of reports")
            found.setdefault(bucket, {})[number] = value
        for bucket, numbered in found.items():
            for number in numbered:
                if number and len(numbered.get(number - 1, b"")) != CHUNK:
                    before, after = _chunk_key(bucket, number - 1), _chunk_key(bucket, number)
                    raise ValueError(f"state chunk {before!r} is missing or cut, but {after!r} follows it")
            self._buckets[bucket] = b"".join(numbered[number] for number in sorted(numbered))

    def flush(self) -> dict[bytes, bytes]:
        """The chunks that changed since the last flush."""
        changed: dict[bytes, bytes] = {}
        for key, flushed in sorted(self._flushed.items()):
            bucket = self._buckets[key]
            entries = bucket.entries if isinstance(bucket, _Indexed) else bucket
            for number in range(flushed // CHUNK, -(-len(entries) // CHUNK)):
                changed[_chunk_key(key, number)] = bytes(entries[number * CHUNK : (number + 1) * CHUNK])
        self._flushed.clear()
        return changed


class _Indexed:
    """The entries of a large bucket, and a hash table of where they are: some 12 bytes for each.

    The first report of an identity is found under the hash of its identity, those that conflict with it under
    the hash of the whole entry. A slot holds the entry's number plus one; 0 is free.
    """

    __slots__ = ("_slots", "entries")

    def __init__(self, entries: bytes) -> None:
        self.entries = bytearray(entries)
        self._slots = array("I")
        self._grow()

    def __len__(self) -> int:
        return len(self.entries)

    def tell(self, entry: bytes) -> Told:
        """Whether the entry is new, known, or another under a known identity; adds it unless it is known."""
        if len(self.entries) // ENTRY * 3 >= len(self._slots) * 2:
            self._grow()
        slot = self._slot(entry[:HALF])
        told: Told = "first"
        if self._slots[slot]:
            if self._holds(slot, entry):
                return "duplicate"
            slot = self._slot(entry)
            if self._slots[slot]:
                return "duplicate"
            told = "conflict"
        self.entries += entry
        self._slots[slot] = len(self.entries) // ENTRY
        return told

    def _slot(self, what: bytes) -> int:
        """The slot of the entry that begins with these bytes, or the free one where it belongs.

        Of an identity that is its first report: those that conflict came later, to slots further on.
        """
        last = len(self._slots) - 1
        # Python salts this hash for each process, so nobody can choose reports that collide.
        slot = hash(what) & last
        while self._slots[slot] and not self._holds(slot, what):
            slot = (slot + 1) & last
        return slot

    def _holds(self, slot: int, what: bytes) -> bool:
        return self.entries.startswith(what, (self._slots[slot] - 1) * ENTRY)

    def _grow(self) -> None:
        """Make a table at most a third full, and enter everything in the order in which it was told."""
        count = len(self.entries) // ENTRY
        self._slots = array("I", bytes(4 << (3 * count).bit_length()))
        for number in range(count):
            entry = bytes(self.entries[number * ENTRY : (number + 1) * ENTRY])
            slot = self._slot(entry[:HALF])
            if self._slots[slot]:
                slot = self._slot(entry)
            self._slots[slot] = number + 1


def _told(entries: bytes, entry: bytes) -> Told:
    if _contains(entries, entry):
        return "duplicate"
    return "conflict" if _contains(entries, entry[:HALF]) else "first"


def _contains(entries: bytes, what: bytes) -> bool:
    """Whether an entry begins with these bytes."""
    at = entries.find(what)
    while at % ENTRY and at >= 0:
        at = entries.find(what, at + 1)
    return at >= 0


def _bucket_of(tenant: str, policy_domain: str, begin: int) -> bytes:
    month = datetime.fromtimestamp(begin // 1000, UTC).strftime("%Y-%m")
    bucket = int.from_bytes(_digest(f"{tenant}/{policy_domain}", 4), "big") % BUCKETS
    return PREFIX + f"{month}/{bucket:04}".encode()


def _chunk_key(bucket: bytes, number: int) -> bytes:
    return bucket + b"/%04d" % number if number else bucket


def _bucket_and_number(key: bytes) -> tuple[bytes, int]:
    """What `_chunk_key` made the key from; the number is -1 if it made no such key."""
    month, _, rest = key.removeprefix(PREFIX).partition(b"/")
    name, _, digits = rest.partition(b"/")
    bucket = PREFIX + month + b"/" + name
    number = int(digits) if digits.isdigit() else 0
    return bucket, number if _chunk_key(bucket, number) == key else -1


def _digest(text: str, size: int) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()
