"""Following files through rotation: which file is which place's, whatever it is called by now.

A file is known by what it begins with and by its inode. So a log that was renamed, copied and truncated, or packed
while nobody looked is gone on with where it was left, and what was written since is read from its beginning.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schemas.record import now_ms
from sources.mta_logs.candidates import Candidate, candidates
from sources.mta_logs.places import HEAD, FileIdentity, Place, digest
from sources.mta_logs.unpacking import LogBytes, UnreadableLog

logger = logging.getLogger(__name__)

COARSE_MS = 50
"""How much earlier than it was a file system may say that something was written."""
FORGOTTEN_MS = 7 * 86_400_000
"""For so long the place of a file that is gone is kept: it may come back packed."""


@dataclass(slots=True)
class Followed:
    """A file that is read, and how far."""

    place: Place
    file: LogBytes
    head: bytes
    """Its first bytes, as far as they were looked at."""
    rotated: bool = False
    missed: int = 0
    """How many looks in a row found no name that leads to it."""
    gone: bool = False
    """Whether none does any more."""
    finished: bool = False
    """Whether nothing more can come: it is packed, and read to its end."""
    broken: bool = False
    """Whether it can't be read on."""
    scanned: int = 0
    """Up to where a line without end was looked through."""
    seen: tuple[int, int] = (-1, -1)
    """Size and time of change when it was last looked for."""
    ended: tuple[int, int] = (-2, -2)
    """The same when it was last read to its end: it need not be read again until that changes."""


@dataclass(slots=True)
class Following:
    """The files of a tail. Not safe for use by two threads at once."""

    targets: Sequence[str]
    places: list[Place]
    """Those that no open file is at."""
    looked_at: int = 0
    """When the last look began, ms; 0 before the first one of all."""
    from_end: bool = False
    """Whether what is there when a tail first starts is passed over."""
    clock: Callable[[], int] = now_ms
    files: list[Followed] = field(default_factory=list)
    """In the order to be read in."""
    dropped: list[Place] = field(default_factory=list)
    """Places that need not be kept any more."""
    _forbidden: set[Path] = field(default_factory=set)
    _heads: dict[tuple[int, int, int], bytes] = field(default_factory=dict)

    def look(self) -> None:
        """See which files there are by now. Raises PermissionError, OSError."""
        begun = self.clock()
        there = list(candidates(self.targets))
        self._let_go_of_what_changed(there)
        by_inode = {(followed.place.device, followed.place.inode): followed for followed in self.files}
        order: list[Followed | None] = []
        strangers: list[tuple[int, Candidate]] = []
        for candidate in there:
            followed = by_inode.get((candidate.stat.st_dev, candidate.stat.st_ino))
            if followed is None:
                strangers.append((len(order), candidate))
                order.append(None)
            else:
                followed.rotated, followed.gone, followed.missed = candidate.rotated, False, 0
                followed.seen = candidate.stat.st_size, candidate.stat.st_mtime_ns
                if followed.place.path != str(candidate.path):
                    followed.place.path, followed.place.changed = str(candidate.path), True
                order.append(followed)
        # Those that lie where their place says come first, so that no copy gets what is theirs.
        for by_place in (True, False):
            for at, candidate in strangers:
                if order[at] is None:
                    found = self._taken_up(candidate, by_place)
                    if found is not None:
                        order[at] = found
                        self.files.append(found)
        named = [followed for followed in order if followed is not None]
        missing = [followed for followed in self.files if all(followed is not other for other in named)]
        for followed in missing:
            # One that was renamed while the folder was gone through is seen with the next look.
            followed.missed += 1
            followed.gone = followed.missed > 1
        self.files = [*missing, *named]
        self._forget()
        self.looked_at = begun

    def close_gone(self, followed: Followed) -> None:
        """A file that no name leads to, and that was read to its end: its place waits for it to come back packed."""
        followed.file.close()
        self.files = [other for other in self.files if other is not followed]
        self.places.append(followed.place)

    def close(self) -> None:
        """Close every file."""
        for followed in self.files:
            followed.file.close()
        self.files = []

    def _let_go_of_what_changed(self, there: Sequence[Candidate]) -> None:
        """A file that is shorter than what was read of it, or begins otherwise, was truncated: it is another one now."""
        for followed in list(self.files):
            if followed.file.compressed or followed.gone:
                continue
            place = followed.place
            if followed.file.stat().st_size >= place.offset and begins_as_known(place, followed.file):
                continue
            logger.info(
                "%s was truncated after %d bytes; it is read from its beginning", place.path, place.offset
            )
            followed.file.close()
            self.files = [other for other in self.files if other is not followed]
            self.places.append(place)

    def _taken_up(self, candidate: Candidate, by_place: bool) -> Followed | None:
        file = None
        try:
            file = LogBytes(candidate.path)
            found = self._opened(candidate, file, by_place)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            if not candidate.rotated:
                raise
            if candidate.path not in self._forbidden:
                self._forbidden.add(candidate.path)
                logger.warning("%s: %s: what may be unread in it is left out", candidate.path, error.strerror)
            return None
        except UnreadableLog:
            found = None  # What was known of it is damaged now: it is looked at again.
        if found is None and file is not None:
            file.close()
        return found

    def _opened(self, candidate: Candidate, file: LogBytes, by_place: bool) -> Followed | None:
        stat = file.stat()
        identity = FileIdentity(stat.st_dev, stat.st_ino, self._head(file))
        size = None if file.compressed else stat.st_size
        place = self._place_of(identity, size)
        if place is not None:
            same = (place.device, place.inode) == (identity.device, identity.inode)
            if by_place and not same:
                return None
            self.places = [other for other in self.places if other is not place]
            if not same or place.path != str(candidate.path):
                place.device, place.inode = identity.device, identity.inode
                place.path, place.changed = str(candidate.path), True
            followed = Followed(place, file, identity.head, candidate.rotated)
            followed.finished = file.compressed and file.ended_at() == place.offset
            self._read_header(followed)
            return followed
        # A file that holds nothing may be about to become the copy of another.
        if by_place or not (identity.head or self._unreadable(file)):
            return None
        if self._is_copy(identity, size) or not self._is_new(candidate):
            return None
        place = Place(str(candidate.path), identity.device, identity.inode)
        if self.from_end and not self.looked_at:
            self._pass_over(place, file)
        followed = Followed(place, file, identity.head, candidate.rotated)
        self._read_header(followed)
        return followed

    def _place_of(self, identity: FileIdentity, size: int | None) -> Place | None:
        fitting = [
            place
            for place in self.places
            if (size is None or size >= place.offset)
            and (
                identity.continues(place)
                or (place.head_size == 0 and (place.device, place.inode) == (identity.device, identity.inode))
            )
        ]
        here = (identity.device, identity.inode)
        return max(
            fitting,
            key=lambda place: ((place.device, place.inode) == here, place.head_size, place.offset),
            default=None,
        )

    def _is_copy(self, identity: FileIdentity, size: int | None) -> bool:
        """Whether it begins as a file that is read, and is no longer: then it is that one being copied or packed."""
        return any(
            _begin_alike(identity.head, _head_now(followed))
            and (size is None or followed.file.compressed or size <= followed.file.stat().st_size)
            for followed in self.files
        )

    def _is_new(self, candidate: Candidate) -> bool:
        if not candidate.rotated:
            return True
        return 0 < self.looked_at < candidate.stat.st_mtime_ns // 1_000_000 + COARSE_MS

    def _unreadable(self, file: LogBytes) -> bool:
        """Whether it is packed and damaged from its beginning on: whoever reads it says so."""
        try:
            file.read(0, 1)
        except UnreadableLog:
            return True
        return False

    def _head(self, file: LogBytes) -> bytes:
        stat = file.stat()
        key = stat.st_dev, stat.st_ino, stat.st_mtime_ns
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) > 10_000:
                self._heads.clear()
            try:
                head = file.read(0, HEAD)
            except UnreadableLog:
                head = b""  # Whoever reads it says so.
            self._heads[key] = head
        return head

    def _pass_over(self, place: Place, file: LogBytes) -> None:
        """Begin at what is the last line's end now."""
        offset = 0
        while piece := file.read(offset, 1 << 20):
            end = piece.rfind(b"\n") + 1
            if not end:
                break
            offset += end
            if file.compressed:
                continue
            size = file.stat().st_size
            if size - offset > 2 << 20:
                # All but the last lines need not be looked at.
                offset = size - (1 << 20)
                tail = file.read(offset, 1 << 20)
                offset += tail.find(b"\n") + 1
        place.offset = offset
        grow_head(place, file)

    def _read_header(self, followed: Followed) -> None:
        """The first line, for formats where it names the columns, or the last one that did."""
        if followed.place.header is not None:
            followed.place.context.header = followed.place.header
        elif followed.place.offset:
            first, newline, _ = followed.file.read(0, 64 * 1024).partition(b"\n")
            if newline:
                followed.place.context.header = first.rstrip(b"\r").decode("utf-8", "replace")

    def _forget(self) -> None:
        now = self.clock()
        old = [place for place in self.places if now - place.recorded_at > FORGOTTEN_MS]
        if old:
            self.places = [place for place in self.places if all(place is not other for other in old)]
            self.dropped += old


def _begin_alike(one: bytes, other: bytes) -> bool:
    shared = min(len(one), len(other))
    return shared > 0 and one[:shared] == other[:shared]


def _head_now(followed: Followed) -> bytes:
    if len(followed.head) < HEAD and not followed.file.compressed:
        followed.head = followed.file.read(0, HEAD)
    return followed.head


def begins_as_known(place: Place, file: LogBytes) -> bool:
    """Whether a file that is not packed still begins as what was read of it: else it was truncated, and is another one now."""
    return not place.head_size or digest(file.read(0, place.head_size)) == place.head_sha256


def grow_head(place: Place, file: LogBytes, piece: bytes = b"") -> None:
    """Know a file by as much of its beginning as was read of it, up to HEAD bytes; `piece` is that where it was just read.

    What a file that was truncated since begins with is no head of what was read.
    """
    wanted = min(HEAD, place.offset)
    if place.head_size >= wanted:
        return
    head = piece[:wanted] if place.offset == len(piece) else file.read(0, wanted)
    if len(head) == wanted and (not place.head_size or digest(head[: place.head_size]) == place.head_sha256):
        place.head_size, place.head_sha256 = wanted, digest(head)
