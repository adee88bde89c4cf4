"""SIGKILL at every boundary of every step, at random moments, and to those who emit."""

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

import pytest
from pipeline_programs import EVENTS_OF_A_BATCH, batch_of
from worlds import Undisturbed, World, assert_same, finished

from schemas.codec import decode
from schemas.mail import MessageSent

STEP = ("read", "taken", "flushed", "written", "writing", "committed")
LOAD = ("read", "position", "loaded", "writing", "committed")
TABLES = (
    "documents_told",
    "document_outcomes_told",
    "mail_events_told",
    "dmarc_reports_told",
    "dmarc_records_told",
    "reputation_minutes_told",
    "reputation_hours_told",
    "reputation_days_told",
    "dead_letters_told",
)
LONGEST_LIFE_S = 1.6
"""Processes that are to be killed at a random moment live at most this long: they start, and do some steps."""


def kill_at(world: World, places: Sequence[tuple[str, int]]) -> None:
    """One process after another, each killed the nth time it reaches a place; none must get past its place."""
    for place, nth in places:
        said = world.run_program("die", place, nth, expect=None)
        assert said.code == -signal.SIGKILL, f"{place} was not reached: {said.out}{said.err}"


def test_killed_at_each_boundary_of_the_document_stage(world: World, undisturbed: Undisturbed) -> None:
    kill_at(world, [(f"documents {boundary}", 1) for boundary in STEP])
    assert_same(world.finish(), undisturbed.outcome)


def test_killed_at_each_boundary_of_the_reputation_stage(world: World, undisturbed: Undisturbed) -> None:
    kill_at(world, [(f"reputation {boundary}", min(nth, 2)) for nth, boundary in enumerate(STEP, 1)])
    assert_same(world.finish(), undisturbed.outcome)


def test_killed_at_each_boundary_of_the_loader(world: World, undisturbed: Undisturbed) -> None:
    kill_at(world, [(f"warehouse {boundary}", nth) for nth, boundary in enumerate(LOAD, 1)])
    assert_same(world.finish(), undisturbed.outcome)


def test_killed_after_the_data_of_each_table_and_before_the_position(
    world: World, undisturbed: Undisturbed
) -> None:
    # What stages make is there first: else it goes by their pace whether a table still gets something.
    for command in (("pause", "warehouse"), ("run", "--until-idle"), ("resume", "warehouse")):
        world.run(*command)
    kill_at(world, [(f"warehouse {table}", 1) for table in TABLES])
    assert_same(world.finish(), undisturbed.outcome)


def test_killed_while_the_warehouse_is_made(world: World, undisturbed: Undisturbed) -> None:
    shutil.rmtree(world.warehouse)
    kill_at(world, [("migrating", nth) for nth in (1, 2, 3, 8, 20)])
    assert_same(world.finish(), undisturbed.outcome)


def kill_at_random(fresh: Callable[..., World], undisturbed: Undisturbed, rounds: int, seed: int) -> None:
    """Kill `mailwake run` and `mailwake up` in turn; whenever a world is done, compare it and begin another."""
    chance = random.Random(seed)
    world, killed, in_the_midst = fresh(), 0, 0
    everything, longest_s = world.lag(), LONGEST_LIFE_S
    while killed < rounds or not in_the_midst:
        command = chance.choice((("run", "--until-idle"), ("up",)))
        process = world.start(*command)
        try:
            process.wait(chance.uniform(0.0, longest_s))
        except subprocess.TimeoutExpired:
            killed += 1
        process.kill()
        said = finished(process)
        assert said.code in (0, -signal.SIGKILL), f"{command}: {said.err}"
        left = world.lag()
        in_the_midst += 0 < left != everything
        if left == everything:
            longest_s *= 1.05  # where the machine is busy, nothing is begun within the usual time
        if left == 0:
            assert_same(world.finish(), undisturbed.outcome)
            world = fresh()
    assert_same(world.finish(), undisturbed.outcome)


def test_killed_at_random_moments(fresh: Callable[..., World], undisturbed: Undisturbed) -> None:
    kill_at_random(fresh, undisturbed, rounds=12, seed=1)


@pytest.mark.soak
def test_killed_at_as_many_random_moments_as_asked_for(
    fresh: Callable[..., World], undisturbed: Undisturbed, rounds: int
) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")  # noqa: T201
    kill_at_random(fresh, undisturbed, rounds, seed)


def kill_emitters(world: World, rounds: int, seed: int) -> None:
    """Emitters and a pipeline beside them, all killed again and again; each emitter tells anew what it told."""
    chance = random.Random(seed)
    for _ in range(rounds):
        pipeline = world.start("up")
        emitter = world.program("emit", "told", 10**6)
        assert emitter.stdout
        first = emitter.stdout.readline()
        time.sleep(chance.uniform(0, 0.5))
        emitter.kill()
        pipeline.kill()
        acknowledged = len((first.decode() + finished(emitter).out).split("\n")[:-1])
        finished(pipeline)
        kept = told_in(world)
        assert len(kept) % EVENTS_OF_A_BATCH == 0
        assert {event_id for number in range(acknowledged) for event_id in ids_of(number)} <= set(kept)
    told = set(told_in(world))
    world.run("run", "--until-idle")
    rows = world.rows("SELECT toString(event_id) AS id FROM mail_events")
    assert sorted(row["id"] for row in rows) == sorted(told)
    (counted,) = world.rows("SELECT sum(sent) AS sent FROM reputation_days WHERE kind = 'domain'")
    assert int(counted["sent"]) == len(told)


def told_in(world: World) -> list[str]:
    """The ids of the events in the log, in their order, repeats included."""
    return [decode(value or b"").event_id for _, _, value, _ in world.records("mail.events")]


def ids_of(number: int) -> list[str]:
    events = (dict(fields) for fields in batch_of("told", number))
    return [MessageSent(**{k: v for k, v in fields.items() if k != "type"}).event_id for fields in events]


def test_killed_emitters_kept_what_they_acknowledged(empty: World) -> None:
    kill_emitters(empty, rounds=4, seed=2)


@pytest.mark.soak
def test_killed_emitters_as_often_as_asked_for(empty: World, rounds: int) -> None:
    kill_emitters(empty, max(rounds // 10, 4), time.time_ns())
