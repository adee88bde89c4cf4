"""A tail: reads what its files have grown by, and appends the events with the places, all or nothing."""

import hashlib
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from processors.mta_logs.taking import LONGEST_LINE, LogReader
from schemas.codec import encode
from schemas.documents import DeadLetter
from schemas.record import now_ms
from sources.mta_logs.ahead import ReadAhead
from sources.mta_logs.appending import Appends
from sources.mta_logs.following import Followed, Following, begins_as_known, grow_head
from sources.mta_logs.framing import Labels
from sources.mta_logs.pieces import PIECE, PieceRead, read_piece
from sources.mta_logs.places import KEYED, LOOKED, TOPIC, Place, Places
from sources.mta_logs.unpacking import UnreadableLog
from streams import metrics
from streams.keyring.keyring import TenantForgotten
from streams.log import Record

logger = logging.getLogger(__name__)

STEP = 16 * 2**20
"""Bytes read in one step, about: what is appended together."""
LOOK_S = 0.5
"""How often the files are looked for."""
MOST_LETTERS = 1_000
"""So many damaged lines of one step are kept; more are only counted."""
DEAD_LETTERS, MAIL_EVENTS = "dead.letters", "mail.events"
STAGE = "tail"
_ADDRESS = re.compile(rb"[^\s<>@]{1,256}@[^\s<>@,;]{1,256}")
"""What may be an address, in whatever is damaged: records hold none in clear, and the file still has the whole."""


@dataclass(slots=True)
class Summary:
    """What a tail has done since it started."""

    lines: Counter[str] = field(default_factory=Counter)
    """By outcome."""
    events: Counter[str] = field(default_factory=Counter)
    """By type."""
    bytes: int = 0
    given_up: int = 0
    letters: int = 0


@dataclass(slots=True)
class _Step:
    events: list[Record] = field(default_factory=list)
    letters: list[Record] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    bytes: int = 0


class Tail:
    """Reads files of one format into the log. Not safe for use by two threads at once."""

    def __init__(
        self,
        format_name: str,
        reader: LogReader,
        following: Following,
        places: Places,
        labels: Labels,
        key: Callable[[], str] = lambda: "",
        ahead: ReadAhead | None = None,
    ) -> None:
        """Go on where the places say; `key` asks which one recipients are hashed by now, before each step.

        `ahead` is for formats whose lines need nothing of those before them.

        Raises ValueError where what was kept of open messages can't be read.
        """
        self._format, self._reader, self._following, self._places = format_name, reader, following, places
        self._labels, self._key, self._key_id = labels, key, places.key_id
        self._ahead = ahead
        self._looked = float("-inf")
        self._prepared: tuple[Mapping[str, Sequence[Record]], _Step] | None = None
        self._said: set[str] = set()
        self.summary = Summary()
        self.advance: Callable[[int], None] = lambda lines: None
        """Told how many more lines were dealt with for good."""
        reader.restore(places.chunks)

    def step(self, appends: Appends, to_the_end: bool = False) -> int:
        """Read what there is, at most about STEP bytes, and append it; how many bytes were read.

        With `to_the_end` a last line that nobody has ended yet counts as one. After LogFull and LogUnavailable the work
        is kept: call it again. Raises TenantForgotten, after which it is of no use; LogError; OSError where a file can't be
        read.
        """
        self._know_key()
        if self._prepared is None:
            self._prepared = self._prepare(to_the_end)
        records, step = self._prepared
        if records:
            appends.append(records)
        self._prepared = None
        self._count(step)
        return step.bytes

    def _know_key(self) -> None:
        key_id = self._key()
        if key_id == self._key_id:
            return
        if self._prepared is not None:
            raise TenantForgotten(
                f"tenant {self._labels.tenant} was forgotten and let back in while a step waited to be appended: "
                "start the tail again, and it goes on from what is in the log with the new key"
            )
        if self._key_id:
            self._reader.forget_recipients()
            if self._ahead is not None:
                self._ahead.close()
            logger.warning("tenant %s has another key: recipients are hashed anew", self._labels.tenant)
        self._key_id = key_id

    def look_again(self) -> None:
        """See with the next step which files there are, however lately that was done."""
        self._looked = float("-inf")

    def close(self) -> None:
        """Close the files, and end what reads ahead."""
        if self._ahead is not None:
            self._ahead.close()
        self._following.close()

    def _prepare(self, to_the_end: bool) -> tuple[Mapping[str, Sequence[Record]], _Step]:
        if time.monotonic() - self._looked >= LOOK_S:
            self._following.look()
            self._looked = time.monotonic()
        step, now = _Step(), now_ms()
        for followed in list(self._following.files):
            while step.bytes < STEP and self._read(followed, step, now, to_the_end):
                pass
            if step.bytes >= STEP:
                break
        if self._ahead is not None:
            self._ahead.rest()
        return self._records(step, now), step

    def _records(self, step: _Step, now: int) -> Mapping[str, Sequence[Record]]:
        places = [followed.place for followed in self._following.files if followed.place.changed]
        gone, self._following.dropped = self._following.dropped, []
        for place in places:
            place.recorded_at, place.changed = now, False
        chunks = dict(self._reader.changes())
        if places or step.places or gone or chunks or not self._places.looked_at:
            # What was found is in the log with when it was looked for: a file that came since is new to who goes on.
            self._places.looked_at = self._following.looked_at
            chunks[LOOKED] = b"%d" % self._following.looked_at
        if self._key_id != self._places.key_id:
            self._places.key_id = self._key_id
            chunks[KEYED] = self._key_id.encode()
        by_topic = {
            MAIL_EVENTS: step.events,
            DEAD_LETTERS: step.letters,
            TOPIC: self._places.records([*places, *step.places], gone, chunks, now),
        }
        return {topic: records for topic, records in by_topic.items() if records}

    def _read(self, followed: Followed, step: _Step, now: int, to_the_end: bool) -> bool:
        """Read on in one file; whether there may be more."""
        if followed.broken or followed.finished or (followed.ended == followed.seen and not followed.missed):
            return False
        if self._ahead is not None and (found := self._ahead.next(followed, now)):
            if self._was_truncated(followed):
                return False
            self._take(followed, step, *found, now)
            return True
        try:
            return self._read_on(followed, step, now, to_the_end)
        except UnreadableLog as error:
            logger.error("%s: nothing more of it is read", error)
            followed.broken = True
            self._damaged(followed, step, followed.place.offset, b"", 0, str(error), now)
            step.counts["damaged"] += 1
            return False

    def _read_on(self, followed: Followed, step: _Step, now: int, to_the_end: bool) -> bool:
        place, file, seen = followed.place, followed.file, followed.seen
        piece = file.read(place.offset, PIECE)
        if self._was_truncated(followed):
            return False
        ended = len(piece) < PIECE and not file.damaged
        end = piece.rfind(b"\n") + 1
        is_whole = followed.gone or to_the_end or (file.compressed and followed.rotated)
        if not end and not ended:
            return self._read_without_end(followed, step, piece, now, is_whole)
        if ended and is_whole and end < len(piece):
            end = len(piece)
        if end:
            whole = piece[:end]
            read = read_piece(self._reader, self._labels, whole, place.context, now)
            self._take(followed, step, whole, read, now)
        if ended:
            followed.ended = seen
            if followed.gone:
                step.places.append(place)
                place.recorded_at = now
                self._following.close_gone(followed)
            elif file.compressed and file.ended_at() == place.offset:
                followed.finished = True
        return not ended

    def _was_truncated(self, followed: Followed) -> bool:
        """Whether it was truncated, and written again, since it was looked for: what it is now, the next look says."""
        if followed.file.compressed or begins_as_known(followed.place, followed.file):
            return False
        self.look_again()
        return True

    def _take(self, followed: Followed, step: _Step, piece: bytes, read: PieceRead, now: int) -> None:
        place = followed.place
        step.events += read.records()
        step.types.update(read.types)
        step.counts.update(read.counts)
        self.summary.given_up += read.given_up
        for warning in read.warnings:
            if warning not in self._said:
                self._said.add(warning)
                logger.warning("%s: %s", place.path, warning)
        if read.damaged:
            lines_of = piece.split(b"\n")
            starts = _starts(lines_of)
            for index, reason in read.damaged:
                if len(step.letters) >= MOST_LETTERS:
                    break
                self._damaged(
                    followed,
                    step,
                    place.offset + starts[index],
                    lines_of[index],
                    len(lines_of[index]),
                    reason,
                    now,
                )
        header = read.context.header
        if header is not None and header != place.context.header:
            is_first_line = not place.offset and piece.startswith(header.encode())
            place.header = None if is_first_line else header
        place.context = read.context
        self._advance(followed, step, len(piece), read.lines, piece)

    def _advance(self, followed: Followed, step: _Step, size: int, lines: int, piece: bytes = b"") -> None:
        place = followed.place
        place.offset += size
        place.lines += lines
        place.changed = True
        followed.scanned = 0
        step.bytes += size
        grow_head(place, followed.file, piece)

    def _read_without_end(
        self, followed: Followed, step: _Step, piece: bytes, now: int, is_whole: bool
    ) -> bool:
        """Look for the end of a line that is longer than a piece; it is damaged whatever it says.

        The end of a file to which nothing comes any more is one.
        """
        place, file = followed.place, followed.file
        at = max(followed.scanned, place.offset + len(piece))
        while some := file.read(at, PIECE):
            newline = some.find(b"\n")
            if newline >= 0:
                size = at + newline - place.offset
                self._pass_over(followed, step, piece, size, size + 1, now)
                return True
            at += len(some)
        if is_whole and not file.damaged:
            size = at - place.offset
            self._pass_over(followed, step, piece, size, size, now)
            return True
        followed.scanned, followed.ended = at, followed.seen
        return False

    def _pass_over(
        self, followed: Followed, step: _Step, beginning: bytes, size: int, bytes_over: int, now: int
    ) -> None:
        """Go on behind a line of this size, of which this is the beginning: it is longer than a line may be."""
        reason = "longer than a line may be"
        self._damaged(followed, step, followed.place.offset, beginning, size, reason, now)
        step.counts["damaged"] += 1
        self._advance(followed, step, bytes_over, 1)

    def _damaged(
        self, followed: Followed, step: _Step, offset: int, line: bytes, size: int, reason: str, now: int
    ) -> None:
        place, tenant = followed.place, self._labels.tenant
        origin = f"log:{place.path}"[-256:]
        fact = f"{origin}/{offset}/{place.head_sha256 if place.head_size else ''}/{hashlib.sha256(line).hexdigest()}"
        letter = DeadLetter(
            event_id=DeadLetter.id_of(tenant, fact),
            tenant=tenant,
            occurred_at=now,
            recorded_at=now,
            source=self._labels.source,
            channel=self._labels.channel,
            origin_topic=origin,
            origin_partition=0,
            origin_offset=offset,
            stage=STAGE,
            reason=f"{self._format}: {reason}"[:1024],
            size=size,
            content=_ADDRESS.sub(b"<address>", line[:LONGEST_LINE]),
        )
        key = DeadLetter.key_of(origin, 0, offset).encode()
        step.letters.append(Record(key, encode(letter), now))

    def _count(self, step: _Step) -> None:
        self.summary.bytes += step.bytes
        self.summary.lines += step.counts
        self.summary.letters += len(step.letters)
        self.summary.events += step.types
        for outcome, lines in step.counts.items():
            metrics.TAIL_LINES.add(lines, self._format, outcome)
        self.advance(step.counts.total())
        metrics.TAIL_EVENTS.add(len(step.events), self._format)


def _starts(lines: Sequence[bytes]) -> list[int]:
    starts, at = [], 0
    for line in lines:
        starts.append(at)
        at += len(line) + 1
    return starts
