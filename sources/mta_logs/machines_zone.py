"""This machine's time zone, as logs without one have it, in a form that other processes can be given."""

from pathlib import Path
from zoneinfo import ZoneInfo

LOCALTIME = "/etc/localtime"


class _OfThisMachine(ZoneInfo):
    """A zone without a name, which is read again where it is sent to: zones read from files can't be pickled."""

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return machines_zone, ()


def machines_zone() -> ZoneInfo:
    """The zone that /etc/localtime describes. Raises OSError, ValueError."""
    with Path(LOCALTIME).open("rb") as file:
        return _OfThisMachine.from_file(file)
