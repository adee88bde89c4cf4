"""The formats by name."""

from collections.abc import Callable

from processors.mta_logs.facts import Facts
from processors.mta_logs.haraka import HarakaReader
from processors.mta_logs.kumomta import KumoReader
from processors.mta_logs.postfix import PostfixReader
from processors.mta_logs.powermta import PowerReader
from processors.mta_logs.records import RecordReader
from processors.mta_logs.taking import LogReader, LogSettings
from processors.origin import Hashed

FORMATS: dict[str, Callable[[LogSettings, Facts], LogReader]] = {
    "postfix": PostfixReader,
    "kumomta": KumoReader,
    "powermta": PowerReader,
    "haraka": HarakaReader,
}
"""A reader for each; the name is also the `source` of its events."""

ALONE = frozenset(
    name for name, made in FORMATS.items() if isinstance(made, type) and issubclass(made, RecordReader)
)
"""Those whose lines need nothing of the lines before them but the columns' names: any process can read any piece."""


def reader_of(name: str, settings: LogSettings, hashed: Hashed) -> LogReader:
    """A reader of the format of this name. Raises KeyError."""
    return FORMATS[name](settings, Facts(settings.tenant, hashed))
