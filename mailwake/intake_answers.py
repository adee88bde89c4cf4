"""What the HTTP intake answers from: the index of suppressions, kept up to date, and the warehouse."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from console.messages import Life, WarehouseAway
from console.suppressions import NoSuchRecipient
from mailwake.looking import looking
from mailwake.messages import timeline
from mailwake.opening import open_any_log
from mailwake.serving import running_url
from mailwake.settings import Settings, SettingsError
from mailwake.suppressed import FRESH_S, Suppressed, UnknownRecipient, open_suppressed
from sinks.engine import WarehouseInUse, WarehouseUnavailable
from sinks.sink import SinkError
from sinks.suppressions.index import Suppression
from streams.log import Log, LogError, LogUnavailable

logger = logging.getLogger("mailwake.intake")


class Suppressions:
    """Looks up who is suppressed. Where the log may be away (behind a spool), whoever asks does not wait for it."""

    def __init__(self, settings: Settings, log: Log | None, closing: ExitStack) -> None:
        """Over this log, which stays the caller's; None: over the one that the settings name, opened by `refresh`."""
        self._settings, self._closing = settings, closing
        self._opened = None if log is None else self._open(log)

    def look_up(self, tenant: str, address_or_hash: str, stream: str | None) -> Sequence[Suppression]:
        """See `console.suppressions.LookUp`."""
        if self._opened is None:
            raise LogUnavailable("the log has not answered yet")
        try:
            return self._opened.look_up(tenant, address_or_hash, stream)
        except UnknownRecipient as error:
            raise NoSuchRecipient(str(error)) from None

    def refresh(self) -> None:
        """Take in what the log has since; called by one thread. Raises LogError, IndexUnusable."""
        if self._opened is None:
            log = open_any_log(self._settings)
            self._closing.callback(log.close)
            self._opened = self._open(log)
        self._opened.refresh()

    def _open(self, log: Log) -> Suppressed:
        suppressed = open_suppressed(self._settings, log)
        self._closing.callback(suppressed.index.close)
        return suppressed


@contextmanager
def suppressions(settings: Settings, log: Log | None) -> Iterator[Suppressions]:
    """Look-ups for the length of the block; a thread keeps them up to date, so that nobody who asks has to wait."""
    with ExitStack() as closing:
        opened = Suppressions(settings, log, closing)

        def refresh(_: object) -> None:
            # Whoever asks is told; what is wrong with the log, its other users log already.
            with contextlib.suppress(LogError):
                opened.refresh()

        with looking([refresh], FRESH_S / 2):
            yield opened


def life_of(settings: Settings, tenant: str, message_id: str) -> Life:
    """See `console.messages.Tell`. An embedded warehouse is asked through the pipeline that has it open."""
    try:
        if settings.warehouse_server is None and running_url(settings) is None:
            raise WarehouseAway("the embedded warehouse is asked through mailwake up, which does not run")
        found = timeline(settings, tenant, message_id)
    except (LogError, SinkError, SettingsError, WarehouseInUse, WarehouseUnavailable, OSError) as error:
        logger.warning("a message can't be looked up: %s", error)
        raise WarehouseAway(str(error)) from None
    return Life(
        message_ids=list(found.message_ids),
        provider_message_ids=list(found.provider_message_ids),
        events=list(found.events),
        loaded=list(found.loaded),
        cut=found.cut,
    )
