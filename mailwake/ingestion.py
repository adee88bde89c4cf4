"""Ingesting files: append each, then wait for what the document stage makes of it, here or in a running pipeline."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mailwake.keyring.opening import KeysWhenAsked
from mailwake.opening import open_any_log
from mailwake.pipeline import Pipeline, opened
from mailwake.settings import Settings, is_kafka
from processors.documents.stage import DocumentStage
from schemas.codec import Undecodable, decode_fields
from sources.documents import DocumentIntake
from sources.mailboxes import documents_in, found_at
from streams.blobs import Blobs
from streams.log import Log, LogError, LogInUse, TopicPartition
from streams.running.pauses import Pauses
from streams.sqlite.log import SqliteLog

OUTCOMES = TopicPartition("documents.outcomes")
TOGETHER_BYTES, TOGETHER = 32 * 2**20, 2_000
WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Processed:
    """A document that was found in a file (of a mailbox with its number), and what became of it (the fields of DocumentProcessed)."""

    path: Path
    outcome: dict[str, Any]


class NotProcessed(LogError):
    """The documents are in the log, and the running pipeline has not processed them in time."""


Advance = Callable[[str, int], None]
"""Told that so many more files are read, records taken by each stage, or outcomes known."""


def ingest_files(
    settings: Settings, files: Sequence[Path], advance: Advance = lambda name, records: None
) -> Iterator[Processed]:
    """Append files, in groups, and yield what became of each as it is known. Raises LogError, UnreadablePath.

    A log in Kafka has workers, which are waited for; another one a pipeline, which is run here unless it runs already.
    """
    with ExitStack() as stack:
        log = open_any_log(settings)
        stack.callback(log.close)
        drained = _Drained(settings, advance, stack) if isinstance(log, SqliteLog) else None
        intake = DocumentIntake(
            log,
            Blobs(settings.blobs),
            settings.tenant,
            keys=KeysWhenAsked(settings),
            from_domain=settings.from_domain,
        )
        for group in _groups(files, advance):
            before = log.end(OUTCOMES)
            prepared = [
                (found_at(path, name), *intake.prepare(content, name)) for path, name, content in group
            ]
            log.append("documents", [record for _, _, record in prepared])
            receipts = {document.receipt_id: path for path, document, _ in prepared}
            if drained:
                drained.drain()
            for processed in _outcomes(log, before, receipts, partial(_paused, settings)):
                advance("outcomes", 1)
                yield processed


def _paused(settings: Settings) -> bool:
    return not is_kafka(settings.log) and Pauses.beside(settings.log_path).paused(DocumentStage.name)


@dataclass(slots=True)
class _Drained:
    """A pipeline of this process, from when no other one runs until the end of the stack."""

    settings: Settings
    advance: Advance
    stack: ExitStack
    pipeline: Pipeline | None = None

    def drain(self) -> None:
        """Process what waits; nothing where another process does. Raises LogError, SinkError."""
        try:
            self.pipeline = self.pipeline or self.stack.enter_context(opened(self.settings))
        except LogInUse:
            return
        self.pipeline.drain(self.advance)


def _outcomes(
    log: Log, offset: int, receipts: dict[str, Path], paused: Callable[[], bool]
) -> Iterator[Processed]:
    """Read outcomes until each receipt has one, then to the end: all those of a receipt are there at once."""
    waiting, deadline = set(receipts), time.monotonic() + WAIT_S
    while True:
        batch = log.read(OUTCOMES, offset, 10_000)
        offset = batch.next
        for value in batch.values:
            fields = _fields(value)
            if fields.get("receipt_id") in receipts:
                waiting.discard(fields["receipt_id"])
                yield Processed(receipts[fields["receipt_id"]], fields)
        if not len(batch):
            if not waiting:
                return
            if paused():
                raise NotProcessed(
                    f"the stage {DocumentStage.name} is paused, and documents in the log wait for it ({len(waiting)}): "
                    f"mailwake resume {DocumentStage.name}, then mailwake run --until-idle, unless mailwake up is running"
                )
            if time.monotonic() > deadline:
                raise NotProcessed(
                    f"{len(waiting)} documents are in the log and were not processed within {WAIT_S:.0f} s: is the pipeline, or "
                    "a worker, running, and is it behind? See mailwake status; their outcomes will be in the view documents"
                )
            time.sleep(0.1)


def _fields(value: bytes | None) -> dict[str, Any]:
    """The fields of an outcome; none for what is none, which the warehouse's loader reports."""
    try:
        return decode_fields(value)[1] if value is not None else {}
    except Undecodable:
        return {}


def _groups(files: Sequence[Path], advance: Advance) -> Iterator[list[tuple[Path, str, bytes]]]:
    """Documents that are appended together: the file, the document's name and its bytes."""
    group: list[tuple[Path, str, bytes]] = []
    size = 0
    for file in files:
        for name, content in documents_in(file):
            group.append((file, name, content))
            size += len(content)
            if len(group) == TOGETHER or size >= TOGETHER_BYTES:
                yield group
                group, size = [], 0
        advance("files", 1)
    if group:
        yield group
