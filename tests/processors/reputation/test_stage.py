"""The stage contract, for reputation in one piece and for each of its halves."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
import pytest
from reference_fold import START, run, slice_of, slices_of, view_of
from stage_conformance import MakeStage, StageConformance

from processors.reputation.counting import CountingSettings
from processors.reputation.grains import Grain
from processors.reputation.packing import LIMIT
from processors.reputation.stage import CountStage, FoldStage, ReputationSettings, ReputationStage
from processors.stage import Emission, Slice
from schemas.codec import decode, encode
from schemas.columns import pack_rows
from schemas.documents import DeadLetter
from schemas.mail import MailEvent, MessageBounced, MessageDelivered, MessageSent
from schemas.reputation import COUNTS, DeltaRow, ReputationDeltas

SETTINGS = ReputationSettings(
    counting=CountingSettings(window_hours=12),
    grains=(
        Grain("minute", 60_000, 30 * 60_000, period=8, identities=4),
        Grain("hour", 3_600_000, 2 * 3_600_000, identities=4),
        Grain("day", 86_400_000, 86_400_000),
    ),
)


def traffic(count: int = 60, minutes: int = 6000) -> list[MailEvent]:
    """Events over four days, some late by hours, some told twice."""
    chance = random.Random(3)
    events: list[MailEvent] = []
    for number in range(count):
        recorded = START + number * minutes * 60_000 // count
        record = chance.choice((MessageSent, MessageDelivered, MessageBounced))
        told = number if chance.random() < 0.9 else max(0, number - chance.randrange(12))
        events.append(
            record(
                event_id=MessageSent.id_of("default", str(told)),
                recorded_at=recorded,
                occurred_at=recorded - chance.choice((0, 1000, 4 * 3_600_000, 50 * 3_600_000)),
                provider=chance.choice(("gmail", "yahoo")),
                from_domain=f"d{chance.randrange(5)}.example",
                dkim_domain="d.example",
                campaign=f"c{number // 20}",
            )
        )
    return events


def punctual(count: int) -> list[MailEvent]:
    """Events of ten hours that happened when they were recorded."""
    return [event.model_copy(update={"occurred_at": event.recorded_at}) for event in traffic(count, 600)]


class TestReputationStage(StageConformance):
    @pytest.fixture
    def make_stage(self) -> MakeStage:
        return lambda: ReputationStage(SETTINGS)

    @pytest.fixture
    def slices(self) -> Sequence[Slice]:
        return slices_of(traffic(), 25)

    def view(self, emissions: Sequence[Emission]) -> Any:
        return view_of(emissions)


class TestCountStage(StageConformance):
    @pytest.fixture
    def make_stage(self) -> MakeStage:
        return lambda: CountStage(SETTINGS.counting, keys="012")

    @pytest.fixture
    def slices(self) -> Sequence[Slice]:
        return slices_of(traffic(), 25)

    def view(self, emissions: Sequence[Emission]) -> Any:
        sums: dict[tuple[object, ...], dict[str, int]] = {}
        for emission in emissions:
            if emission.topic == "reputation.deltas":
                record = decode(emission.value)
                assert isinstance(record, ReputationDeltas)
                for row in record.rows:
                    held = sums.setdefault(
                        (emission.key, row.tenant, row.kind, row.identity, row.provider, row.minute), {}
                    )
                    for name in COUNTS:
                        held[name] = held.get(name, 0) + (getattr(row, name) or 0)
        return sums


class TestFoldStage(StageConformance):
    @pytest.fixture
    def make_stage(self) -> MakeStage:
        return lambda: FoldStage(SETTINGS.grains)

    @pytest.fixture
    def slices(self) -> Sequence[Slice]:
        values = [e.value for e in run(CountStage(SETTINGS.counting), slices_of(traffic(), 5))]
        return [slice_of(values[at : at + 4], at, "reputation.deltas") for at in range(0, len(values), 4)]

    def view(self, emissions: Sequence[Emission]) -> Any:
        return view_of(emissions)


def letters(emissions: Iterable[Emission]) -> list[DeadLetter]:
    decoded = [decode(e.value) for e in emissions if e.topic == "dead.letters"]
    return [letter for letter in decoded if isinstance(letter, DeadLetter)]


def test_another_kind_of_record_is_a_dead_letter() -> None:
    good = [encode(event) for event in traffic(3, 3)]
    foreign = encode(
        ReputationDeltas(source_event_id="x", occurred_at=START, recorded_at=START, watermark=0, rows=())
    )
    stage = ReputationStage()
    emissions = run(stage, [slice_of([good[0], foreign, *good[1:]])])
    (letter,) = letters(emissions)
    assert (letter.origin_offset, letter.recorded_at) == (1, START)
    assert letter.reason == "ReputationDeltas does not belong in mail.events"
    assert stage.tally().taken == 4


def test_deltas_without_their_key_are_a_dead_letter() -> None:
    def deltas(row: DeltaRow) -> bytes:
        header = ReputationDeltas(source_event_id="x", occurred_at=START, recorded_at=START, watermark=START)
        return pack_rows(
            header, pl.DataFrame([row.model_dump()], infer_schema_length=None).cast({"minute": pl.Int64})
        )

    names = {
        "tenant": "t",
        "kind": "domain",
        "identity": "a.example",
        "provider": "gmail",
        "minute": START,
        "sent": 2,
    }
    good, keyless, far = (
        deltas(DeltaRow(**{**names, **other})) for other in ({}, {"identity": None}, {"minute": 2**60})
    )
    emissions = run(FoldStage(), [slice_of([good, keyless, far, good], topic="reputation.deltas")])
    assert [letter.origin_offset for letter in letters(emissions)] == [1, 2]
    assert {counts["sent"] for counts in view_of(emissions).values()} == {4}


def test_large_flushes_are_many_records_of_bounded_size() -> None:
    events = [
        MessageSent(
            source_event_id=str(number),
            occurred_at=START,
            recorded_at=START,
            from_domain=f"{number}.{'x' * 60}.{'y' * 60}.example",
            campaign=f"{number}-{'c' * 200}",
        )
        for number in range(1500)
    ]
    emissions = run(ReputationStage(), slices_of(events, 1500))
    assert len(emissions) > 3
    assert all(len(e.value) <= LIMIT for e in emissions)
    assert len({decode(e.value).event_id for e in emissions}) == len(emissions)
    assert len(view_of(emissions)) == 1500 * 3 * 3


def test_a_wrong_clock_in_the_future_drags_nothing() -> None:
    ahead = 10**13
    events = punctual(1000)
    wild = [
        event.model_copy(
            update={"occurred_at": ahead, "recorded_at": ahead, "event_id": MessageSent.id_of("w", str(n))}
        )
        for n, event in enumerate(events[::20])
    ]
    mixed = list(events)
    for number, event in enumerate(wild):
        mixed.insert(number * 21 + 7, event)
    calm, beset = ReputationStage(SETTINGS), ReputationStage(SETTINGS)
    run(calm, slices_of(events, 100))
    run(beset, slices_of(mixed, 100))
    assert (calm.tally().late, beset.tally().late) == (0, 0)
    assert beset.tally().dead == 0
    assert calm.tally().repeats == beset.tally().repeats > 50


def test_a_wrong_clock_that_comes_first_drags_nothing() -> None:
    events = punctual(500)
    events[0] = events[0].model_copy(update={"occurred_at": 10**13, "recorded_at": 10**13})
    stage = ReputationStage(SETTINGS)
    for part in slices_of(events, 1)[:60]:
        stage.take(part)
        stage.flush()
    assert stage.tally().late == 0


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="identity kind: got 'sender', wants one of domain"):
        ReputationStage(ReputationSettings(counting=CountingSettings(kinds=("sender",))))
    with pytest.raises(ValueError, match="grain odd: got 90000 ms"):
        FoldStage((Grain("minute", 60_000, 0), Grain("odd", 90_000, 0)))


def test_other_kinds_are_counted_when_asked_for() -> None:
    settings = ReputationSettings(
        counting=CountingSettings(kinds=("pool", "return_path", "selector", "tenant"))
    )
    event = MessageSent(
        source_event_id="1", tenant="t", occurred_at=START, recorded_at=START, pool="p", mail_from_domain="b.example",
        dkim_domain="d.example", dkim_selector="s1",
    )  # fmt: skip
    view = view_of(run(ReputationStage(settings), slices_of([event], 1)))
    assert {bucket[1:3] for bucket in view} == {
        ("pool", "p"), ("return_path", "b.example"), ("selector", "d.example/s1"), ("tenant", "t"),
    }  # fmt: skip
