import polars as pl
import pytest

from schemas.codec import decode
from sources.simulator import mail_records
from sources.simulator.traffic import Traffic, dense, sparse


@pytest.mark.parametrize(
    ("traffic", "domains", "minutes"),
    [(dense(1, events=150_000), 30, 10), (sparse(1, events=150_000), 300, 10_000)],
)
def test_traffic_has_its_shape(traffic: Traffic, domains: int, minutes: int) -> None:
    common = ["recorded_at", "event_id", "from_domain", "provider"]
    events = pl.concat([frame.select(common) for frames in traffic.frames() for frame in frames.values()])
    assert events.height == 150_000
    assert events["event_id"].is_unique().all()
    assert events["from_domain"].n_unique() == domains
    assert events["provider"].n_unique() == 6
    assert (events["recorded_at"] // 60_000).n_unique() == minutes


def test_traffic_is_full_width_valid_and_the_same_each_time() -> None:
    once, again = (
        [record for frames in dense(4, events=5_000).frames() for record in mail_records(frames)]
        for _ in range(2)
    )
    assert once == again
    values = [record.value for record in once if record.value is not None]
    assert 260 < sum(map(len, values)) / len(values) < 340
    assert len({type(decode(value)).__name__ for value in values[:500]}) == 7
    assert [record.timestamp for record in once] == sorted(record.timestamp for record in once)


def test_too_many_providers_are_refused() -> None:
    with pytest.raises(ValueError, match="providers: got 99"):
        next(Traffic(1, 10, 3, 99, 1).frames())
