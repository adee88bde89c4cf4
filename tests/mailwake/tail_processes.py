"""Tails as processes, and the log of a Postfix that accepts, puts off and delivers."""

import os
import subprocess
import sys
from pathlib import Path

QUEUE = "BCDFGHJKLM"
LONGEST_S = 120


def message(number: int) -> list[str]:
    """The lines of a message, apart from one another in the log: accepted, put off once, delivered."""
    identity = "4bXy2Q6Z1hz" + "".join(QUEUE[int(digit)] for digit in f"{number:06d}")
    attempt = f"postfix/smtp[9]: {identity}: to=<u{number}@b.example>, relay=mx.example[192.0.2.1]:25, delay=1, dsn="
    return [
        f"postfix/cleanup[8]: {identity}: message-id=<{number}@news.example>",
        f"postfix/qmgr[7]: {identity}: from=<x@news.example>, size={number}, nrcpt=1 (queue active)",
        f"{attempt}4.7.1, status=deferred (host mx.example[192.0.2.1] said: 451 4.7.1 later)",
        f"{attempt}2.0.0, status=sent (250 ok)",
        f"postfix/qmgr[7]: {identity}: removed",
    ]


def interleaved(messages: int) -> list[str]:
    """Lines of many messages, each spread over those of the forty after it."""
    placed = [
        (number + part * 10, number, line)
        for number in range(messages)
        for part, line in enumerate(message(number))
    ]
    return [
        f"2026-11-29T10:{at // 600:02d}:{at // 10 % 60:02d}.{at % 10}00Z mx1 {line}\n"
        for at, _, line in sorted(placed)
    ]


def tail(*arguments: str, format_name: str = "postfix", **settings: str) -> "subprocess.Popen[str]":
    """`mailwake tail --format FORMAT ARGUMENTS` under these settings."""
    command = [sys.executable, "-m", "mailwake", "tail", "--format", format_name, "--json", *arguments]
    root = Path(__file__).parents[2]
    environment = {**os.environ, **settings}
    return subprocess.Popen(
        command, cwd=root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=LONGEST_S)
    return process.returncode, out, err


def begun(process: "subprocess.Popen[str]") -> None:
    """Wait until it has opened what it needs: it says so."""
    assert process.stderr is not None
    said = ""
    while " INFO mailwake tail " not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
