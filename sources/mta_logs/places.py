"""A tail's places and open messages in the log's topic `tail.places`: read when it starts, appended with its events."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

from processors.mta_logs.taking import FileContext
from schemas.codec import decode, encode
from schemas.tail import TailPlace, TailState
from streams.log import Reading, Record

TOPIC = "tail.places"
LOOKED = "looked"
"""The part that says when the files were looked for."""
KEYED = "key"
"""The part that says by which key recipients were hashed."""
HEADER = "header/"
"""What parts begin with that say which header a file is read by, before the file's own name."""
HEAD = 4096
"""So many bytes from its beginning on tell a file from others."""
_READ = 5_000


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Which file it is: by where it lies, and by what it begins with, since inodes are used again."""

    device: int
    inode: int
    head: bytes
    """Its first bytes, at most HEAD of them."""

    def continues(self, place: "Place") -> bool:
        """Whether it begins with what the place was read from."""
        return 0 < place.head_size <= len(self.head) and place.head_sha256 == digest(
            self.head[: place.head_size]
        )


def digest(head: bytes) -> str:
    """What is kept of a file's first bytes."""
    return hashlib.sha256(head).hexdigest()


@dataclass(slots=True)
class Place:
    """How far one file was read."""

    path: str
    device: int
    inode: int
    part: str = field(default_factory=lambda: f"file/{uuid4()}")
    head_size: int = 0
    head_sha256: str = ""
    offset: int = 0
    lines: int = 0
    context: FileContext = field(default_factory=FileContext)
    header: str | None = None
    """The header that its lines are read by, where that is another than its first line."""
    recorded_at: int = 0
    changed: bool = True
    """Whether the log does not know it so yet."""


class Places:
    """What the log keeps of one tail."""

    def __init__(self, log: Reading, tenant: str, tail: str) -> None:
        """Read it. Raises LogError."""
        self._tenant, self._tail = tenant, tail
        self._prefix = f"{tenant}/{tail}/"
        self.places: list[Place] = []
        self.chunks: dict[str, bytes] = {}
        for value in self._latest(log).values():
            kept = decode(value)
            # Names may have a slash in them, and so begin as another tail's part does.
            if not isinstance(kept, TailPlace | TailState) or (kept.tenant, kept.tail) != (tenant, tail):
                continue
            if isinstance(kept, TailPlace):
                self.places.append(_place(kept))
            else:
                self.chunks[kept.part] = kept.content
        for place in self.places:
            header = self.chunks.pop(HEADER + place.part, None)
            place.header = None if header is None else header.decode()
        self.places.sort(key=lambda place: place.recorded_at)
        looked = self.chunks.pop(LOOKED, b"")
        self.looked_at = int(looked) if looked.isdigit() else 0
        """When the last look at the files began whose finds are in the log, ms; 0 for a tail that never ran."""
        self.key_id = self.chunks.pop(KEYED, b"").decode("ascii", "replace")
        """Which key the hashes in the chunks are of; empty where nobody has said so yet."""

    def _latest(self, log: Reading) -> dict[bytes, bytes]:
        prefix = self._prefix.encode()
        latest: dict[bytes, bytes] = {}
        for source in log.partitions(TOPIC):
            offset, end = log.begin(source), log.end(source)
            while offset < end:
                batch = log.read(source, offset, _READ)
                for key, value in zip(batch.keys, batch.values, strict=True):
                    if key is None or not key.startswith(prefix):
                        continue
                    if value is None:
                        latest.pop(key, None)
                    else:
                        latest[key] = value
                if batch.next == offset:
                    break
                offset = batch.next
        return latest

    def records(
        self, places: Sequence[Place], gone: Sequence[Place], chunks: Mapping[str, bytes | None], now: int
    ) -> list[Record]:
        """What to append: these places as they are now, tombstones of those gone, changed chunks."""
        records = [
            Record(self._key(place.part), encode(self._said(replace(place, recorded_at=now))), now)
            for place in places
        ]
        chunks = {
            **chunks,
            **{HEADER + place.part: place.header.encode() for place in places if place.header},
        }
        for place in gone:
            parts = (place.part, HEADER + place.part) if place.header else (place.part,)
            records += [Record(self._key(part), None, now) for part in parts]
        for part, content in chunks.items():
            value = None if content is None else encode(self._kept(part, content, now))
            records.append(Record(self._key(part), value, now))
        return records

    def _key(self, part: str) -> bytes:
        return f"{self._prefix}{part}".encode()

    def _said(self, place: Place) -> TailPlace:
        return TailPlace(
            tenant=self._tenant,
            source="tail",
            occurred_at=place.recorded_at,
            recorded_at=place.recorded_at,
            tail=self._tail,
            part=place.part,
            path=place.path[:4096],
            device=place.device,
            inode=place.inode,
            head_size=place.head_size,
            head_sha256=place.head_sha256,
            offset=place.offset,
            lines=place.lines,
            line_time=place.context.line_time,
        )

    def _kept(self, part: str, content: bytes, now: int) -> TailState:
        return TailState(
            tenant=self._tenant,
            source="tail",
            occurred_at=now,
            recorded_at=now,
            tail=self._tail,
            part=part,
            content=content,
        )


def _place(kept: TailPlace) -> Place:
    return Place(
        path=kept.path,
        device=kept.device,
        inode=kept.inode,
        part=kept.part,
        head_size=kept.head_size,
        head_sha256=kept.head_sha256,
        offset=kept.offset,
        lines=kept.lines,
        context=FileContext(line_time=kept.line_time),
        recorded_at=kept.recorded_at,
        changed=False,
    )
