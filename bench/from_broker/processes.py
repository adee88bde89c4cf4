"""Processes that are measured: all with the same priority, their CPU time and memory from /proc."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MIB = 2**20
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@cache
def in_front() -> Sequence[str]:
    """What a measured process's command begins with, so that neighbours take less of it; nothing if not allowed."""
    wanted = ["nice", "-n", "-15"]
    tried = subprocess.run([*wanted, "true"], capture_output=True, check=False)
    return wanted if tried.returncode == 0 and not tried.stderr else []


def started(command: Sequence[str], environment: Mapping[str, str], said: Path) -> "subprocess.Popen[bytes]":
    """A measured process; what it logs goes to a file, what it prints to a pipe."""
    with said.open("wb") as log:
        return subprocess.Popen(
            [*in_front(), *command], stdout=subprocess.PIPE, stderr=log, env={**os.environ, **environment}
        )


def raise_priority(pid: int) -> None:
    """Put a process that runs already, a broker, among the measured ones."""
    if in_front():
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), -15)


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used so far, all its threads; 0 once it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_mib(pid: int) -> int:
    """Resident memory of a process, MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE // MIB


@dataclass(slots=True)
class Shares:
    """What processes have used of a core since this was made."""

    pids: Mapping[str, int]
    _before: Mapping[str, float] | None = None

    def begin(self) -> None:
        """From now on."""
        self._before = {name: cpu_s(pid) for name, pid in self.pids.items()}

    def seconds(self) -> dict[str, float]:
        """Seconds of CPU by name."""
        before = self._before or {}
        return {name: round(cpu_s(pid) - before.get(name, 0.0), 2) for name, pid in self.pids.items()}
