"""Warehouses that are lost or old catch up; logs that are not what the warehouse was loaded from are refused."""

import json
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from worlds import Undisturbed, World, assert_same, assert_same_views

from sources.simulator import Scenario, days_before_today, into_log
from streams.log import Retention, Topic
from streams.sqlite.log import SqliteLog
from streams.topics import DAY_MS

REFUSED = 3
LARGE_STEPS = {"MAILWAKE_STEP_RECORDS": "50000"}


def more(count: int, domain: str = "more.example") -> bytes:
    events = (
        {"type": "MessageSent", "source": "test", "source_event_id": str(n), "from_domain": domain}
        for n in range(count)
    )
    return "\n".join(map(json.dumps, events)).encode()


def test_a_deleted_warehouse_is_filled_again(done: World, undisturbed: Undisturbed) -> None:
    shutil.rmtree(done.warehouse)
    assert_same(done.finish(), undisturbed.outcome)


def test_a_warehouse_from_an_older_copy_catches_up(world: World, undisturbed: Undisturbed) -> None:
    world.run_program("die", "warehouse committed", 8, expect=-signal.SIGKILL)
    shutil.copytree(world.warehouse, world.folder / "older", symlinks=True)
    world.run("run", "--until-idle")
    shutil.rmtree(world.warehouse)
    (world.folder / "older").rename(world.warehouse)
    assert_same(world.finish(), undisturbed.outcome)


def another(done: World, fresh: Callable[..., World]) -> World:
    """A log of its own."""
    other = World(done.folder.parent / "another", LARGE_STEPS)
    other.folder.mkdir()
    other.run("emit", stdin=more(10))
    return other


def cut(done: World, fresh: Callable[..., World]) -> World:
    """The log as it was before anything ran: its derived topics end before the warehouse's positions."""
    return fresh(**LARGE_STEPS)


def regrown(done: World, fresh: Callable[..., World]) -> World:
    """A backup from before the last events, to which more others were appended since."""
    done.run("backup", "backup")
    done.run("emit", stdin=more(30, "lost.example"))
    done.run("run", "--until-idle")
    older = World(done.folder.parent / "regrown", LARGE_STEPS)
    older.folder.mkdir()
    shutil.copyfile(done.folder / "backup" / "mailwake.db", older.log_path)
    older.run("emit", stdin=more(50, "other.example"))
    return older


@pytest.mark.parametrize("replacement", [another, cut, regrown], ids=lambda make: make.__name__)
def test_a_log_that_does_not_continue_what_was_loaded_is_refused_and_the_named_commands_rebuild(
    done: World, fresh: Callable[..., World], replacement: Callable[[World, Callable[..., World]], World]
) -> None:
    done = World(done.folder, LARGE_STEPS)
    other = replacement(done, fresh)
    expected = other.copy(done.folder.parent / "expected").finish()
    before = done.views()
    for file in done.folder.glob("mailwake.db*"):
        file.unlink()
    shutil.copyfile(other.log_path, done.log_path)
    said = done.run("up", expect=REFUSED)
    assert "mailwake replay rebuild && mailwake replay swap" in said.err
    assert done.views() == before
    done.run("replay", "rebuild")
    done.run("replay", "swap")
    assert_same_views(
        done.finish().views, expected.views, except_for=("freshness", "reputation_late_additions")
    )


def test_a_warehouse_that_is_lost_after_retention_removed_what_it_would_need_is_rebuilt(empty: World) -> None:
    """Where somebody keeps counts for days only: the facts they are made of are still there."""
    scenario = Scenario(start_ms=days_before_today(90), days=1, domains=3, messages_per_day=300)
    world = World(empty.folder, LARGE_STEPS)
    with world.log() as log:
        into_log(log, scenario)
    before = world.finish().views
    with world.log() as log:
        path = log.path
    short = Topic("reputation.buckets", retention=Retention(max_age_ms=45 * DAY_MS))
    with closing(SqliteLog.open(path, [short])) as log:
        assert log.retain(time.time_ns() // 1_000_000).records
    shutil.rmtree(world.warehouse)
    said = world.run("run", "--until-idle", expect=REFUSED)
    assert "mailwake replay rebuild && mailwake replay swap" in said.err
    world.run("replay", "rebuild")
    world.run("replay", "swap")
    assert_same_views(world.views(), before, except_for=("freshness", "reputation_late_additions"))
