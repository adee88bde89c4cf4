"""One engine for each test module, and a generation of its own for each test: a process opens one folder at a time."""

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from sinks.warehouse.loader import WarehouseSink
from sinks.warehouse.warehouse import Warehouse

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
pytest.register_assert_rewrite("sink_conformance", "warehouse_samples")

_generations = count(100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine") / "warehouse"


@pytest.fixture(scope="module")
def warehouse(folder: Path) -> Iterator[Warehouse]:
    with Warehouse.open(f"chdb://{folder}") as opened:
        opened.migrate()
        yield opened


@pytest.fixture
def generation() -> int:
    return next(_generations)


@pytest.fixture
def sink(warehouse: Warehouse, generation: int) -> Iterator[WarehouseSink]:
    opened = warehouse.sink(generation)
    yield opened
    opened.close()
