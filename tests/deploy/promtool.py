"""Prometheus' own checker, from Debian's `prometheus` package."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"

MISSING = "promtool is missing, alert rules are NOT checked: make setup-tests, or apt-get install prometheus"


def promtool(*arguments: Sequence[object] | object, folder: Path = DEPLOY / "prometheus") -> str:
    """Run it; the test fails if it is not content. Without it the test is skipped, and fails where CI=true."""
    program = shutil.which("promtool") or shutil.which("promtool", path=REPOSITORY / ".venv" / "bin")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    ran = subprocess.run(
        [program, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
