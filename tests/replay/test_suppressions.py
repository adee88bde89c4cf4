"""What somebody entered outlives every rebuild, and what is suppressed is asked of the generation that is live."""

from pathlib import Path

from house import DAY_MS, START_MS, House

from mailwake.suppressed.recipients import source_of
from replay.rebuild import Wanted, rebuild
from replay.swap import swap
from schemas.codec import encode
from schemas.suppression import SuppressionEvidence
from sinks.suppressions.index import Suppression, SuppressionIndex
from streams.log import Retention, Topic
from streams.sqlite.log import SqliteLog


def held(house: House, path: Path) -> dict[tuple[str, str], Suppression]:
    """Everyone who is suppressed, as the index has it."""
    log, index = house.log(), SuppressionIndex(path)
    index.follow(log, source_of(log))
    found = {(one.recipient_hash, one.stream): one for one in index.every("default")}
    index.close()
    log.close()
    return found


def test_a_rebuild_gives_the_same_and_lifts_go_on_after_the_swap(house: House, tmp_path: Path) -> None:
    before = held(house, tmp_path / "index")
    assert {"manual", "import"} <= {reason for one in before.values() for reason in one.reasons}
    with house.replay() as replay:
        rebuild(replay, Wanted())
        swap(replay)
    assert held(house, tmp_path / "index") == held(house, tmp_path / "fresh") == before
    who = next(one for one in before.values() if one.reason == "bounce")
    lift = SuppressionEvidence(
        source_event_id="lift", occurred_at=START_MS + 5 * DAY_MS, recorded_at=START_MS + 5 * DAY_MS, kind="lift",
        recipient_hash=who.recipient_hash, by="anna", reasons=("bounce", "complaint", "unsubscribe", "manual", "import"),
    )  # fmt: skip
    house.append("suppressions.evidence", [encode(lift)])
    house.run()
    after = held(house, tmp_path / "index")
    assert after == {key: one for key, one in before.items() if key[0] != who.recipient_hash}
    with house.replay() as replay:
        rebuild(replay, Wanted(reparse=True))
        swap(replay)
    assert held(house, tmp_path / "index") == after


def test_nobody_is_mailed_again_because_the_log_forgot_why_not(house: House, tmp_path: Path) -> None:
    before = held(house, tmp_path / "index")
    SqliteLog.open(
        house.folder / "mailwake.db", [Topic("mail.events", retention=Retention(max_bytes=-1))]
    ).retain(0)
    with house.replay() as replay:
        rebuild(replay, Wanted(accept_loss=True))
        swap(replay)
    assert held(house, tmp_path / "index") == before
