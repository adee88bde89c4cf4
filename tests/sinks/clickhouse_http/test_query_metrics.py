"""Every request to the HTTP interface is counted under one outcome, and a greeting under none."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from sinks.clickhouse_http.errors import TOO_MANY_SIMULTANEOUS_QUERIES, ClickHouseError
from sinks.clickhouse_http.handler import _outcome
from streams.metrics import QUERY_OUTCOMES

Ask = Callable[..., Any]
Counted = Callable[[], dict[str, float]]


@pytest.fixture
def counted(measured: CollectorRegistry) -> Counted:
    def count() -> dict[str, float]:
        found = {
            name: measured.get_sample_value("mailwake_queries_total", {"outcome": name}) or 0
            for name in QUERY_OUTCOMES
        }
        return {name: value for name, value in found.items() if value}

    def read() -> dict[str, float]:
        """Once something is counted: that is after the last byte of the answer was sent."""
        for _ in range(1_000):
            if count():
                break
            time.sleep(0.01)
        return count()

    return read


@pytest.mark.parametrize(
    ("sql", "outcome"),
    [
        ("SELECT 1", "answered"),
        ("SELECT no_such_column", "wrong"),
        ("SELEC 1", "wrong"),
        ("SELECT throwIf(1)", "failed"),
        ("CREATE TABLE t (a Int8) ENGINE = Memory", "refused"),
        ("SELECT * FROM url('http://127.0.0.1/')", "refused"),
    ],
)
def test_an_outcome(ask: Ask, counted: Counted, sql: str, outcome: str) -> None:
    ask(query=sql, method="GET")
    assert counted() == {outcome: 1}


def test_a_greeting_is_no_query(ask: Ask, counted: Counted) -> None:
    ask(method="GET")
    ask(query="SELECT 1", method="GET")
    assert counted() == {"answered": 1}


def test_a_wrong_token_is_refused(ask: Ask, counted: Counted) -> None:
    ask("SELECT 1", headers={"X-Mailwake-Token": "wrong"})
    assert counted() == {"refused": 1}


def test_no_turn_is_busy() -> None:
    assert _outcome(ClickHouseError.of(TOO_MANY_SIMULTANEOUS_QUERIES, "too many")) == "busy"


def test_an_error_that_comes_late_is_counted_beside_the_answer(
    ask: Ask, counted: Counted, measured: CollectorRegistry
) -> None:
    said = ask("SELECT throwIf(number = 3000000) FROM numbers(5000000)", compress=1)
    assert said.status == 200 and counted() == {"answered": 1}
    assert measured.get_sample_value("mailwake_query_late_errors_total") == 1
