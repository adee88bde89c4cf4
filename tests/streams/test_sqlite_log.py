from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from log_conformance import LogConformance, Opener

from streams.log import Log, Topic
from streams.sqlite_log import SqliteLog


class TestSqliteLog(LogConformance):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Iterator[Opener]:
        opened: list[Log] = []

        def open_it(topics: Sequence[Topic]) -> Log:
            opened.append(SqliteLog.open(tmp_path / "log.db", topics))
            return opened[-1]

        yield open_it
        for log in opened:
            log.close()

    def retain(self, log: Log, now_ms: int) -> None:
        assert isinstance(log, SqliteLog)
        log.retain(now_ms)
