"""A house that has run for two days, made once and copied for each test that changes it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from house import House


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Two days of traffic and its reports, some garbage in each topic, counted and loaded. Not to be changed."""
    house = House(tmp_path_factory.mktemp("finished") / "house")
    house.simulate()
    for topic in ("mail.events", "documents", "dmarc.records"):
        house.append(topic, [b"garbage", b"\x00\x00\x0f\x42\x40garbage"])
    house.run()
    return house


@pytest.fixture
def house(finished: House, tmp_path: Path) -> House:
    """One that a test may do with what it likes."""
    return finished.copy(tmp_path / "house")
