"""A comparison notices every kind of difference, and shows it."""

import pytest
from house import House

from replay.rebuild import Wanted, rebuild
from replay.verify import Verified, verify
from replay.work import Replay, ReplayRefused
from streams.running.pauses import Pauses


@pytest.fixture
def rebuilt(house: House) -> House:
    with house.replay() as replay:
        rebuild(replay, Wanted())
    return house


def change(replay: Replay, sql: str) -> None:
    replay.warehouse._client.command(sql)


def differing(verified: Verified) -> dict[str, int]:
    return {c.view: len(c.differences) for c in verified.comparisons if not c.equal}


def test_shows_a_value_that_was_changed(rebuilt: House) -> None:
    with rebuilt.replay() as replay:
        change(
            replay,
            "INSERT INTO reputation_days_told SELECT * REPLACE (sent + 7 AS sent, revision + 100 AS revision) "
            "FROM reputation_days_told FINAL WHERE generation = 2 ORDER BY identity, provider, bucket LIMIT 1",
        )
        verified = verify(replay)
        (found,) = [c for c in verified.comparisons if not c.equal]
        (difference,) = found.differences
    assert not verified.equal
    assert (found.view, found.live_rows) == ("reputation_days", found.rebuilt_rows)
    assert difference.live is not None
    assert difference.rebuilt is not None
    assert difference.rebuilt["sent"] == difference.live["sent"] + 7
    assert "sent" in difference.live
    assert "delivered" not in difference.live
    assert set(difference.key) == {"tenant", "kind", "identity", "provider", "bucket"}


def test_shows_rows_that_only_one_has(rebuilt: House) -> None:
    with rebuilt.replay() as replay:
        for generation in (1, 2):
            change(
                replay,
                f"INSERT INTO mail_events_told SELECT * REPLACE ({generation} AS generation, generateUUIDv4() AS "
                "event_id) FROM (SELECT * FROM mail_events_told FINAL WHERE generation = 1 LIMIT 1)",
            )
        verified = verify(replay)
    (found,) = [c for c in verified.comparisons if not c.equal]
    assert found.live_rows == found.rebuilt_rows
    assert sorted((d.live is None, d.rebuilt is None) for d in found.differences) == [
        (False, True),
        (True, False),
    ]


def test_shows_no_more_rows_than_asked_for(rebuilt: House) -> None:
    with rebuilt.replay() as replay:
        change(
            replay,
            "INSERT INTO mail_events_told SELECT * REPLACE ('x' AS source, first_told + 1 AS first_told) "
            "FROM mail_events_told FINAL WHERE generation = 2",
        )
        assert differing(verify(replay, rows=3)) == {"mail_events": 3}


def test_repeats_and_other_revisions_are_no_difference(rebuilt: House) -> None:
    with rebuilt.replay() as replay:
        change(
            replay,
            "INSERT INTO reputation_hours_told SELECT * REPLACE (revision + 9 AS revision) "
            "FROM reputation_hours_told FINAL WHERE generation = 2",
        )
        change(
            replay,
            "INSERT INTO mail_events_told SELECT * FROM mail_events_told WHERE generation = 1 LIMIT 50",
        )
        assert verify(replay).equal


def test_brings_both_to_the_same_positions(rebuilt: House) -> None:
    rebuilt.simulate(seed=5, days=1)

    def emit(boundary: str) -> None:
        if boundary in ("documents read", "reputation committed", "warehouse committed"):
            rebuilt.append("mail.events", [b"more garbage"])

    before = rebuilt.views(1)
    with rebuilt.replay(emit) as replay:
        assert verify(replay).equal
    assert rebuilt.views(1)["mail_events"] != before["mail_events"]


def test_says_why_there_is_nothing_to_compare(house: House) -> None:
    with house.replay() as replay:
        with pytest.raises(ReplayRefused, match="no complete rebuild"):
            verify(replay)
        rebuild(replay, Wanted())
        Pauses.beside(replay.log.path).pause("reputation")
        with pytest.raises(ReplayRefused, match=r"reputation is paused.*mailwake resume reputation"):
            verify(replay)
