"""A server as a process of its own, ended by its process id."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ENDS_WITHIN_S = 30.0


def begin(
    command: Sequence[str],
    log_file: Path,
    *,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start it; what it says goes to a file. In a session of its own, so that Ctrl-C is not its but ours."""
    with log_file.open("wb") as said:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdout=said,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def end(process: "subprocess.Popen[bytes]", how: signal.Signals = signal.SIGTERM) -> None:
    """End it, in half a minute at the latest, and wait until it is gone."""
    process.send_signal(how)
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
