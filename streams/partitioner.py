"""Which partition a key belongs to: the choice that Kafka's default partitioner makes.

A log that moves from SQLite to Kafka keeps every key in its partition, and producers in other languages that
use their client's default agree with us.
"""

import struct
from functools import lru_cache
from itertools import count

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995
_SEED = 0x9747B28C


def murmur2(data: bytes) -> int:
    """32-bit MurmurHash2 with Kafka's seed, unsigned (org.apache.kafka.common.utils.Utils.murmur2)."""
    length = len(data)
    h = _SEED ^ length
    for (k,) in struct.iter_unpack("<I", data[: length & ~3]):
        k = (k * _M) & _MASK
        k ^= k >> 24
        h = ((h * _M) & _MASK) ^ ((k * _M) & _MASK)
    if rest := data[length & ~3 :]:
        h ^= int.from_bytes(rest, "little")
        h = (h * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=65_536)
def partition_of(key: bytes | None, partitions: int) -> int:
    """The partition of a key among `partitions`; a record without a key goes to partition 0."""
    if key is None or partitions == 1:
        return 0
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def keys_for(partitions: int) -> tuple[str, ...]:
    """A key that goes to each of the partitions, in their order."""
    found: dict[int, str] = {}
    for number in count():
        found.setdefault(partition_of(b"%d" % number, partitions), str(number))
        if len(found) == partitions:
            break
    return tuple(found[partition] for partition in range(partitions))
