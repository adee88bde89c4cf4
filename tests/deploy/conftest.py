"""Lets the tests here import what lies beside them, and the warehouse's samples."""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# At the end: others here and there import from a `conftest` of their own.
sys.path += [str(Path(__file__).parent), str(TESTS / "sinks"), str(TESTS / "sinks" / "warehouse")]
pytest.register_assert_rewrite(
    "promtool", "expressions", "workload", "manifests", "warehouse_samples", "sink_conformance"
)
