"""What readers of records have in common: a record tells all of its fact, and nothing is kept from line to line."""

from collections.abc import Mapping

from processors.mta_logs.facts import Facts
from processors.mta_logs.routes import Routes
from processors.mta_logs.taking import LogSettings
from processors.mta_logs.times import LogTimes


class RecordReader:
    """Reads records that stand alone; `processors.mta_logs.taking.LogReader`, of which a format adds `take`.

    Any piece of a file says the same, whoever reads it: of the lines before it it needs the columns' names at most.
    """

    def __init__(self, settings: LogSettings, facts: Facts) -> None:
        self._facts, self._routes = facts, Routes(settings)
        self._times = LogTimes(settings.zone)

    def changes(self) -> Mapping[str, bytes | None]:
        """See `LogReader.changes`."""
        return {}

    def restore(self, chunks: Mapping[str, bytes]) -> None:
        """See `LogReader.restore`."""

    def forget_recipients(self) -> None:
        """See `LogReader.forget_recipients`."""
        self._facts.forget_recipients()
