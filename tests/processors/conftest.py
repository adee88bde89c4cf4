"""Makes what these tests share importable, and its assertions as telling as theirs."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("stage_conformance")
