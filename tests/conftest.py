"""Options of the test runs."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=200, help="how often the soak tests kill what they run")


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a soak test kills what it runs."""
    return int(request.config.getoption("--rounds"))
