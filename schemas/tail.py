"""How far a tail has read its log files, and what it still waits for: topic `tail.places`, compacted.

Both are appended together with the events that the lines gave, all or nothing: who goes on after a crash reads no line
twice and leaves none out.
"""

from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.record import Count, Event, Long, Word

Path = Annotated[str, StringConstraints(max_length=4096)]


class TailPlace(Event):
    """How far one log file was read. Topic `tail.places`."""

    tail: Word
    """The tail's name."""
    part: Word
    """The file's own name for good, made when it was first seen: its path and its inode change, or are reused."""
    path: Path
    """Where it was last seen."""
    device: Long
    """The device it was last seen on."""
    inode: Long
    """Its inode there."""
    head_size: Count
    """So many bytes from its beginning on say which file it is; of a compressed one, unpacked."""
    head_sha256: Annotated[str, StringConstraints(max_length=64)]
    """The digest of those bytes."""
    offset: Count
    """Every byte before this was dealt with; of a compressed file, unpacked."""
    lines: Count = 0
    """How many lines those were."""
    line_time: Annotated[int, Field(ge=0)] = 0
    """The time that the last of them told, ms; 0 when none did."""


class TailState(Event):
    """What a tail keeps of messages whose last line it has not seen yet, in chunks. Topic `tail.places`."""

    tail: Word
    """The tail's name."""
    part: Word
    """Which chunk of it."""
    content: bytes
    """The messages, as the format's reader writes them down."""
