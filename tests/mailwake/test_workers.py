"""Workers on a log in Kafka come to what the embedded pipeline comes to, however many there are."""

from collections.abc import Callable

import pytest
from platforms import Platform, assert_equal_to_embedded
from worlds import Undisturbed


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.soak), 3])
def test_any_number_of_workers_comes_to_what_embedded_comes_to(
    undisturbed: Undisturbed, platform: Callable[[], Platform], workers: int
) -> None:
    there = platform()
    there.migrate()
    there.fill()
    with there.working(workers) as processes:
        there.settle(processes)
    assert_equal_to_embedded(there.views(), undisturbed.outcome.views)
