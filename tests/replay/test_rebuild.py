"""A rebuild gives what the live pipeline gave, whatever it is made from and however often it is cut short."""

from dataclasses import replace
from datetime import UTC, datetime
from threading import Event

import pytest
from house import DAY_MS, START_MS, AwayAtFirst, Crash, House

from replay.estimate import estimated
from replay.generations import listed
from replay.lane import paced
from replay.lineage import lineages
from replay.rebuild import Wanted, rebuild
from replay.span import InvalidSpan, span_between
from replay.swap import swap
from replay.verify import verify
from replay.work import Pace, ReplayRefused
from schemas.codec import Undecodable, decode, encode
from schemas.documents import DeadLetter, DocumentReceived
from schemas.sealing import is_sealed
from streams.log import LogUnavailable, Retention, Topic, TopicPartition
from streams.sealed_letters import LetterSeal, OpensLetters
from streams.sqlite.log import SqliteLog

FACTS, DOCUMENTS = Wanted(), Wanted(reparse=True)


@pytest.mark.parametrize("wanted", [FACTS, DOCUMENTS], ids=["from facts", "from documents"])
def test_is_equal_in_every_view(house: House, wanted: Wanted) -> None:
    before = house.views(1)
    assert before["dead_letters"][0] == 6
    assert all(rows for view, (rows, _) in before.items() if view != "dmarc_report_conflicts")
    with house.replay() as replay:
        number = rebuild(replay, wanted).lineage.number
        assert verify(replay).equal
    assert number == 2
    assert house.views(2) == before


@pytest.mark.parametrize("all_of_them", [False, True])
def test_what_documents_told_that_nobody_can_read_any_more_is_kept(house: House, all_of_them: bool) -> None:
    before = house.views(1)
    log = house.log()
    place = TopicPartition("documents")
    batch = log.read(place, 0, 1000)
    held = [decoded(value) for value in batch.values]
    emptied = {
        offset: encode(document.model_copy(update={"content": b"", "erased": 1}))
        for number, (offset, document) in enumerate(zip(batch.offsets, held, strict=True))
        if document is not None and (all_of_them or number % 2)
    }
    log.erase({place: emptied})
    log.close()
    for _ in range(2):
        with house.replay() as replay:
            number = rebuild(replay, DOCUMENTS).lineage.number
            swap(replay)
        after = house.views(number)
        told = [view for view in before if view.startswith("dmarc")]
        assert told and {view: after[view] for view in told} == {view: before[view] for view in told}
        assert {view: rows for view, (rows, _) in after.items()} == {
            v: rows for v, (rows, _) in before.items()
        }
    with house.replay() as replay:
        sql = "SELECT uniqExact(receipt_id) FROM documents WHERE outcome = 'forgotten'"
        assert replay.warehouse.rows(sql) == [(len(emptied),)]


@pytest.mark.parametrize("wanted", [FACTS, DOCUMENTS], ids=["from facts", "from documents"])
def test_dead_letters_wait_for_a_keyring_that_is_away(house: House, wanted: Wanted) -> None:
    keys = AwayAtFirst(1_000)
    with house.replay() as replay:
        sealing = replace(replay, seal=LetterSeal(keys))
        with pytest.raises(LogUnavailable, match="does not answer"):
            rebuild(replace(sealing, pace=Pace(house.step_records, give_up_after_s=0.0)), wanted)
        keys.times = 2
        rebuild(sealing, wanted)
        assert keys.times == 0
        assert verify(sealing).equal
        batch = replay.log.read(TopicPartition("dead.letters@2"), 0, 100)
    letters = [letter for letter in map(decode, filter(None, batch.values)) if isinstance(letter, DeadLetter)]
    anew = [letter for letter in letters if is_sealed(letter.content)]
    assert anew and all(OpensLetters(keys).content(letter).endswith(b"garbage") for letter in anew)


def decoded(value: bytes | None) -> DocumentReceived | None:
    try:
        event = decode(value or b"")
    except Undecodable:
        return None
    return event if isinstance(event, DocumentReceived) else None


def test_tells_nobody_anything(house: House) -> None:
    before = house.ends()
    with house.replay() as replay:
        rebuild(replay, DOCUMENTS)
    assert house.ends() == before


def test_other_steps_give_the_same(house: House) -> None:
    with replace(house, step_records=70).replay() as replay:
        rebuild(replay, FACTS)
    with house.replay() as replay:
        assert verify(replay).equal


def test_each_generation_can_be_rebuilt_from_the_one_before(house: House) -> None:
    for day, wanted in enumerate((FACTS, DOCUMENTS, FACTS)):
        with house.replay() as replay:
            rebuild(replay, wanted)
        house.simulate(seed=day + 2, start_ms=START_MS + (2 + day) * DAY_MS, days=1)
        with house.replay() as replay:
            assert verify(replay).equal
            swap(replay)
    undisturbed = replace(house, folder=house.folder.with_name("undisturbed"))
    undisturbed.simulate()
    for topic in ("mail.events", "documents", "dmarc.records"):
        undisturbed.append(topic, [b"garbage", b"\x00\x00\x0f\x42\x40garbage"])
    for day in range(3):
        undisturbed.simulate(seed=day + 2, start_ms=START_MS + (2 + day) * DAY_MS, days=1)
    undisturbed.run()
    house.run()
    assert house.views() == undisturbed.views()


@pytest.mark.parametrize("wanted", [FACTS, DOCUMENTS], ids=["from facts", "from documents"])
def test_goes_on_after_a_crash_at_any_boundary(house: House, wanted: Wanted) -> None:
    before, ends = house.views(1), house.ends()
    met: set[str] = set()
    while True:
        new: list[str] = []

        def die(boundary: str, new: list[str] = new) -> None:
            if boundary not in met:
                new.append(boundary)
                met.add(boundary)
                raise Crash(boundary)

        try:
            with replace(house, step_records=250).replay(die) as replay:
                known = rebuild(replay, wanted).lineage
        except Crash:
            assert house.ends() == ends
        else:
            break
    assert known.number == 2
    assert {"begun", "reputation written", "warehouse loaded", "advanced", "complete"} <= met
    with house.replay() as replay:
        assert verify(replay).equal
    assert house.views(2) == before


def test_goes_on_only_as_what_it_is(house: House) -> None:
    with house.replay() as replay:
        rebuild(replay, FACTS)
        with pytest.raises(
            ReplayRefused, match=r"generation 2 is there already, rebuilt from the facts.*drop 2"
        ):
            rebuild(replay, DOCUMENTS)
        assert rebuild(replay, FACTS).lineage.number == 2


def test_stops_where_the_log_ended_when_it_began(house: House) -> None:
    """Whoever emits while it runs does not keep it from ending."""

    def emit(boundary: str) -> None:
        if boundary == "reputation committed":
            house.append("mail.events", [b"garbage"])

    with house.replay(emit) as replay:
        records = rebuild(replay, FACTS).records
    assert house.ends()["mail.events"] > records["reputation"]


def test_progress_counts_down(house: House) -> None:
    told: dict[str, list[tuple[int, int]]] = {}
    with house.replay() as replay:
        rebuild(replace(replay, progress=lambda name, *done: told.setdefault(name, []).append(done)), FACTS)  # type: ignore[arg-type]
    assert told["reputation"][-1][1] == told["warehouse"][-1][1] == 0
    assert sum(done for done, _ in told["reputation"]) == house.ends()["mail.events"]


def test_throttle_bounds_each_step(house: House) -> None:
    steps: list[int] = []
    with house.replay() as replay:
        slow = replace(
            replay,
            pace=Pace(50_000, 400.0),
            progress=lambda name, done, left: steps.append(done) if name == "reputation" else None,
        )
        rebuild(slow, FACTS)
    assert steps == [400, sum(steps) - 400]


def test_throttle_rests_as_long_as_the_records_take() -> None:
    class Clock(Event):
        rested = 0.0

        def wait(self, timeout: float | None = None) -> bool:
            self.rested += timeout or 0
            return False

    clock = Clock()
    step = paced(lambda: 300, 100.0, clock)
    assert [step(), step()] == [300, 300]
    assert 5.5 < clock.rested <= 6


def test_dry_run_changes_nothing(house: House) -> None:
    ends, views = house.ends(), house.views()
    with house.replay() as replay:
        topics = replay.log.topics()
        estimate = estimated(replay, FACTS)
        assert replay.log.topics() == topics
        assert [one.number for one in listed(replay)] == [1]
        assert lineages(replay.log) == {}
    assert (house.ends(), house.views()) == (ends, views)
    assert estimate.generation == 2
    assert estimate.reads["mail.events"] == ends["mail.events"]
    assert estimate.rows > ends["mail.events"]
    assert estimate.seconds > 0


def test_dry_run_says_what_an_interrupted_one_has_left(house: House) -> None:
    def die(boundary: str) -> None:
        if boundary == "advanced":
            raise Crash(boundary)

    with pytest.raises(Crash), house.replay(die) as replay:
        rebuild(replay, FACTS)
    with house.replay() as replay:
        estimate = estimated(replay, FACTS)
    assert estimate.goes_on
    assert set(estimate.reads.values()) == {0}


def cut(house: House, topic: str) -> None:
    """Let retention remove the older half of a topic."""
    log = SqliteLog.open(house.folder / "mailwake.db", ())
    size = next(stats.bytes for stats in log.stats() if stats.source.topic == topic)
    log.close()
    log = SqliteLog.open(
        house.folder / "mailwake.db", [Topic(topic, retention=Retention(max_bytes=size // 2))]
    )
    log.retain(START_MS)
    log.close()


def test_refuses_to_lose_facts_unless_told_to(house: House) -> None:
    cut(house, "mail.events")
    with house.replay() as replay:
        begin = replay.log.begin(replay.log.partitions("mail.events")[0])
        assert begin > 0
        with pytest.raises(ReplayRefused, match=f"{begin:,} offsets of mail.events .*--accept-loss"):
            rebuild(replay, FACTS)
        assert lineages(replay.log) == {}
        rebuild(replay, Wanted(accept_loss=True))
        verified = verify(replay)
        differing = {c.view for c in verified.comparisons if not c.equal}
        assert differing >= {"mail_events", "reputation_days"}
        assert not differing & {"documents", "dmarc_records"}
        swap(replay)
        rebuild(replay, FACTS)
        assert verify(replay).equal, "what was lost is not missed again"


def test_span_is_compared_within_itself(house: House) -> None:
    span = (START_MS + DAY_MS, START_MS + 2 * DAY_MS)
    with house.replay() as replay:
        rebuild(replay, Wanted(span=span))
        assert verify(replay).equal
        number = replay.warehouse.rows("SELECT count() FROM mail_events_told WHERE generation = 2")[0][0]
        everything = replay.warehouse.rows("SELECT count() FROM mail_events_told WHERE generation = 1")[0][0]
        assert 0 < number < everything * 2 / 3
        assert [
            bucket.timestamp() * 1000
            for (bucket,) in replay.warehouse.rows(
                "SELECT DISTINCT bucket FROM reputation_days_told WHERE generation = 2"
            )
        ] == [span[0]]
        with pytest.raises(ReplayRefused, match="a span of time only"):
            swap(replay)
        assert [one.standing for one in listed(replay)] == ["live", "span"]


def test_span_needs_two_times_in_order() -> None:
    early, late = datetime(2026, 6, 1), datetime(2026, 6, 2, tzinfo=UTC)
    assert span_between(early, late) == (START_MS, START_MS + DAY_MS)
    assert span_between(None, None) is None
    for begin, end in ((early, None), (None, late), (late, early), (early, early)):
        with pytest.raises(InvalidSpan):
            span_between(begin, end)
