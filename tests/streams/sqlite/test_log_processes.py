"""Several processes at one SqliteLog: side by side, killed, stopped, overtaken, forked."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from log_samples import read_all

from streams.log import LogError, LogInUse, Record, TopicPartition
from streams.partitioner import partition_of
from streams.sqlite.log import SqliteLog
from tests.streams.sqlite.log_programs import APPEND, TOPICS

OUT = TopicPartition("out")
PROGRAMS = Path(__file__).with_name("log_programs.py")


@contextmanager
def program(path: Path, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAMS), str(path), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def last_line(process: "subprocess.Popen[str]") -> str | None:
    """The last that a process said which was killed, if it said more than was read.

    By the pipe that `line` reads: what that has read ahead of its line, `communicate` would not find.
    """
    process.wait()
    assert process.stdout
    return next(reversed(process.stdout.read().split()), None)


def ask(process: "subprocess.Popen[str]") -> str:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()
    return line(process)


def assert_sound(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def numbers_of(log: SqliteLog, source: TopicPartition, name: str) -> list[int]:
    found = read_all(log, source, 1_000)
    assert [offset for offset, _ in found] == list(range(len(found)))
    return [int(r.value or b"") for _, r in found if r.key == name.encode()]


def test_emitters_and_a_runtime_side_by_side(tmp_path: Path) -> None:
    """Every append is whole and in one piece, none starves another, no offset is missing or taken twice."""
    path = tmp_path / "log.db"
    with closing(SqliteLog.open(path, TOPICS)) as log:
        log.append("in", [Record(None, b"for the runtime to read", 0)] * 40, partition=0)
    names = ["a", "b", "c"]
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(program(path, "emit", name, 40)) for name in names]
        processes.append(stack.enter_context(program(path, "run", 40)))
        for process in processes:
            said, _ = process.communicate(timeout=60)
            assert said.split() == [str(n) for n in range(40)]
    assert_sound(path)
    with closing(SqliteLog.open(path, TOPICS)) as log:
        for name in names:
            source = TopicPartition("in", partition_of(name.encode(), 2))
            assert numbers_of(log, source, name) == list(range(40 * APPEND))
        found = [r.key for _, r in read_all(log, OUT, 1_000)]
        assert len(found) == 4 * 40 * APPEND
        for start in range(0, len(found), APPEND):
            assert len(set(found[start : start + APPEND])) == 1


def test_nobody_starves(tmp_path: Path) -> None:
    """While some process appends without a pause, another's appends get their turns among them."""
    path = tmp_path / "log.db"
    with closing(SqliteLog.open(path, TOPICS)) as log, program(path, "emit", "busy", 10**6) as busy:
        line(busy)
        for i in range(30):
            before = log.append("out", [Record(b"small", b"%d" % i, i)])[0]
        busy.kill()
        found = [r.key for _, r in read_all(log, OUT, 1_000)][: before + 1]
        turns = found.count(b"busy") // APPEND
        assert found.count(b"small") == 30
        assert turns < 30 * 20


@pytest.mark.parametrize("seed", range(6))
def test_killed_emitter(tmp_path: Path, seed: int) -> None:
    """What was said to be durable is there; an append that was under way is there whole or not at all."""
    path = tmp_path / "log.db"
    chance = random.Random(seed)
    with closing(SqliteLog.open(path, TOPICS)) as log, program(path, "emit", "k", 10**6) as emitter:
        last = [line(emitter) for _ in range(chance.randrange(1, 20))][-1]
        time.sleep(chance.uniform(0, 0.01))
        emitter.kill()
        durable = int(last_line(emitter) or last) + 1
        source = TopicPartition("in", partition_of(b"k", 2))
        kept = numbers_of(log, source, "k")
        assert kept == list(range(len(kept)))
        assert len(kept) in (durable * APPEND, (durable + 1) * APPEND)
        assert numbers_of(log, OUT, "k") == kept
        assert log.append("out", [Record(b"next", b"", 0)])[0] == len(kept)
    assert_sound(path)


@pytest.mark.parametrize("seed", range(6))
def test_killed_runtime(tmp_path: Path, seed: int) -> None:
    """Output, state and position of a step are all there or all missing; the next runtime goes on there."""
    path = tmp_path / "log.db"
    chance = random.Random(seed)
    source = TopicPartition("in", 0)
    with closing(SqliteLog.open(path, TOPICS)) as log:
        log.append("in", [Record(None, b"", 0)] * 10_000, partition=0)
        for _ in range(2):
            with program(path, "run", 10_000) as runtime:
                last = [line(runtime) for _ in range(chance.randrange(1, 20))][-1]
                time.sleep(chance.uniform(0, 0.01))
                runtime.kill()
                durable = int(last_line(runtime) or last) + 1
            position = log.committed("runtime")[source]
            assert position in (durable, durable + 1)
            assert dict(log.state("stage"))[b"number"] == b"%d" % position
            expected = [b"%d.%d" % (n, i) for n in range(position) for i in range(APPEND)]
            assert [r.value for _, r in read_all(log, OUT, 1_000)] == expected
    assert_sound(path)


def test_a_second_runtime_is_told_who_holds_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(SqliteLog.open(path, TOPICS)) as log, program(path, "run_on_request") as runtime:
        assert line(runtime) == "holding"
        with pytest.raises(LogInUse, match=f"process {runtime.pid}"), log.hold():
            pass
        assert ask(runtime) == "stepped"
        runtime.kill()
        runtime.wait()
        with log.hold(), program(path, "run", 1) as second:
            assert f"process {os.getpid()}" in line(second)


def test_a_runtime_that_was_overtaken_while_paused_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(SqliteLog.open(path, TOPICS)) as log, program(path, "run_on_request") as paused:
        assert line(paused) == "holding"
        assert ask(paused) == "stepped"
        paused.send_signal(signal.SIGSTOP)
        (tmp_path / "log.db.runtime.lock").unlink()
        with log.hold(), log.transaction() as step:
            step.append("out", [Record(b"successor", b"", 0)])
        paused.send_signal(signal.SIGCONT)
        assert ask(paused).startswith(f"fenced another runtime has taken {path} over")
        assert paused.wait(10) == 0
        assert [r.key for _, r in read_all(log, OUT)] == [b"runtime", b"successor"]


def test_a_writer_that_hangs_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    SqliteLog.open(path, TOPICS).close()
    with program(path, "write_until_told") as writer:
        assert line(writer) == "writing"
        writer.send_signal(signal.SIGSTOP)
        with closing(SqliteLog.open(path, TOPICS, timeout_s=0.1)) as log:
            with pytest.raises(LogError, match=rf"no turn to write within 0\.1 s; process {writer.pid}"):
                log.append("out", [Record(b"k", b"v", 0)])
            assert log.end(OUT) == 0
            writer.kill()
            writer.wait()
            assert list(log.append("out", [Record(b"k", b"v", 0)])) == [0]


def test_a_foreign_program_that_locks_the_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with (
        closing(SqliteLog.open(path, TOPICS, timeout_s=0.1)) as log,
        closing(sqlite3.connect(path, isolation_level=None)) as foreign,
    ):
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogError, match="locked by a program other than mailwake"):
            log.append("out", [Record(b"k", b"v", 0)])
        foreign.execute("ROLLBACK")
        log.append("out", [Record(b"k", b"v", 0)])


def test_a_forked_child_must_open_the_log_again(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(SqliteLog.open(path, TOPICS)) as log, log.hold():
        log.append("out", [Record(b"parent", b"", 0)])
        if (child := os.fork()) == 0:
            try:
                with pytest.raises(LogError, match="fork"):
                    log.append("out", [Record(b"child", b"", 0)])
                with pytest.raises(LogError, match="fork"):
                    log.end(OUT)
                log.close()
                with closing(SqliteLog.open(path, TOPICS)) as own:
                    own.append("out", [Record(b"child", b"", 0)])
                    with pytest.raises(LogInUse), own.hold():
                        pass
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        with log.transaction() as step:
            step.append("out", [Record(b"parent", b"", 0)])
        assert [r.key for _, r in read_all(log, OUT)] == [b"parent", b"child", b"parent"]
    assert_sound(path)


def test_a_child_that_lives_on_does_not_hold_its_dead_parents_lock(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    reader, writer = os.pipe()
    if (parent := os.fork()) == 0:
        try:
            with SqliteLog.open(path, TOPICS).hold():
                if (orphan := os.fork()) == 0:
                    time.sleep(60)
                    os._exit(0)
                os.write(writer, b"%d" % orphan)
                os._exit(0)
        finally:
            os._exit(1)
    os.waitpid(parent, 0)
    orphan = int(os.read(reader, 20))
    try:
        with closing(SqliteLog.open(path, TOPICS)) as log, log.hold():
            pass
    finally:
        os.kill(orphan, signal.SIGKILL)
        os.close(reader)
        os.close(writer)
