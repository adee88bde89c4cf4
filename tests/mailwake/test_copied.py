"""A log that was copied, and the pipeline run on the copy: what comes of it is what came of the source."""

import shutil
import time

import pytest
from worlds import Undisturbed, World, assert_same, assert_same_views

from deploy.kafka.broker import Broker

BY_OFFSET = ("dead_letters", "freshness")
"""Name offsets, or what stood before a dead letter: partitions that are read side by side may change places there."""


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_copy_there_and_back_comes_to_the_same(
    undisturbed: Undisturbed, done: World, empty: World, kafka: Broker, partitions: int
) -> None:
    address = f"kafka://{kafka.address}/there{time.time_ns()}"
    done.run("log", "copy", f"sqlite:///{done.log_path}", address, "--partitions", partitions)
    empty.run("log", "copy", address, f"sqlite:///{empty.log_path}")
    with done.log() as source, empty.log() as copy:
        assert copy.noted("keyring") == source.noted("keyring") is not None
    shutil.copy(done.folder / "mailwake.keys", empty.folder)
    found = empty.finish()
    if partitions == 1:
        assert_same(found, undisturbed.outcome)
        return
    expected = dict(undisturbed.outcome.views)
    for name in BY_OFFSET:
        assert len(found.views.pop(name)) == len(expected.pop(name))
    assert_same_views(found.views, expected)
