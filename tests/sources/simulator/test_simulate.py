from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import polars as pl
import pytest

from schemas.codec import decode
from schemas.mail import (
    ComplaintReceived,
    LinkClicked,
    MailEvent,
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    MessageDropped,
    MessageExpired,
    MessageOpened,
    MessageSent,
    RecipientUnsubscribed,
)
from schemas.record import InvalidEvent
from sources.simulator import Scenario, Slice, mail_records, records_of, simulate

SMALL = Scenario(seed=3, days=4, domains=12, messages_per_day=3_000, incidents="none")
SETTLED = replace(SMALL, days=7, settle=True, repeat_share=0.0)

Everything = dict[type[MailEvent], pl.DataFrame]


def gathered(slices: Iterator[Slice]) -> Everything:
    parts: dict[type[MailEvent], list[pl.DataFrame]] = {}
    for part in slices:
        for record, frame in part.frames.items():
            parts.setdefault(record, []).append(frame)
    return {record: pl.concat(frames) for record, frames in parts.items()}


@pytest.fixture(scope="module")
def settled() -> Everything:
    return gathered(simulate(SETTLED))


def all_bytes(scenario: Scenario) -> list[tuple[bytes | None, bytes | None, int]]:
    return [
        tuple(record)
        for part in simulate(scenario)
        for records in records_of(part).values()
        for record in records
    ]


def test_the_same_scenario_gives_the_same_bytes_and_another_others() -> None:
    scenario = replace(SMALL, days=2, incidents="all")
    once = all_bytes(scenario)
    assert len(once) > 5_000
    assert once == all_bytes(scenario)
    other = all_bytes(replace(scenario, seed=4))
    assert not {value for _, value, _ in once} & {value for _, value, _ in other}


def test_another_scenario_has_other_facts() -> None:
    def ids(scenario: Scenario) -> set[str]:
        return set(chain.from_iterable(f["event_id"] for p in simulate(scenario) for f in p.frames.values()))

    first = ids(replace(SMALL, days=1))
    for change in ({"start_ms": SMALL.start_ms + 86_400_000}, {"domains": 13}, {"tenant": "acme"}):
        assert not first & ids(replace(SMALL, days=1, **change))
    assert first & ids(replace(SMALL, days=2)) == first


def test_every_life_is_consistent(settled: Everything) -> None:
    sent, dropped = settled[MessageSent], settled[MessageDropped]
    delivered, expired = (
        settled[MessageDelivered],
        settled.get(MessageExpired),
    )
    bounced = settled[MessageBounced]
    in_session = bounced.filter(~pl.col("is_async"))
    ends = [delivered, in_session] + ([expired] if expired is not None else [])
    ended = pl.concat([frame.select("message_id", "occurred_at") for frame in ends])
    assert sent["message_id"].is_unique().all()
    assert not set(dropped["message_id"]) & set(sent["message_id"])
    assert ended["message_id"].sort().to_list() == sent["message_id"].sort().to_list()
    times = sent.select("message_id", sent_at="occurred_at").join(ended, on="message_id")
    assert (times["occurred_at"] > times["sent_at"]).all()
    for record in (MessageOpened, LinkClicked, ComplaintReceived, RecipientUnsubscribed):
        after = settled[record].join(delivered.select("message_id", at="occurred_at"), on="message_id")
        assert after.height == settled[record].height
        assert (after["occurred_at"] > after["at"]).all()
    late = bounced.filter("is_async").join(delivered, on="message_id", how="anti")
    assert late.height == 0


def test_deferrals_come_in_order_before_the_end(settled: Everything) -> None:
    deferred = settled[MessageDeferred].sort("message_id", "occurred_at")
    attempts = deferred.group_by("message_id").agg("attempt", last=pl.col("occurred_at").max())
    assert all(row == list(range(1, len(row) + 1)) for row in attempts["attempt"].to_list())
    done = attempts.join(settled[MessageDelivered], on="message_id")
    assert done.height and (done["occurred_at"] > done["last"]).all()
    latency = settled[MessageDelivered].join(settled[MessageSent], on="message_id")
    assert (latency["latency_ms"] == latency["occurred_at"] - latency["occurred_at_right"]).all()


def test_what_is_said_of_a_message_is_the_same_in_all_its_events(settled: Everything) -> None:
    shared = [
        "recipient_hash",
        "recipient_domain",
        "mx_host",
        "provider",
        "from_domain",
        "ip",
        "campaign",
        "pool",
    ]
    sent = settled[MessageSent].select("message_id", *shared)
    for record, frame in settled.items():
        if record is not MessageDropped:
            same = frame.select("message_id", *shared).join(sent, on=["message_id", *shared])
            assert same.height == frame.height, record
    recipients = settled[MessageSent].group_by("recipient_hash").agg(pl.col("recipient_domain").n_unique())
    assert recipients["recipient_domain"].max() == 1
    assert recipients.height < settled[MessageSent].height


def test_records_decode_to_valid_events_of_every_kind() -> None:
    scenario = replace(SMALL, incidents="all", days=6, messages_per_day=6_000, settle=True)
    seen: dict[str, int] = {}
    for part in simulate(scenario):
        for record, frame in part.frames.items():
            some = {record: frame.head(25)}
            for framed in mail_records(some):
                assert framed.value is not None
                try:
                    event = decode(framed.value)
                except InvalidEvent as error:
                    pytest.fail(str(error))
                assert isinstance(event, record)
                assert framed.key == f"{event.tenant}/{event.from_domain}".encode()
                assert framed.timestamp == event.recorded_at
                said = getattr(event, "response", None) or ""
                assert "@" not in said and "{" not in said
                seen[record.__name__] = seen.get(record.__name__, 0) + 1
    assert len(seen) == 12, seen


def test_slices_are_in_order_of_arrival() -> None:
    last = 0
    for part in simulate(SMALL):
        records = mail_records(part.frames)
        times = [record.timestamp for record in records]
        assert times == sorted(times)
        assert times[0] >= max(last, part.begin_ms) and times[-1] < part.end_ms
        assert len(records) == part.events
        received = [document.received_at for document in part.documents]
        assert received == sorted(received)
        assert all(part.begin_ms <= at < part.end_ms for at in received)
        last = times[-1]
    assert last < SMALL.end_ms


def test_some_events_are_late_and_some_are_told_again() -> None:
    events = gathered(simulate(replace(SMALL, late_share=0.1, repeat_share=0.05, settle=True)))
    sent = events[MessageSent]
    repeats = sent.height - sent["event_id"].n_unique()
    assert 0.03 < repeats / sent.height < 0.07
    delay = sent["recorded_at"] - sent["occurred_at"]
    assert delay.min() > 0
    assert 0.07 < (delay > 60_000).mean() < 0.20
    again = sent.filter(sent["event_id"].is_duplicated()).group_by("event_id").n_unique()
    assert (again["recorded_at"] == 2).all() and (again["occurred_at"] == 1).all()
    punctual = gathered(simulate(replace(SMALL, late_share=0.0, repeat_share=0.0)))[MessageSent]
    assert punctual["event_id"].is_unique().all()
    assert (punctual["recorded_at"] - punctual["occurred_at"]).max() < 60_000


def test_mail_has_a_rhythm(settled: Everything) -> None:
    when = pl.from_epoch("occurred_at", time_unit="ms").dt
    sent = settled[MessageSent].with_columns(hour=when.hour(), weekday=when.weekday())
    american = sent.filter(stream="transactional", region="us-east-1")
    by_hour = dict(american.group_by("hour").len().iter_rows())
    assert by_hour[21] > 2 * by_hour[9]
    marketing = sent.filter(stream="marketing")
    assert marketing.filter(pl.col("weekday") <= 5).height > 0.95 * marketing.height
    assert (
        marketing.filter(pl.col("campaign").str.contains(r"^2026-\d\d-\d\d-newsletter$")).height
        == marketing.height
    )
    day = sent.height / 7
    assert 0.8 * SETTLED.messages_per_day < day < 1.2 * SETTLED.messages_per_day


def test_domains_are_skewed_and_apple_opens_by_machine(settled: Everything) -> None:
    sizes = settled[MessageSent].group_by("from_domain").len().sort("len", descending=True)["len"]
    assert len(sizes) == 12
    assert sizes[0] > 5 * sizes[-1]
    opened = settled[MessageOpened].group_by("provider").agg(pl.col("is_machine").mean())
    machines = dict(opened.iter_rows())
    assert machines["apple"] > 0.8 and machines["gmail"] == 0
    complaints = settled[ComplaintReceived]["provider"].to_list()
    assert complaints and "gmail" not in complaints


def test_what_is_held_back_does_not_grow() -> None:
    slices = simulate(replace(SMALL, days=16))
    held = []
    for _ in slices:
        assert slices.gi_frame is not None  # type: ignore[attr-defined]
        held.append(slices.gi_frame.f_locals["pending"].height)  # type: ignore[attr-defined]
    assert len(held) == 16
    assert max(held[8:]) < 1.5 * max(held[:8])


def test_busy_scenarios_come_in_shorter_slices() -> None:
    busy = replace(SMALL, days=1 / 4, messages_per_day=600_000)
    slices = list(simulate(busy))
    assert [part.begin_ms for part in slices] == [busy.start_ms, *(part.end_ms for part in slices[:-1])]
    assert slices[-1].end_ms == busy.end_ms
    assert 10_000 < max(part.events for part in slices) <= 50_100
    for part in slices:
        for frame in part.frames.values():
            assert frame["recorded_at"].is_between(part.begin_ms, part.end_ms, closed="left").all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"days": 0.0}, "days: got 0.0, wants at least"),
        ({"domains": 0}, "domains: got 0"),
        ({"messages_per_day": -1}, "messages_per_day: got -1"),
        ({"late_share": 1.5}, "late_share: got 1.5"),
    ],
)
def test_nonsense_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)
