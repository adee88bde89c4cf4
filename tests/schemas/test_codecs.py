"""Both codecs on any valid event: back to the same bytes, and the same values in columns."""

from typing import Any

import polars as pl
import pytest
from any_event import any_event, events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.catalog import RECORDS, TOPIC_OF, latest
from schemas.codec import decode, decode_fields, encode, encode_rows, fields_of, schema_id_of
from schemas.columns import INDEX, decode_frames
from schemas.mail import MessageBounced, MessageDelivered, MessageOpened, MessageSent
from schemas.record import Event, InvalidEvent

quickly = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def as_plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [as_plain(part) for part in value]
    return {name: as_plain(part) for name, part in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("record", RECORDS.values(), ids=list(RECORDS))
def test_any_valid_event_survives_encode_decode_encode(record: type[Event]) -> None:
    @quickly
    @given(events(record))
    def survives(event: Event) -> None:
        framed = encode(event)
        again = decode(framed)
        assert again == event
        assert encode(again) == framed
        assert schema_id_of(framed) == latest(record).id
        frame = decode_frames([framed]).frames[record]
        assert frame.height == 1
        assert pl.Null not in frame.dtypes

    survives()


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(any_event(), min_size=1, max_size=12), st.integers(0, 3))
def test_the_codecs_agree_field_by_field(sent: list[Event], tombstone: int) -> None:
    values: list[bytes | None] = [encode(event) for event in sent]
    values.insert(min(tombstone, len(values)), None)
    decoded = decode_frames(values)
    assert decoded.bad == []
    rows = {
        row.pop(INDEX): (record, row)
        for record, frame in decoded.frames.items()
        for row in frame.iter_rows(named=True)
    }
    expected = {
        index: (known.record, as_plain(fields))
        for index, framed in enumerate(values)
        if framed is not None
        for known, fields in [decode_fields(framed)]
    }
    assert rows == expected


def test_a_batch_of_several_types_is_split_by_schema_and_keeps_its_order() -> None:
    types = [MessageSent, MessageDelivered, MessageOpened]
    values = [encode(types[i * 7 % 3](source_event_id=str(i), occurred_at=i)) for i in range(1000)]
    decoded = decode_frames(values)
    assert set(decoded.frames) == set(types)
    seen: list[int] = []
    for record, frame in decoded.frames.items():
        indices = frame.get_column(INDEX).to_list()
        assert indices == sorted(indices)
        assert frame.get_column("occurred_at").to_list() == indices
        assert all(types[i * 7 % 3] is record for i in indices)
        seen += indices
    assert sorted(seen) == list(range(1000))


def test_only_the_columns_asked_for_and_the_checked_ones_are_materialised() -> None:
    value = encode(MessageBounced(source_event_id="1", response="no", smtp_code=550))
    (frame,) = decode_frames([value], ["smtp_code", "latency_ms"]).frames.values()
    assert frame.columns == ["event_id", "occurred_at", "recorded_at", "smtp_code", INDEX]
    assert frame.get_column("smtp_code").to_list() == [550]


def test_an_empty_batch_and_a_batch_of_tombstones_hold_nothing() -> None:
    for values in ([], [None, None]):
        decoded = decode_frames(values)
        assert decoded.frames == {} and decoded.bad == []


def test_rows_encode_to_what_the_events_do() -> None:
    sent = [MessageBounced(source_event_id=str(i), smtp_code=550, response="é" * i) for i in range(200)]
    assert encode_rows(MessageBounced, [fields_of(event) for event in sent]) == [
        encode(event) for event in sent
    ]


def test_a_value_without_an_avro_form_is_named() -> None:
    row = fields_of(MessageBounced(source_event_id="1"))
    with pytest.raises(InvalidEvent, match=r"MessageBounced\.smtp_code: got 18446744073709551616"):
        encode_rows(MessageBounced, [{**row, "smtp_code": 2**64}])
    with pytest.raises(InvalidEvent, match=r"MessageBounced\.tenant: got nothing"):
        encode_rows(MessageBounced, [{name: value for name, value in row.items() if name != "tenant"}])


def test_every_record_has_a_topic() -> None:
    assert set(TOPIC_OF) == set(RECORDS.values())
