"""Packed logs are bytes from any offset on, and are unpacked once by who reads them through."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.mta_logs.unpacking import LogBytes

LINES = b"".join(b"%d: a line of a log that is packed\n" % number for number in range(30_000))
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


class Counted(LogBytes):
    """Counts how often it began at the file's beginning."""

    begun = 0

    def _start(self) -> None:
        self.begun += 1
        super()._start()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    for name, pack in PACKINGS.items():
        (folder / name).write_bytes(pack(LINES[: len(LINES) // 2]) + pack(LINES[len(LINES) // 2 :]))
    return folder


@pytest.mark.parametrize("name", PACKINGS)
def test_who_reads_line_by_line_has_it_unpacked_once(folder: Path, name: str) -> None:
    file, offset, read = Counted(folder / name), 0, b""
    while (end := (piece := file.read(offset, 2**16)).rfind(b"\n") + 1) > 0:
        read += piece[:end]
        offset += end
    assert read == LINES
    assert file.begun == 1
    file.close()


@pytest.mark.parametrize("name", PACKINGS)
@settings(max_examples=30)
@given(
    reads=st.lists(
        st.tuples(st.integers(0, len(LINES) + 10), st.integers(1, 300_000)), min_size=1, max_size=6
    )
)
def test_any_reads_in_any_order_give_what_is_there(
    folder: Path, name: str, reads: list[tuple[int, int]]
) -> None:
    file = LogBytes(folder / name)
    for offset, size in reads:
        assert file.read(offset, size) == LINES[offset : offset + size]
    file.close()
