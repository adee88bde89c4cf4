"""Generations side by side: what the views show is one row."""

import pytest
import warehouse_samples as samples

from sinks.warehouse.generations import CurrentGeneration, UnknownGeneration
from sinks.warehouse.warehouse import Warehouse


@pytest.fixture
def two(folder) -> Warehouse:  # type: ignore[no-untyped-def, misc]
    """A warehouse with generations 1 and 2, the second of more."""
    with Warehouse.open(f"chdb://{folder}", database="two") as opened:
        opened.migrate()
        samples.load_all(opened.sink(1), samples.world(24))
        samples.load_all(opened.sink(2), samples.world(48))
        yield opened
        opened.rows("SELECT 1")
        opened._client.command("DROP DATABASE two")


def shown(warehouse: Warehouse) -> int:
    ((count,),) = warehouse.rows("SELECT count() FROM mail_events")
    return int(count)


def test_begins_with_the_first(two: Warehouse) -> None:
    assert two.current_generation() == 1
    assert shown(two) == 24
    assert [generation.number for generation in two.generations()] == [1, 2]
    assert [generation.is_current for generation in two.generations()] == [True, False]


def test_views_follow_a_swap_and_one_back(two: Warehouse) -> None:
    first = samples.contents(two, 1)
    two.set_current_generation(2)
    assert (two.current_generation(), shown(two)) == (2, 48)
    assert samples.contents(two, 1) == first != samples.contents(two, 2)
    for view in two.views():
        if view.compared:
            plain = two.rows(f"SELECT * FROM {view.name}")
            assert sorted(map(tuple, plain), key=repr) == samples.contents(two, 2)[view.name]
    two.set_current_generation(1)
    assert (two.current_generation(), shown(two)) == (1, 24)


def test_refuses_one_that_was_never_filled(two: Warehouse) -> None:
    with pytest.raises(UnknownGeneration, match="has no generation 9; it has 1, 2"):
        two.set_current_generation(9)
    assert two.current_generation() == 1


def test_drops_all_but_the_current(two: Warehouse) -> None:
    kept = samples.contents(two, 1)
    with pytest.raises(CurrentGeneration, match="swap"):
        two.drop_generation(1)
    two.drop_generation(2)
    two.drop_generation(2)
    assert [generation.number for generation in two.generations()] == [1]
    assert not any(samples.contents(two, 2).values())
    assert two.sink(2).position(samples.mark([], 0, "mail.events").source) is None
    assert samples.contents(two, 1) == kept


def test_counts_what_is_stored(two: Warehouse) -> None:
    first, second = two.generations()
    assert first.rows["mail_events"] >= 24
    assert second.rows["mail_events"] >= 48
    assert first.rows["dead_letters"] >= 3
