"""Appends that are not answered: kept or not, each is in the log once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from sources.mta_logs.appending import NumberedAppends
from streams.log import LogUnavailable, Record


@dataclass
class Broker:
    """Keeps appends by number; the next ones go as `faults` say: lost before they were kept, or after."""

    kept: list[tuple[int, list[Record]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def last(self) -> int | None:
        if self.faults and self.faults[0] == "away":
            self.faults.pop(0)
            raise LogUnavailable("away")
        return self.kept[-1][0] if self.kept else None

    def append_all(self, records: Mapping[str, Sequence[Record]], number: int) -> None:
        fault = self.faults.pop(0) if self.faults else ""
        if fault != "before":
            self.kept.append((number, list(records["t"])))
        if fault:
            raise LogUnavailable("no answer")


def record(number: int) -> Record:
    return Record(None, b"%d" % number, 0)


@pytest.mark.parametrize(
    "faults",
    [[], ["before"], ["after"], ["before", "before"], ["after", "away"], ["before", "away", "after"]],
)
def test_each_append_is_kept_once(faults: list[str]) -> None:
    broker = Broker()
    appends = NumberedAppends(lambda: broker)
    appends.append({"t": [record(0)]})
    broker.faults = list(faults)
    for number in (1, 2):
        for _ in range(5):
            try:
                appends.append({"t": [record(number)]})
            except LogUnavailable:
                continue
            break
    following = NumberedAppends(lambda: broker)
    following.append({"t": [record(3)]})
    assert [records for _, records in broker.kept] == [[record(number)] for number in range(4)]
    assert [number for number, _ in broker.kept] == [1, 2, 3, 4]
