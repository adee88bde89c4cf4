"""Other systems on the same topic, each a program in systems/ that runs as a process of its own."""

import json
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from from_broker.places import HERE, Place
from from_broker.processes import started
from schemas.catalog import latest, wire_id
from schemas.mail import MAIL_EVENTS

SYSTEMS = HERE / "systems"
QUIX_ENVIRONMENT = HERE.parent / ".quixstreams-venv"
_LONGEST_S = 400


def quix_python(given: str | None) -> str:
    """A Python that has quixstreams: the one that is given, or one made beside the bench, once."""
    python = QUIX_ENVIRONMENT / "bin" / "python"
    if given is None and not python.exists():
        venv.create(QUIX_ENVIRONMENT, with_pip=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "quixstreams==3.28.1", "fastavro"], check=True
        )
    return given or str(python)


def getmany(place: Place, events: int) -> float:
    """Events a second, read alone."""
    return _rate(place, [sys.executable, "getmany.py", place.broker.address, place.topic, str(events)])


def faust_table(place: Place, events: int) -> float:
    """Events a second through a Faust table."""
    told = [place.broker.address, place.topic, str(events), str(_schemas(place))]
    return _rate(place, [sys.executable, "faust_table.py", *told])


def quix_state(place: Place, events: int, python: str, writes: int = 5) -> float:
    """Events a second through quixstreams' state, so many entries an event."""
    told = [place.broker.address, place.topic, str(events), str(_schemas(place)), str(writes)]
    return _rate(place, [python, "quix_state.py", *told, str(place.folder / f"quix-{place.prefix}-{writes}")])


def _rate(place: Place, command: Sequence[str]) -> float:
    program = SYSTEMS / command[1]
    said = place.folder / f"{program.stem}.log"
    process = started([command[0], str(program), *command[2:]], {}, said)
    out, _ = process.communicate(timeout=_LONGEST_S)
    if process.returncode or not out.strip():
        raise SystemExit(f"{program.name} ended with {process.returncode}: {said.read_text()[-2000:]}")
    told = json.loads(out.splitlines()[-1])
    return float(told["events"] / told["seconds"])


def _schemas(place: Place) -> Path:
    path = place.folder / "schemas.json"
    path.write_text(json.dumps({wire_id(record): latest(record).schema for record in MAIL_EVENTS}))
    return path
