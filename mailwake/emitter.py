"""The Emitter that programs import: it opens the log that the settings, or its argument, name."""

from mailwake.settings import load_settings, path_of
from streams.emitter import Emitter as LogEmitter
from streams.sqlite_log import SqliteLog
from streams.topics import TOPICS


class Emitter(LogEmitter):
    """Emits events to the log: `with Emitter() as emitter: emitter.emit(MessageSent(...))`.

    `emit` and `emit_many` return when the events are durable; `emit_async` and `emit_many_async` are the same
    for asyncio. See `streams.emitter.Emitter`.
    """

    def __init__(self, log: str | None = None) -> None:
        """Open the log at this URL, else the one that MAILWAKE_LOG names. Raises LogError."""
        url = log or load_settings().log
        self._opened = SqliteLog.open(path_of(url, "sqlite"), TOPICS)
        super().__init__(self._opened)

    def close(self) -> None:
        """Wait until everything handed over is durable, then close the log."""
        super().close()
        self._opened.close()
