"""A world is a folder with a log and what the command line makes beside it; worlds are copied, run, broken, compared."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sources.simulator import Scenario, days_before_today, into_log
from streams.keyring.file_keyring import FileKeyring
from streams.log import Record, TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

PROGRAMS = Path(__file__).with_name("pipeline_programs.py")
INPUTS = ("documents", "mail.events")
DERIVED = (
    "documents.outcomes",
    "dmarc.records",
    "reputation.buckets",
    "mail.classified",
    "suppressions.evidence",
    "suppressions",
    "dead.letters",
)
READERS = (
    ("documents", "documents"),
    ("reputation", "mail.events"),
    ("classify", "mail.events"),
    ("suppress", "suppressions.evidence"),
)
"""Each stage, and the topic it reads."""

SCENARIO = Scenario(
    seed=7,
    start_ms=days_before_today(20),
    days=7,
    domains=5,
    messages_per_day=100,
    repeat_share=0.02,
    late_share=0.2,
    settle=True,
)
"""A week: about 2,400 events with repeats and late ones, and 130 reports about them.

Of these last weeks, so that retention, which `mailwake up` keeps, has nothing to remove.
"""

STEP_RECORDS = 300
"""So small that there are many steps to die in."""

GARBAGE = (
    b"",
    b"garbage",
    b"\x00\x00\x00\xff\xff of a schema that nobody registered",
    b"\x00" * 40,
)
"""Put into both inputs: too short, unframed, of an unknown schema, of a schema that belongs elsewhere."""

GARBAGE_EVERY = 1_000


@dataclass(frozen=True)
class World:
    """A folder in which mailwake runs."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def log_path(self) -> Path:
        return self.folder / "mailwake.db"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse"

    def environ(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILWAKE_")}
        defaults = {
            "MAILWAKE_STEP_RECORDS": str(STEP_RECORDS),
            "MAILWAKE_HTTP_PORT": "0",
            "MAILWAKE_METRICS_PORT": "0",
            "MAILWAKE_INTAKE_PORT": "0",
            "MAILWAKE_LINGER_MS": "100",
        }
        return kept | defaults | self.environment | more

    def start(self, *arguments: object, **settings: str) -> "subprocess.Popen[bytes]":
        """`mailwake ARGUMENTS` as a process of its own."""
        return self._popen([sys.executable, "-m", "mailwake", *map(str, arguments)], settings)

    def program(self, *arguments: object, **settings: str) -> "subprocess.Popen[bytes]":
        """One of pipeline_programs.py as a process of its own."""
        return self._popen([sys.executable, str(PROGRAMS), *map(str, arguments)], settings)

    def run(self, *arguments: object, stdin: bytes = b"", expect: int | None = 0, **settings: str) -> "Said":
        """Run `mailwake ARGUMENTS` to its end; the exit code must be the expected one."""
        return finished(self.start(*arguments, **settings), stdin, expect)

    def run_program(self, *arguments: object, stdin: bytes = b"", expect: int | None = 0) -> "Said":
        return finished(self.program(*arguments), stdin, expect)

    def copy(self, folder: Path, **environment: str) -> "World":
        """The same in another folder; nobody may be using this one."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return World(folder, self.environment | environment)

    @contextmanager
    def log(self) -> Iterator[SqliteLog]:
        log = SqliteLog.open(self.log_path, TOPICS)
        try:
            yield log
        finally:
            log.close()

    def records(self, topic: str) -> list[tuple[int, bytes | None, bytes | None, int]]:
        """Everything in a topic: offset, key, value, timestamp."""
        with self.log() as log:
            source, found, offset = TopicPartition(topic), [], 0
            while (batch := log.read(source, offset, 10_000)).next > offset:
                found += zip(batch.offsets, batch.keys, batch.values, batch.timestamps, strict=True)
                offset = batch.next
            return found

    def lag(self) -> int:
        """How many records wait for a stage or the warehouse."""
        with self.log() as log:
            ends = {s.source: s.end for s in log.stats()}
            waiting = 0
            for group, topic in READERS:
                done = log.committed(group)
                waiting += ends[TopicPartition(topic)] - done.get(TopicPartition(topic), 0)
            done = log.committed("warehouse")
            return waiting + sum(
                ends[TopicPartition(t)] - done.get(TopicPartition(t), 0) for t in INPUTS + DERIVED
            )

    def views(self) -> dict[str, list[str]]:
        """Every view's rows as JSON in a fixed order, without the times of loading; read by a process of its own."""
        return dict(json.loads(self.run_program("views").out))

    def finish(self) -> "Outcome":
        """Run until nothing is left to do, as `mailwake run --until-idle` does; gives what the world came to."""
        views = dict(json.loads(self.run_program("finish").out))
        return Outcome({topic: self.records(topic) for topic in INPUTS + DERIVED}, views)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The answer of `mailwake query`."""
        out = self.run("query", sql, "--format", "JSONEachRow").out
        return [json.loads(line) for line in out.splitlines()]

    def _popen(self, command: Sequence[str], settings: dict[str, str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environ(**settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@dataclass(frozen=True)
class Said:
    """How a process ended and what it said."""

    code: int
    out: str
    err: str


def finished(process: "subprocess.Popen[bytes]", stdin: bytes = b"", expect: int | None = None) -> Said:
    """Wait for a process to end by itself."""
    try:
        out, err = process.communicate(stdin, timeout=120)
    finally:
        process.kill()
        process.wait()
    said = Said(process.returncode, (out or b"").decode(), err.decode())
    if expect is not None:
        assert said.code == expect, (
            f"exit code {said.code}, not {expect}: {said.out[-2000:]}{said.err[-4000:]}"
        )
    return said


def make_input(folder: Path, scenario: Scenario = SCENARIO) -> World:
    """A log with everything that arrives in a scenario, some garbage among it, and nothing derived yet.

    The warehouse's tables are made, and empty: processes that are soon killed would do little else.
    """
    folder.mkdir()
    world = World(folder)
    # Copies of it have the same keys, so that what they seal is the same.
    FileKeyring.open(folder / "mailwake.keys", create=True).keys("default")
    with world.log() as log:
        into_log(_Spoiled(log), scenario)  # type: ignore[arg-type]
    world.run("warehouse", "migrate")
    return world


class _Spoiled:
    """Puts garbage between the records that are appended, at fixed distances."""

    def __init__(self, log: Any) -> None:
        self._log, self._garbage = log, 0

    def append_all(self, records: dict[str, list[Record]]) -> None:
        self._log.append_all({topic: list(self._spoil(some)) for topic, some in records.items()})

    def _spoil(self, records: list[Record]) -> Iterator[Record]:
        for index, record in enumerate(records):
            if index % GARBAGE_EVERY == 5:
                yield Record(
                    b"garbage-%d" % self._garbage, GARBAGE[self._garbage % len(GARBAGE)], record.timestamp
                )
                self._garbage += 1
            yield record


@dataclass(frozen=True)
class Outcome:
    """What a world came to: every topic, every view."""

    topics: dict[str, list[tuple[int, bytes | None, bytes | None, int]]]
    views: dict[str, list[str]]


@dataclass(frozen=True)
class Undisturbed:
    """The input before anything ran, the same after a run in peace, and what that came to."""

    input: World
    world: World
    outcome: Outcome


def undisturbed_run(folder: Path, scenario: Scenario = SCENARIO) -> Undisturbed:
    """Make the input, and run it in peace."""
    fresh = make_input(folder / "input", scenario)
    world = fresh.copy(folder / "run")
    outcome = world.finish()
    assert outcome.views["reputation_late_additions"], "nothing in this input is late"
    return Undisturbed(fresh, world, outcome)


def assert_same(found: Outcome, undisturbed: Outcome) -> None:
    """Topics byte for byte, views row for row.

    Two stages write dead letters, each in its own order: their offsets may differ, nothing else may.
    """
    for topic, records in undisturbed.topics.items():
        if topic == "dead.letters":
            _assert_equal(topic, _without_offsets(found.topics[topic]), _without_offsets(records))
        else:
            _assert_equal(topic, found.topics[topic], records)
    assert_same_views(found.views, undisturbed.views)


def _without_offsets(records: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    return sorted(record[1:] for record in records)


Views = Mapping[str, Sequence[str]]


def assert_same_views(found: Views, expected: Views, except_for: Sequence[str] = ()) -> None:
    """Every view row for row."""
    assert set(found) == set(expected)
    for name, rows in expected.items():
        if name not in except_for:
            _assert_equal(name, found[name], rows)


def _assert_equal(name: str, found: Sequence[Any], expected: Sequence[Any]) -> None:
    """Equal, or the first difference: pytest's own comparison of long lists takes minutes."""
    if found == expected:
        return
    differing = (
        (i, one, other) for i, (one, other) in enumerate(zip(found, expected, strict=False)) if one != other
    )
    index, one, other = next(differing, (min(len(found), len(expected)), "missing or too many", ""))
    raise AssertionError(
        f"{name}: {len(found)} and {len(expected)} rows; at {index}\n  found    {one}\n  expected {other}"
    )
