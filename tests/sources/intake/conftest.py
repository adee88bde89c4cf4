"""Makes what these tests share importable."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from houses import House, house


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    """An intake on a log of its own, on this machine, with neither keys nor hooks yet."""
    with house(tmp_path) as made:
        yield made
