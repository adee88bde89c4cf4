"""Which reports were told before: a key fold over their identity, without a window.

32 bytes for each report: half of a hash of its identity, half of its content's hash. They lie in chunks by the
month in which the span begins and a bucket of (tenant, policy domain), as they were told; a look-up is a search
through one chunk's bytes, so nothing is ever decoded, and a flush rewrites only what changed.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Literal

BUCKETS = 1024
"""Chunks of one month. A million reports a year are some 80 in each."""
HALF = 16
ENTRY = 2 * HALF
PREFIX = b"reports/"

Told = Literal["first", "duplicate", "conflict"]


class SeenReports:
    """Remembers every report told to it, in chunks that can be kept elsewhere and given back."""

    def __init__(self) -> None:
        self._chunks: dict[bytes, bytes] = {}
        self._changed: set[bytes] = set()

    def tell(self, tenant: str, policy_domain: str, begin: int, identity: str, content_hash: str) -> Told:
        """Whether this report is new, the same again, or another under the same identity; remembers it.

        `begin` is the start of its span in ms, `content_hash` 64 hex digits. Of reports that conflict each is
        told once: told again it is a duplicate.
        """
        where = _chunk_of(tenant, policy_domain, begin)
        chunk = self._chunks.get(where, b"")
        who = _digest(f"{tenant}\x1f{identity}", HALF)
        entry = who + bytes.fromhex(content_hash)[:HALF]
        same_identity = False
        at = chunk.find(who)
        while at >= 0:
            if at % ENTRY == 0:
                if chunk.startswith(entry, at):
                    return "duplicate"
                same_identity = True
            at = chunk.find(who, at + 1)
        self._chunks[where] = chunk + entry
        self._changed.add(where)
        return "conflict" if same_identity else "first"

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin from chunks that were flushed. Raises ValueError on a chunk that is none of ours."""
        for key, value in chunks:
            if not key.startswith(PREFIX) or len(value) % ENTRY:
                raise ValueError(f"state chunk {key!r} of {len(value)} bytes is no chunk of reports")
            self._chunks[key] = value

    def flush(self) -> dict[bytes, bytes]:
        """The chunks that changed since the last flush."""
        changed = {key: self._chunks[key] for key in sorted(self._changed)}
        self._changed.clear()
        return changed


def _chunk_of(tenant: str, policy_domain: str, begin: int) -> bytes:
    month = datetime.fromtimestamp(begin // 1000, UTC).strftime("%Y-%m")
    bucket = int.from_bytes(_digest(f"{tenant}/{policy_domain}", 4), "big") % BUCKETS
    return PREFIX + f"{month}/{bucket:04}".encode()


def _digest(text: str, size: int) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()
