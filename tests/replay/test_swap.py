"""After a swap the new generation is the live one and goes on as if it had always been; a crash is old or new."""

import shutil
from dataclasses import replace

import pytest
from house import DAY_MS, START_MS, Crash, House

from replay.generations import listed
from replay.lineage import known_to_log, live_lineage
from replay.rebuild import Wanted, rebuild
from replay.swap import swap
from replay.verify import live_lane
from replay.work import ReplayRefused
from sinks.loading import PositionRefused

AFTER = START_MS + 2 * DAY_MS
WANTED = [pytest.param(Wanted(), id="from facts"), pytest.param(Wanted(reparse=True), id="from documents")]


@pytest.fixture(scope="module")
def undisturbed(finished: House, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """The views that the traffic of `arrive` give without any replay."""
    house = finished.copy(tmp_path_factory.mktemp("undisturbed") / "house")
    arrive(house)
    house.run()
    arrive(house, seed=8)
    house.run()
    return house.views()


def arrive(house: House, seed: int = 7) -> None:
    house.simulate(seed, AFTER + (seed - 7) * DAY_MS, days=1)
    house.append("documents", [b"garbage"])
    house.append("dmarc.records", [b"garbage"])


def swapped(house: House, wanted: Wanted = Wanted()) -> None:  # noqa: B008
    with house.replay() as replay:
        rebuild(replay, wanted)
        swap(replay)


@pytest.mark.parametrize("wanted", WANTED)
def test_live_pipeline_goes_on(house: House, undisturbed: dict[str, tuple[int, str]], wanted: Wanted) -> None:
    with house.replay() as replay:
        rebuild(replay, wanted)
    arrive(house)
    with house.replay() as replay:
        assert swap(replay).number == 2
    house.run()
    arrive(house, seed=8)
    house.run()
    assert house.views() == undisturbed


@pytest.mark.parametrize(
    ("wanted", "boundary"),
    [
        (Wanted(), "caught up"),
        (Wanted(), "handed over"),
        (Wanted(), "flipped"),
        (Wanted(), "copied"),
        (Wanted(reparse=True), "handed over"),
        (Wanted(reparse=True), "flipped"),
    ],
    ids=str,
)
def test_crash_ends_in_the_old_or_the_new(
    house: House, undisturbed: dict[str, tuple[int, str]], wanted: Wanted, boundary: str
) -> None:
    with house.replay() as replay:
        rebuild(replay, wanted)

    def die(met: str) -> None:
        if met == boundary:
            raise Crash(met)

    with pytest.raises(Crash), house.replay(die) as replay:
        swap(replay)
    arrive(house)
    house.run()
    new = boundary in ("flipped", "copied")
    with house.replay() as replay:
        assert replay.warehouse.current_generation() == known_to_log(replay.log) == (2 if new else 1)
        if new:
            with pytest.raises(ReplayRefused, match="generation 2 is live"):
                swap(replay)
        else:
            assert swap(replay).number == 2
    arrive(house, seed=8)
    house.run()
    assert house.views() == undisturbed


def test_retention_does_not_wait_for_what_was_replaced(house: House) -> None:
    swapped(house)
    with house.replay() as replay:
        assert all(group.endswith("@2") for group in replay.log.groups())
        assert not any(group.startswith("carry") for group in replay.log.groups())


def test_needs_a_complete_rebuild(house: House) -> None:
    def die(met: str) -> None:
        if met == "reputation committed":
            raise Crash(met)

    with house.replay() as replay, pytest.raises(ReplayRefused, match="mailwake replay rebuild makes one"):
        swap(replay)
    with pytest.raises(Crash), house.replay(die) as replay:
        rebuild(replay, Wanted(reparse=True))
    with (
        house.replay() as replay,
        pytest.raises(ReplayRefused, match=r"was interrupted.*mailwake replay rebuild --reparse"),
    ):
        swap(replay)


def test_lost_warehouse_catches_up_as_the_same_generation(
    house: House, undisturbed: dict[str, tuple[int, str]]
) -> None:
    swapped(house, Wanted(reparse=True))
    arrive(house)
    house.run()
    shutil.rmtree(house.folder / "warehouse")
    arrive(house, seed=8)
    house.run()
    assert house.views() == undisturbed


def test_warehouse_from_before_the_swap_catches_up(
    house: House, undisturbed: dict[str, tuple[int, str]]
) -> None:
    kept = house.copy(house.folder.with_name("kept"))
    swapped(house)
    arrive(house)
    shutil.rmtree(house.folder / "warehouse")
    shutil.move(kept.folder / "warehouse", house.folder / "warehouse")
    house.run()
    arrive(house, seed=8)
    house.run()
    assert house.views() == undisturbed


def put_in_place(house: House, log_of: House) -> None:
    """Give a house the log of another one."""
    for end in ("", "-wal", "-shm"):
        (house.folder / f"mailwake.db{end}").unlink(missing_ok=True)
        if (other := log_of.folder / f"mailwake.db{end}").exists():
            shutil.copyfile(other, house.folder / f"mailwake.db{end}")


def mended(house: House) -> None:
    """The live pipeline refuses; a rebuild and a swap mend it."""
    with (
        house.replay() as replay,
        pytest.raises(PositionRefused, match="replay rebuild && mailwake replay swap"),
    ):
        live_lane(replay, live_lineage(replay.log, replay.warehouse), {})
    swapped(house)
    house.run()


def test_log_that_was_replaced_is_refused_and_mended(house: House) -> None:
    other = replace(house, folder=house.folder.with_name("other"))
    other.simulate(seed=9)
    other.run()
    put_in_place(house, other)
    mended(house)
    assert house.views() == other.views()


def test_new_log_is_refused_and_mended(house: House) -> None:
    """One that only programs have emitted to: no stage has seen it."""
    other = replace(house, folder=house.folder.with_name("other"))
    other.simulate(seed=9)
    put_in_place(house, other)
    mended(house)
    other.run()
    assert house.views() == other.views()


def test_empty_log_is_refused_and_mended(house: House) -> None:
    other = replace(house, folder=house.folder.with_name("other"))
    other.log().close()
    put_in_place(house, other)
    mended(house)
    assert {rows for rows, _ in house.views().values()} == {0}


def test_log_from_before_the_swap_is_refused_and_mended(house: House) -> None:
    kept = house.copy(house.folder.with_name("kept"))
    swapped(house)
    house.run()
    put_in_place(house, kept)
    mended(house)
    with house.replay() as replay:
        assert replay.warehouse.current_generation() == 3, "a number is not used again"
    assert house.views() == kept.views()


def test_log_from_during_the_rebuild_is_refused_and_mended(house: House) -> None:
    """It knows of a generation 2 that is not ready; the warehouse has gone over to it since."""

    def die(met: str) -> None:
        if met == "reputation committed":
            raise Crash(met)

    with pytest.raises(Crash), house.replay(die) as replay:
        rebuild(replay, Wanted())
    kept = house.copy(house.folder.with_name("kept"))
    before = house.views()
    swapped(house)
    arrive(house)
    house.run()
    put_in_place(house, kept)
    mended(house)
    with house.replay() as replay:
        assert {one.number: one.standing for one in listed(replay)} == {
            1: "replaced",
            2: "replaced",
            3: "live",
        }
    assert house.views() == before


def test_log_that_was_cut_and_grew_again_is_refused_and_mended(
    house: House, undisturbed: dict[str, tuple[int, str]]
) -> None:
    kept = house.copy(house.folder.with_name("kept"))
    arrive(house, seed=6)
    house.run()
    put_in_place(house, kept)
    arrive(house)
    arrive(house, seed=8)
    mended(house)
    assert house.views() == undisturbed


def test_log_of_another_house_does_not_take_a_warehouse_over(house: House, finished: House) -> None:
    other = replace(house, folder=house.folder.with_name("other"))
    other.simulate(seed=9)
    other.run()
    swapped(other)
    before = house.views(1)
    put_in_place(house, other)
    mended(house)
    assert house.views(1) == before
    assert house.views() == other.views()
