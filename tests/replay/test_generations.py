"""Generations are listed and dropped, and dropping gives space back."""

import pytest
from house import Crash, House

from replay.generations import drop, listed
from replay.lineage import lineages
from replay.rebuild import Wanted, rebuild
from replay.swap import swap
from replay.verify import verify
from replay.work import Replay, ReplayRefused


def standing(replay: Replay) -> dict[int, str]:
    return {one.number: one.standing for one in listed(replay)}


def swapped(replay: Replay, reparse: bool = False) -> None:
    rebuild(replay, Wanted(reparse))
    swap(replay)


def test_lists_what_there_is(house: House) -> None:
    with house.replay() as replay:
        assert standing(replay) == {1: "live"}
        rebuild(replay, Wanted(reparse=True))
        assert standing(replay) == {1: "live", 2: "rebuilt"}
        swap(replay)
        assert standing(replay) == {1: "replaced", 2: "live"}
        first, second = listed(replay)
    assert (first.made_from, second.made_from) == ("the log", "documents")
    assert 0 < first.rows <= second.rows
    assert first.shadow_bytes == 0
    assert second.shadow_bytes > 0


def test_drop_leaves_nothing(house: House) -> None:
    with house.replay() as replay:
        swapped(replay)
        drop(replay, 1)
        assert standing(replay) == {2: "live"}
        for stage in replay.fresh_stages():
            assert not dict(replay.log.state(stage.name))
        (rows,) = replay.warehouse.rows("SELECT count() FROM mail_events_told WHERE generation = 1")
        assert rows == (0,)
        rebuild(replay, Wanted())
        drop(replay, 3)
        assert standing(replay) == {2: "live"}
        assert not [group for group in replay.log.groups() if group.endswith("@3")]
        held = {stats.source.topic: stats.bytes for stats in replay.log.stats()}
        assert held["reputation.buckets@3"] == 0 < held["reputation.buckets@2"]
        swapped(replay)
        assert standing(replay) == {2: "replaced", 4: "live"}, "a number is not used again"
        assert set(lineages(replay.log)) == {2, 4}


def test_live_and_unknown_ones_are_refused(house: House) -> None:
    with house.replay() as replay:
        with pytest.raises(ReplayRefused, match="generation 1 is the live one"):
            drop(replay, 1)
        with pytest.raises(ReplayRefused, match="no generation 7; there are 1"):
            drop(replay, 7)


@pytest.mark.parametrize("boundary", ["forgotten", "shadows emptied"])
def test_interrupted_drop_is_finished_by_the_next(house: House, boundary: str) -> None:
    def die(met: str) -> None:
        if met == boundary:
            raise Crash(met)

    with house.replay() as replay:
        rebuild(replay, Wanted())
    with pytest.raises(Crash), house.replay(die) as replay:
        drop(replay, 2)
    with house.replay() as replay:
        assert standing(replay) == {1: "live", 2: "remains"}
        rebuild(replay, Wanted())
        assert standing(replay) == {1: "live", 2: "remains", 3: "rebuilt"}
        assert verify(replay).equal
        drop(replay, 2)
        assert standing(replay) == {1: "live", 3: "rebuilt"}


def test_shadows_are_kept_as_long_as_a_later_generation_takes_them_for_facts(house: House) -> None:
    before = house.views()
    with house.replay() as replay:
        swapped(replay, reparse=True)
        swapped(replay)
        drop(replay, 2)
        drop(replay, 1)
        kept = {stats.source.topic for stats in replay.log.stats() if stats.records}
        assert {"dmarc.records@2", "documents.outcomes@2", "dead.letters@3"} <= kept
        assert not {"reputation.buckets@2", "dead.letters@2"} & kept
        rebuild(replay, Wanted())
        assert verify(replay).equal
        swap(replay)
        drop(replay, 3)
        swapped(replay, reparse=True)
        drop(replay, 4)
        kept = {stats.source.topic for stats in replay.log.stats() if stats.records}
        assert not {topic for topic in kept if topic.endswith(("@2", "@3", "@4"))}
    assert house.views() == before
