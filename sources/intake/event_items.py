"""What stands in a body of events, one after the other."""

from dataclasses import dataclass
from typing import Any

Item = dict[str, Any]
"""The fields of an event, the record's name under `type`."""


@dataclass(frozen=True, slots=True)
class BadItem:
    """What stands where an event should, and is none."""

    got: str
    wants: str
