"""What several of these tests share lies beside them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("other_versions", "any_event", "damage")

from other_versions import add_version  # noqa: E402

__all__ = ["add_version"]
