"""The first half of reputation: records of mail events to deltas, each fact counted once."""

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from processors.dead_letters import dead_letter
from processors.reputation import admission
from processors.reputation.admission import Admission, id_bits
from processors.reputation.clock import Clock
from processors.reputation.combine import columns_needed, combine
from processors.stage import Emission, Slice
from schemas.columns import EFFECTIVE_TIME, INDEX, decode_frames
from schemas.mail import MAIL_EVENTS
from schemas.record import Event
from schemas.reputation import IDENTITY_KINDS

STATE = b"counting"
"""The key of the chunk that holds the clocks."""

_LATENESS_MS = 5 * 60_000


@dataclass(frozen=True, slots=True)
class CountingSettings:
    """What is counted, and how long repeats and stragglers are reckoned with."""

    kinds: Sequence[str] = IDENTITY_KINDS
    """Keys of `combine.IDENTITIES`."""
    window_hours: int = 48
    """For how long an event id is remembered."""
    lateness_ms: int = _LATENESS_MS
    """How far the watermark stays behind the highest effective event time."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What came of a slice."""

    deltas: pl.DataFrame
    """As `combine` gives them."""
    letters: Sequence[Emission]
    """Dead letters of what could not be understood."""
    repeats: int
    """Records dropped because their event had been counted."""


class Counting:
    """Admits and counts the mail events of a partition."""

    def __init__(self, stage: str, settings: CountingSettings) -> None:
        """`stage` is the name that dead letters bear. Raises ValueError for an unknown identity kind."""
        self._stage = stage
        self._settings = settings
        self._columns = columns_needed(settings.kinds) | {"event_id"}
        self._admission = Admission(settings.window_hours)
        self._arrival = Clock()
        self._event_time = Clock()
        self.recorded_at = 0
        """The latest time of record in the slice taken last, ms."""

    @property
    def watermark(self) -> int | None:
        """The highest effective event time less the allowed lateness, ms; None before the clock runs."""
        high = self._event_time.high
        return None if high is None else high - self._settings.lateness_ms

    def take(self, records: Slice) -> Counted:
        """Count what is new in these records."""
        decoded = decode_frames(records.values, self._columns)
        frames: dict[type[Event], pl.DataFrame] = {
            record: frame for record, frame in decoded.frames.items() if record in MAIL_EVENTS
        }
        bad = decoded.bad + [
            (index, f"{record.__name__} does not belong in {records.topic}")
            for record, frame in decoded.frames.items()
            if record not in MAIL_EVENTS
            for index in frame.get_column(INDEX).to_list()
        ]
        spine = _spine(frames)
        letters = self._letters(records, sorted(bad), spine) if bad else []
        if not spine.height:
            return Counted(combine({}), letters, 0)
        self.recorded_at = int(spine.get_column("recorded_at").max())  # type: ignore[arg-type]
        self._event_time, _ = self._event_time.advance(spine.get_column("effective"))
        self._arrival, arrivals = self._arrival.advance(spine.get_column("recorded_at"))
        new = self._admission.admit(
            id_bits(spine.get_column("event_id"), spine.get_column("tenant")), arrivals
        )
        repeats = len(new) - int(new.sum())
        if repeats:
            frames = _only(frames, spine.get_column(INDEX).filter(new))
        return Counted(combine(frames, self._settings.kinds), letters, repeats)

    def flush(self) -> dict[bytes, bytes | None]:
        """The state that changed since the last flush."""
        clocks = {
            "arrival": {"high": self._arrival.high, "recent": self._arrival.recent},
            "event_time": {"high": self._event_time.high, "recent": self._event_time.recent},
            "recorded_at": self.recorded_at,
        }
        return {**self._admission.flush(), STATE: json.dumps(clocks).encode()}

    def restore(self, chunks: Mapping[bytes, bytes]) -> None:
        """Begin from the chunks of earlier flushes."""
        if STATE not in chunks:
            return
        clocks = json.loads(chunks[STATE])
        self._arrival = Clock(**clocks["arrival"])
        self._event_time = Clock(**clocks["event_time"])
        self.recorded_at = clocks["recorded_at"]
        segments = ((key, chunk) for key, chunk in chunks.items() if key.startswith(admission.PREFIX))
        self._admission.restore(segments, self._arrival.high)

    def _letters(self, records: Slice, bad: Sequence[tuple[int, str]], spine: pl.DataFrame) -> list[Emission]:
        return dead_letters(
            records,
            bad,
            self._stage,
            spine.get_column(INDEX).to_list(),
            [self.recorded_at, *spine.get_column("recorded_at").to_list()],
        )


def dead_letters(
    records: Slice,
    bad: Sequence[tuple[int, str]],
    stage: str,
    good: Sequence[int],
    recorded_at: Sequence[int],
) -> list[Emission]:
    """A dead letter for each (index, reason) of `bad`, with the time of record of the good record before it.

    `good` are the indices of the others, in order; `recorded_at[i + 1]` is the time of record of `good[i]`, and
    `recorded_at[0]` that of the last good record before the slice.
    """
    return [
        dead_letter(records, index, stage, reason, recorded_at[bisect_left(good, index)])
        for index, reason in bad
    ]


def _spine(frames: Mapping[type[Event], pl.DataFrame]) -> pl.DataFrame:
    """What every event has, in the partition's order."""
    empty = pl.DataFrame(
        schema={
            INDEX: pl.UInt32,
            "event_id": pl.String,
            "tenant": pl.String,
            "recorded_at": pl.Int64,
            "effective": pl.Int64,
        }
    )
    parts = [
        frame.select(INDEX, "event_id", "tenant", "recorded_at", EFFECTIVE_TIME.alias("effective"))
        for frame in frames.values()
    ]
    return pl.concat([empty, *parts]).sort(INDEX)


def _only(frames: Mapping[type[Event], pl.DataFrame], indices: pl.Series) -> dict[type[Event], pl.DataFrame]:
    kept = indices.to_frame()
    return {record: frame.join(kept, on=INDEX, how="semi") for record, frame in frames.items()}
