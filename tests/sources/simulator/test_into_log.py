from collections.abc import Mapping, Sequence
from typing import cast

from schemas.columns import decode_frames
from sources.simulator import Scenario, into_log, simulate
from streams.log import Log, Record

SCENARIO = Scenario(seed=9, days=2, domains=8, messages_per_day=20_000, incidents="all")


class Kept:
    """Only what `into_log` calls of a log."""

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}
        self.appends: list[int] = []

    def append_all(self, records: Mapping[str, Sequence[Record]]) -> None:
        self.appends.append(sum(map(len, records.values())))
        for topic, rows in records.items():
            self.records.setdefault(topic, []).extend(rows)


def test_everything_is_appended_and_counted() -> None:
    kept, told = Kept(), list[int]()
    report = into_log(cast(Log, kept), SCENARIO, told.append)
    mail, documents = kept.records["mail.events"], kept.records["documents"]
    assert report.events == len(mail) == told[-1] == sum(part.events for part in simulate(SCENARIO))
    assert report.documents == len(documents) > 0
    assert report.incidents == SCENARIO.truth()
    assert report.first_ms == mail[0].timestamp
    assert report.last_ms == max(record.timestamp for record in mail + documents)
    assert max(kept.appends) <= 20_000 < report.events
    assert told == sorted(told)
    assert [r.timestamp for r in mail] == sorted(r.timestamp for r in mail)


def test_the_columnar_reader_understands_all_of_it() -> None:
    kept = Kept()
    report = into_log(cast(Log, kept), SCENARIO)
    decoded = decode_frames([record.value for record in kept.records["mail.events"]])
    assert decoded.bad == []
    assert sum(frame.height for frame in decoded.frames.values()) == report.events
