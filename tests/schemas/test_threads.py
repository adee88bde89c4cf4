"""Stages and the loader decode at the same time, each in a thread of its own."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from schemas import columns
from schemas.codec import encode
from schemas.mail import MessageSent


@pytest.fixture
def switching_often() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("switching_often")
def test_threads_that_decode_at_once_find_nothing_bad() -> None:
    framed = encode(MessageSent(from_domain="example.com"))
    batches = [[framed] * size for size in (900, 1_400, 1_900)]
    with ThreadPoolExecutor(len(batches)) as threads:
        for _ in range(60):
            columns._lot.cache_clear()  # as when a process begins
            decoded = list(threads.map(columns.decode_frames, batches))
            assert [one.bad for one in decoded] == [[], [], []]
            assert [one.frames[MessageSent].height for one in decoded] == [900, 1_400, 1_900]
