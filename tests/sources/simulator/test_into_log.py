from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import cast

from schemas.columns import decode_frames
from sources.simulator import Scenario, into_log, simulate
from streams.log import Log, Record, TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

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


def test_the_embedded_log_holds_the_same_records(tmp_path: Path) -> None:
    kept, scenario = Kept(), replace(SCENARIO, messages_per_day=500)
    into_log(cast(Log, kept), scenario)
    with closing(SqliteLog.open(tmp_path / "log.db", TOPICS)) as log:
        into_log(log, scenario)
        for topic, records in kept.records.items():
            batch = log.read(TopicPartition(topic), 0, len(records) + 1)
            held = zip(batch.keys, batch.values, batch.timestamps, strict=True)
            assert [Record(*record) for record in held] == records
