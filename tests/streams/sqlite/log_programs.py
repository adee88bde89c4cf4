"""Programs that tests run as processes of their own, to have several at one log and to kill them.

Each says on its standard output what it has done, one line at a time.
"""

import sys
from pathlib import Path

from streams.log import Fenced, LogFull, LogInUse, Record, Topic, TopicPartition
from streams.sqlite import connections as sqlite_connections
from streams.sqlite.log import SqliteLog

TOPICS = (Topic("in", partitions=2), Topic("out"))
APPEND = 50


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201


def emit(log: SqliteLog, name: str, appends: int) -> None:
    """Append APPEND records at a time, numbered on; say each append's number once it is durable."""
    for number in range(appends):
        keyed = [Record(name.encode(), b"%d" % (number * APPEND + i), number) for i in range(APPEND)]
        log.append_all({"in": keyed, "out": keyed})
        say(number)


def run(log: SqliteLog, steps: int) -> None:
    """Steps that each put out one number, keep it as state and commit it as the position."""
    source = TopicPartition("in", 0)
    try:
        with log.hold():
            start = log.committed("runtime").get(source, 0)
            for number in range(start, start + steps):
                with log.transaction() as step:
                    step.append(
                        "out", [Record(b"runtime", b"%d.%d" % (number, i), number) for i in range(APPEND)]
                    )
                    step.put_state("stage", {b"number": b"%d" % (number + 1), b"ballast": bytes(20_000)})
                    step.commit("runtime", source, number + 1)
                say(number)
    except LogInUse as refusal:
        say(refusal)


def run_on_request(log: SqliteLog) -> None:
    """A step for each line of standard input."""
    try:
        with log.hold():
            say("holding")
            for _ in sys.stdin:
                with log.transaction() as step:
                    step.append("out", [Record(b"runtime", b"step", 0)])
                say("stepped")
    except Fenced as fenced:
        say("fenced", fenced)


def write_until_told(log: SqliteLog) -> None:
    """Stay in the middle of a write until standard input ends."""
    with log._connections.writing():
        say("writing")
        sys.stdin.read()


def fill(log: SqliteLog, size: int) -> None:
    """With files limited to `size` bytes, append until the log is full; then lift the limit and go on."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    kept = 0
    try:
        while True:
            log.append("out", [Record(b"fill", bytes(1_000), kept + i) for i in range(APPEND)])
            kept += APPEND
    except LogFull as full:
        say(kept, full)
    say(log.end(TopicPartition("out")), len(log.read(TopicPartition("out"), 0, 10**6)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    say(*log.append("out", [Record(b"fill", b"after", 0)]))


if __name__ == "__main__":
    sqlite_connections.WAL_BYTES = 256 * 1024  # So that checkpoints are among what is interrupted.
    path, program, *arguments = sys.argv[1:]
    opened = SqliteLog.open(Path(path), TOPICS)
    match program:
        case "emit":
            emit(opened, arguments[0], int(arguments[1]))
        case "run":
            run(opened, int(arguments[0]))
        case "run_on_request":
            run_on_request(opened)
        case "write_until_told":
            write_until_told(opened)
        case "fill":
            fill(opened, int(arguments[0]))
    opened.close()
