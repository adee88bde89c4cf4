"""What a process says of itself: `/metrics`, `/healthz`, `/livez`, `/readyz`, for any runtime whose stages have vitals.

`/healthz` asks whether somebody should look: red when a stage has input and makes no progress. `/livez` asks whether
to restart the process: red when such a stage waits for nobody. `/readyz` asks whether to rely on it: red when the log
or the warehouse are not open yet, or not usable.

No page asks log or warehouse, which may be away just then: threads look every few seconds (`looking.py`), and the pages
say what they have found.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streams import metrics
from streams.running.vitals import Condition, Moment, Vitals

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

OK, NOT_FOUND, UNAVAILABLE = 200, 404, 503

SILENT_S = 5.0
"""How long a part may take to answer a check before that is said of it."""


@dataclass(frozen=True, slots=True)
class Part:
    """Something that the process stands on."""

    name: str
    check: Callable[[], object]
    """Raises when it is not usable."""
    busy: tuple[type[Exception], ...] = ()
    """What stages that wait for it say: as long as one does, it is not usable."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is watched, once it is open. Whoever makes one has the vitals look."""

    vitals: Vitals
    parts: Sequence[Part]
    measure: Callable[[], None] = lambda: None
    """Sets what else is to be seen in the metrics. May raise what checks raise, and take as long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of an HTTP request."""

    status: int
    content_type: str
    body: bytes


@dataclass(slots=True)
class _Finding:
    """What came of the checks of a part: what was wrong at the last one, and since when one has been under way."""

    wrong: str = "not asked yet"
    asked: Moment | None = None

    def told(self, at: Moment) -> str:
        silent_s = 0.0 if self.asked is None else at.steady - self.asked.steady
        return f"no answer for {silent_s:.0f} s" if silent_s >= SILENT_S else self.wrong


class Monitor:
    """Answers for one process. `stall_s` is how long a stage may have input and make no progress."""

    def __init__(self, stall_s: float, registry: "CollectorRegistry", parts: Sequence[str] = ()) -> None:
        """Nothing is open yet; `parts` are those that will be."""
        self._stall_s, self._registry = stall_s, registry
        self._unopened = dict.fromkeys(parts, "not open yet")
        self._subject: Subject | None = None
        self._findings: dict[str, _Finding] = {}

    def watch(self, subject: Subject) -> None:
        """From now on everything is open."""
        self._findings = {part.name: _Finding() for part in subject.parts}
        self._subject = subject

    def check(self, part: Part, at: Moment) -> None:
        """Ask whether a part is usable, however long that takes."""
        found = self._findings[part.name]
        found.asked = at
        found.wrong = _reason(part.check)
        found.asked = None

    def leave(self) -> None:
        """From now on everything is about to be closed, and asked no more."""
        self._unopened = dict.fromkeys(self._unopened, "closed")
        self._subject = None

    def answer(self, path: str, accept: str, at: Moment) -> Answer:
        """What to answer to a GET of this path."""
        if path == "/metrics":
            return self._metrics(accept, at)
        if path == "/healthz":
            return self._health(at, lambda condition: condition.stalled(self._stall_s))
        if path == "/livez":
            return self._health(at, lambda condition: condition.stuck(self._stall_s))
        if path == "/readyz":
            return self._readiness(at)
        return _said(
            NOT_FOUND, {"status": "not found", "paths": ["/metrics", "/healthz", "/livez", "/readyz"]}
        )

    def _health(self, at: Moment, red: Callable[[Condition], bool]) -> Answer:
        subject = self._subject
        conditions = () if subject is None else subject.vitals.conditions(at)
        stalled = [condition for condition in conditions if red(condition)]
        return _said(
            UNAVAILABLE if stalled else OK,
            {
                "status": "stalled" if stalled else "ok" if subject else "nothing is open",
                "stalled": [_told(condition) for condition in stalled],
                "paused": [condition.name for condition in conditions if condition.paused],
                "stages": [_told(condition) for condition in conditions],
            },
        )

    def _readiness(self, at: Moment) -> Answer:
        wrong = self._wrong(self._subject, at)
        return _said(
            OK if not any(wrong.values()) else UNAVAILABLE,
            {
                "status": "not ready" if any(wrong.values()) else "ready",
                "parts": {name: reason or "ok" for name, reason in wrong.items()},
            },
        )

    def _metrics(self, accept: str, at: Moment) -> Answer:
        from prometheus_client.exposition import choose_encoder

        subject = self._subject
        for name, reason in self._wrong(subject, at).items():
            metrics.READY.set(not reason, name)
        if subject is not None:
            subject.vitals.publish(subject.vitals.conditions(at), self._stall_s)
        encode, content_type = choose_encoder(accept)
        return Answer(OK, content_type, encode(self._registry))

    def _wrong(self, subject: Subject | None, at: Moment) -> Mapping[str, str]:
        """Why each part is not usable, "" for those that are."""
        if subject is None:
            return self._unopened
        busy = subject.vitals.busy()
        return {
            part.name: _waited_for(part, busy) or self._findings[part.name].told(at) for part in subject.parts
        }


def _waited_for(part: Part, busy: Sequence[tuple[str, Exception]]) -> str:
    return next((f"{name} waits: {error}" for name, error in busy if isinstance(error, part.busy)), "")


def _reason(check: Callable[[], object]) -> str:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever it is, that is the answer
        return str(error) or type(error).__name__
    return ""


def _told(condition: Condition) -> dict[str, Any]:
    since = datetime.fromtimestamp(condition.since.unix, UTC).isoformat(timespec="seconds")
    return {
        "stage": condition.name,
        "waiting": condition.waiting,
        "last_progress": since,
        "seconds_since": round(condition.idle_s, 1),
        "paused": condition.paused,
        "waits_for": condition.waits_for,
    }


def _said(status: int, value: Mapping[str, Any]) -> Answer:
    return Answer(status, "application/json", json.dumps(value, ensure_ascii=False).encode() + b"\n")
