"""The example queries run, say what they answer, answer something, and are listed where a reader looks."""

from importlib.resources import files
from pathlib import Path

import pytest
import warehouse_samples as samples

from sinks.warehouse.warehouse import Warehouse

EXAMPLES = sorted(
    (file.name, file.read_text())
    for file in (files("sinks.warehouse") / "examples").iterdir()
    if file.name.endswith(".sql")
)
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def filled(warehouse: Warehouse) -> Warehouse:
    sink = warehouse.sink(1)
    samples.load_all(sink, samples.world(240))
    sink.close()
    return warehouse


@pytest.mark.parametrize(("name", "sql"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_answers_what_it_says(filled: Warehouse, name: str, sql: str) -> None:
    first, *_ = sql.splitlines()
    assert first.startswith("-- ") and "?" in first
    assert filled.rows(sql)


def test_are_ten_or_more_and_listed() -> None:
    documented = (REPOSITORY / "docs" / "warehouse.md").read_text()
    assert len(EXAMPLES) >= 10
    assert [name for name, _ in EXAMPLES if name not in documented] == []
