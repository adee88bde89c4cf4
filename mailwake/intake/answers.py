"""What the HTTP intake answers from: the index of suppressions, kept up to date, and the warehouse."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from console.messages import Life, WarehouseAway
from console.suppressions import NoSuchRecipient
from mailwake.messages import timeline
from mailwake.monitor.looking import looking
from mailwake.opening import open_any_log
from mailwake.serving import running_url
from mailwake.settings import Settings, SettingsError
from mailwake.suppressed.recipients import FRESH_S, Suppressed, UnknownRecipient, open_suppressed
from sinks.engine import WarehouseInUse, WarehouseUnavailable
from sinks.sink import SinkError
from sinks.suppressions.index import Suppression
from streams.log import Log, LogError, LogUnavailable

logger = logging.getLogger("mailwake.intake")

_START_S = 1.0
"""How long the start of the intake waits for a short log."""


class Suppressions:
    """Looks up who is suppressed. Whoever asks waits neither for the log, which may be away, nor for the index.

    `refresh` does, in a thread of its own; until it has once, or when it could not for long, there is no answer.
    """

    def __init__(self, settings: Settings, log: Log | None, closing: ExitStack) -> None:
        """Over this log, which stays the caller's; None: over the one that the settings name, opened by `refresh`."""
        self._settings, self._closing = settings, closing
        self._filling = log is not None
        self._told = ""
        self.tried = threading.Event()
        """Set when `refresh` has ended for the first time, whatever came of it."""
        self._opened = None if log is None else self._open(log)

    def look_up(self, tenant: str, address_or_hash: str, stream: str | None) -> Sequence[Suppression]:
        """See `console.suppressions.LookUp`."""
        if self._opened is None:
            raise LogUnavailable("the log has not answered yet")
        try:
            return self._opened.known(tenant, address_or_hash, stream)
        except UnknownRecipient as error:
            raise NoSuchRecipient(str(error)) from None

    def trouble(self) -> str:
        """`filling` while the index is filled for the first time, else "".

        A log that is away, or an index that can't be used, is none: the rest of the intake takes what it is given.
        """
        return "filling" if self._filling else ""

    def refresh(self) -> None:
        """Take in what the log has since; called by one thread. What is wrong is logged once, and told to who asks."""
        try:
            if self._opened is None:
                log = open_any_log(self._settings)
                self._closing.callback(log.close)
                self._opened = self._open(log)
                self._filling = True
            self._opened.refresh()
        except LogError:
            # What is wrong with the log, its other users log already.
            pass
        except SinkError as error:
            if str(error) != self._told:
                logger.warning("suppressions can't be looked up: %s", error)
                self._told = str(error)
        else:
            self._told = ""
        finally:
            self._filling = False
            self.tried.set()

    def _open(self, log: Log) -> Suppressed:
        suppressed = open_suppressed(self._settings, log)
        self._closing.callback(suppressed.index.close)
        return suppressed


@contextmanager
def suppressions(settings: Settings, log: Log | None) -> Iterator[Suppressions]:
    """Look-ups for the length of the block; a thread keeps them up to date, so that nobody who asks has to wait.

    The first request finds an index that was filled, unless that takes longer than `_START_S`.
    """
    with ExitStack() as closing:
        opened = Suppressions(settings, log, closing)

        def refresh(_: object) -> None:
            opened.refresh()

        with looking([refresh], FRESH_S / 2):
            if log is not None:
                opened.tried.wait(_START_S)
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
