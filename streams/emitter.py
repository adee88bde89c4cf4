"""How a program tells mailwake what happened: `emit` returns when the event is durable, or raises.

Every emit goes through one writer thread, which appends whatever has come together since its last append in
one go: many threads or coroutines that emit at once share the cost of making it durable.
"""

import asyncio
import atexit
import os
import queue
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from schemas.catalog import RECORDS, TOPIC_OF
from schemas.codec import encode_rows, fields_of
from schemas.dmarc import DmarcRecordReported, DmarcReportParsed
from schemas.documents import DocumentReceived
from schemas.keyring import TenantKeys
from schemas.mail import MAIL_EVENTS
from schemas.record import NOTHING, Event, InvalidEvent, now_ms
from streams import metrics
from streams.keys import key_of
from streams.log import Log, LogError, LogFull, LogUnavailable, Record
from streams.named_domains import other_domains
from streams.recipients import refuse_clear_hash, with_recipient_hashed
from streams.sealed_documents import sealed_event

EventLike = Event | Mapping[str, Any]
"""An event, or its fields with the record's name under `type`."""

EMITTED: tuple[type[Event], ...] = (*MAIL_EVENTS, DmarcReportParsed, DmarcRecordReported, DocumentReceived)
"""What a producer can tell; every other record is derived from these."""

_MOST_TOGETHER = 50_000
_ENCODED_IN_PASSING = 500
"""More events than this are checked and encoded off the event loop: they would hold it up."""


@runtime_checkable
class TakesEmits(Protocol):
    """What takes emits one beside the other, as a spool does, where a log takes their records."""

    def append_emits(self, emits: Sequence[Mapping[str, Sequence[Record]]]) -> None:
        """Make emits durable, all or nothing. Raises LogError."""


class EmitterClosed(RuntimeError):
    """The emitter was closed before this emit."""


@dataclass(slots=True)
class _Append:
    records: Mapping[str, Sequence[Record]]
    count: int
    done: Future[None] = field(default_factory=Future)


class Emitter:
    """Emits events to a log. Safe to share between threads and coroutines; use it as a context manager.

    An event that carries its id (or the `source_event_id` it is made from) may be emitted again after any
    failure: the pipeline counts it once.
    """

    def __init__(
        self, log: Log | TakesEmits, tenant: str = "default", keys: TenantKeys | None = None
    ) -> None:
        """Emit to this log, which stays the caller's to close; `tenant` is that of events which name none.

        With `keys` an event's fields may have a `recipient` in clear, whose hash is kept, and documents are sealed.
        """
        self._log, self._tenant, self._process, self._keys = log, tenant, os.getpid(), keys
        self._waiting: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._writer = threading.Thread(target=self._write, name="mailwake-emitter", daemon=True)
        self._writer.start()
        atexit.register(self.close)

    def emit(self, event: EventLike) -> None:
        """Emit one event. Raises InvalidEvent, or LogError when it could not be made durable."""
        self.emit_many((event,))

    def emit_many(self, events: Iterable[EventLike]) -> None:
        """Emit events, all or nothing. Raises as `emit`; nothing is emitted when one event is invalid."""
        self._submit(events).result()

    async def emit_async(self, event: EventLike) -> None:
        """As `emit`, without blocking the event loop."""
        await self.emit_many_async((event,))

    async def emit_many_async(self, events: Iterable[EventLike]) -> None:
        """As `emit_many`, without blocking the event loop."""
        given = _several(events)
        large = len(given) > _ENCODED_IN_PASSING
        submitted = await asyncio.to_thread(self._submit, given) if large else self._submit(given)
        await asyncio.shield(asyncio.wrap_future(submitted))

    async def append_async(self, records: Mapping[str, Sequence[Record]]) -> None:
        """Append records that were made already, by topic, together with what others emit. Raises LogError.

        They are not checked: for what stands before the log and has made sure of them, as the HTTP intake has.
        """
        await asyncio.shield(asyncio.wrap_future(self._hand_over(records)))

    def close(self) -> None:
        """Wait until everything handed over is durable, then stop. Closing twice is harmless."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._waiting.put(None)
        self._writer.join()
        atexit.unregister(self.close)

    def _submit(self, events: Iterable[EventLike]) -> Future[None]:
        return self._hand_over(_records(events, self._tenant, now_ms(), self._keys))

    def _hand_over(self, records: Mapping[str, Sequence[Record]]) -> Future[None]:
        if os.getpid() != self._process:
            raise EmitterClosed("this Emitter was made before the process forked; make one in each process")
        append = _Append(records, sum(map(len, records.values())))
        with self._closing:
            if self._closed:
                raise EmitterClosed("this Emitter was closed; make a new one")
            self._waiting.put(append)
        return append.done

    def _write(self) -> None:
        while (first := self._waiting.get()) is not None:
            together, last = self._gather(first)
            self._append(together)
            if last:
                return

    def _gather(self, first: _Append) -> tuple[list[_Append], bool]:
        together, count = [first], first.count
        while count < _MOST_TOGETHER:
            try:
                following = self._waiting.get_nowait()
            except queue.Empty:
                break
            if following is None:
                return together, True
            together.append(following)
            count += following.count
        return together, False

    def _append(self, together: Sequence[_Append]) -> None:
        records = merged([append.records for append in together])
        try:
            with metrics.EMITTER_SECONDS.timing():
                if isinstance(self._log, TakesEmits):
                    self._log.append_emits([append.records for append in together])
                else:
                    self._log.append_all(records)
        except LogError as error:
            if len(together) == 1 or isinstance(error, LogUnavailable):
                metrics.EMITTER_APPENDS.add(1, "full" if isinstance(error, LogFull) else "failed")
                for append in together:
                    append.done.set_exception(error)
                return
            for append in together:
                self._append([append])
        except Exception as error:  # noqa: BLE001 - raised where each of them is waited for
            metrics.EMITTER_APPENDS.add(1, "failed")
            for append in together:
                append.done.set_exception(error)
        else:
            metrics.EMITTER_APPENDS.add(1, "durable")
            for topic, appended in records.items():
                metrics.EMITTER_RECORDS.add(len(appended), topic)
            for append in together:
                append.done.set_result(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)


def typed(event: EventLike, tenant: str = "default", keys: TenantKeys | None = None) -> Event:
    """The event that fields with a `type` describe, of this tenant unless it names one. Raises InvalidEvent.

    A `recipient` among them is hashed with the tenant's key: see `streams.recipients`.
    """
    known = _typed(event, tenant, keys)
    refuse_clear_hash(known)
    return known


def _typed(event: EventLike, tenant: str, keys: TenantKeys | None) -> Event:
    if isinstance(event, Event):
        _refuse_what_is_derived(type(event))
        if others := other_domains(type(event).__name__, event.__dict__):
            event = event.model_copy(update=others)
        return (
            event if tenant == "default" or "tenant" in event.model_fields_set else _of_tenant(event, tenant)
        )
    if not isinstance(event, Mapping):
        raise InvalidEvent(
            "event", "(whole)", event, "an event, or a mapping of its fields; emit_many takes several"
        )
    fields = {"tenant": tenant, **with_recipient_hashed(event, keys, tenant)}
    name = fields.pop("type", None)
    record = RECORDS.get(name) if isinstance(name, str) else None
    if record is None:
        raise InvalidEvent(
            "event",
            "type",
            NOTHING if name is None else name,
            "one of " + ", ".join(record.__name__ for record in EMITTED),
        )
    _refuse_what_is_derived(record)
    return record(**(fields | other_domains(record.__name__, fields)))


def _refuse_what_is_derived(record: type[Event]) -> None:
    if record not in EMITTED:
        names = ", ".join(emitted.__name__ for emitted in EMITTED)
        raise InvalidEvent(
            "event", "type", record.__name__, f"what a producer can tell: {names}; the rest is derived"
        )


def _several(events: Iterable[EventLike]) -> list[EventLike]:
    if isinstance(events, Event | Mapping | str | bytes) or not isinstance(events, Iterable):
        raise InvalidEvent("events", "(whole)", events, "several events; emit takes a single one")
    return list(events)


def _of_tenant(event: Event, tenant: str) -> Event:
    given = {name: getattr(event, name) for name in event.model_fields_set}
    if event.source_event_id is None:
        given["event_id"] = event.event_id
    return type(event)(**{**given, "tenant": tenant, "occurred_at": event.occurred_at})


def _records(
    events: Iterable[EventLike], tenant: str, now: int, keys: TenantKeys | None = None
) -> dict[str, list[Record]]:
    """As `records_of`, from what is not checked yet. Raises InvalidEvent, saying which."""
    checked: list[Event] = []
    for index, event in enumerate(_several(events)):
        try:
            known = typed(event, tenant, keys)
            if keys is not None and isinstance(known, DocumentReceived):
                known = sealed_event(known, keys)
            checked.append(known)
        except InvalidEvent as error:
            raise error.at(index) from None
    return records_of(checked, now)


def records_of(checked: Sequence[Event], now: int) -> dict[str, list[Record]]:
    """Framed records by topic, in the order given within each topic, stamped with the time of record (ms)."""
    values: list[bytes] = [b""] * len(checked)
    by_type: dict[type[Event], list[int]] = {}
    for index, known in enumerate(checked):
        by_type.setdefault(type(known), []).append(index)
    for record, indices in by_type.items():
        rows = (fields_of(checked[index]) for index in indices)
        for index, framed in zip(indices, encode_rows(record, rows, {"recorded_at": now}), strict=True):
            values[index] = framed
    records: dict[str, list[Record]] = {}
    for known, framed in zip(checked, values, strict=True):
        records.setdefault(TOPIC_OF[type(known)], []).append(Record(key_of(known), framed, now))
    return records


def merged(several: Sequence[Mapping[str, Sequence[Record]]]) -> Mapping[str, Sequence[Record]]:
    """The records of several appends as those of one: by topic, in their order."""
    if len(several) == 1:
        return several[0]
    together: dict[str, list[Record]] = {}
    for one in several:
        for topic, records in one.items():
            together.setdefault(topic, []).extend(records)
    return together
