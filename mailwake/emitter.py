"""The Emitter that programs import: it opens the log that the settings, or its argument, name."""

from mailwake.keyring.opening import KeysWhenAsked
from mailwake.opening import open_any_log, open_spooled_log
from mailwake.settings import load_settings
from streams.emitter import Emitter as LogEmitter


class Emitter(LogEmitter):
    """Emits events to the log: `with Emitter() as emitter: emitter.emit(MessageSent(...))`.

    `emit` and `emit_many` return when the events are durable; `emit_async` and `emit_many_async` are the same
    for asyncio. See `streams.emitter.Emitter`.

    With MAILWAKE_SPOOL they return when the events are durable in the spool, which is drained into the log meanwhile.
    """

    def __init__(self, log: str | None = None) -> None:
        """Open the log at this URL, else the one that MAILWAKE_LOG names. Raises LogError, SettingsError.

        Events that name no tenant are MAILWAKE_TENANT's. Their `recipient` is hashed with the keyring's key.
        """
        settings = load_settings()
        keys = KeysWhenAsked(settings)
        self.spooled = open_spooled_log(settings, log, keys.meet)
        """The log behind its spool; None without one."""
        self._opened = self.spooled or open_any_log(settings, log)
        super().__init__(self._opened, settings.tenant, keys)

    def close(self) -> None:
        """Wait until everything handed over is durable, and a bounded time until it is in the log; then close that."""
        super().close()
        self._opened.close()
