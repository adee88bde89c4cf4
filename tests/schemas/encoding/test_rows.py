"""Rows encoded field by field are the bytes that fastavro makes of each of them."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import fastavro
import pytest
from any_event import events
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalog import RECORDS, latest, wire_id
from schemas.codec import encode_rows, fields_of, frame_of, parsed
from schemas.encoding import rows as by_field
from schemas.mail import MessageBounced, MessageDelivered
from schemas.record import Event, InvalidEvent

BARE = {"event_id": "0" * 36, "tenant": "acme", "occurred_at": 5, "recorded_at": 6, "source": "test"}


def by_fastavro(record: type[Event], rows: Sequence[Mapping[str, Any]]) -> list[bytes]:
    found = []
    for row in rows:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed(latest(record).id), row)
        found.append(frame_of(wire_id(record)) + out.getvalue())
    return found


@given(
    st.sampled_from(list(RECORDS.values())).flatmap(
        lambda record: st.lists(events(record), min_size=1, max_size=5)
    )
)
def test_any_events_are_encoded_as_fastavro_does(several: list[Event]) -> None:
    record, rows = type(several[0]), [fields_of(event) for event in several]
    assert by_field.encode_by_field(record, rows, {}) == by_fastavro(record, rows)


NUMBERS = [0, 1, 63, 64, 8191, 8192, 8193, 2**20, 2**27 - 1, 2**41, 2**62, 2**63 - 1]


@pytest.mark.parametrize("numbers", [NUMBERS, [-1, *NUMBERS], [-(2**63)], NUMBERS[5:]])
def test_numbers_of_every_length(numbers: list[int]) -> None:
    rows = [{**BARE, "occurred_at": number, "latency_ms": number or None} for number in numbers]
    assert encode_rows(MessageDelivered, rows) == by_fastavro(MessageDelivered, rows)


def test_texts_of_every_length_and_alphabet() -> None:
    rows = [
        {
            **BARE,
            "response": letter * length,
            "message_id": letter * length or None,
            "provider": letter or "x",
        }
        for letter in ("", "a", "é", "✉", "𐍈")
        for length in (1, 31, 32, 63, 64, 127, 128, 4096, 20_000)
    ]
    assert encode_rows(MessageDelivered, rows) == by_fastavro(MessageDelivered, rows)


def test_rows_of_several_shapes_keep_their_order() -> None:
    shapes: list[dict[str, Any]] = [
        {},
        {"response": "no"},
        {"smtp_code": 550, "is_async": True},
        {"is_async": False, "smtp_code": None},
        {"no field": 1},
        {"mx_host": "mx.example"},
    ]
    rows = [{**shapes[number * number % 6], **BARE, "occurred_at": number} for number in range(60)]
    assert encode_rows(MessageBounced, rows) == by_fastavro(MessageBounced, rows)
    # As many names in each, and all that the schema knows of the first one's in both.
    rows = [{**BARE, "no field": 1}, {**BARE, "response": "no"}]
    assert encode_rows(MessageBounced, rows) == by_fastavro(MessageBounced, rows)


def test_shared_values_go_before_a_row_s_own() -> None:
    shared = {"tenant": "beta", "recorded_at": 2**40, "stream": "cold", "latency_ms": 8}
    rows: list[dict[str, Any]] = [
        BARE,
        {**BARE, "stream": "marketing"},
        {"event_id": "1" * 36, "occurred_at": 1, "source": "s"},
    ]
    assert encode_rows(MessageDelivered, rows, shared) == by_fastavro(
        MessageDelivered, [{**row, **shared} for row in rows]
    )
    assert encode_rows(MessageDelivered, rows[:1], {**shared, "recorded_at": 7}) == by_fastavro(
        MessageDelivered, [{**BARE, **shared, "recorded_at": 7}]
    )


def test_rows_that_name_as_many_others_as_are_shared_lose_none() -> None:
    rows: list[dict[str, Any]] = [{**BARE, "stream": "cold"}, {**BARE, "ip": "192.0.2.1"}]
    shared = {"tenant": "beta", "recorded_at": 2**40, "stream": "other"}
    assert encode_rows(MessageDelivered, rows, shared) == by_fastavro(
        MessageDelivered, [{**row, **shared} for row in rows]
    )


def test_more_values_than_are_remembered() -> None:
    rows = [
        {**BARE, "mx_host": f"mx{number % 3000}.example", "occurred_at": number << 14}
        for number in range(7000)
    ]
    assert encode_rows(MessageBounced, rows) == by_fastavro(MessageBounced, rows)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("smtp_code", 2**63), ("smtp_code", "550"), ("occurred_at", 1.5), ("occurred_at", None), ("occurred_at", 2**63),
        ("tenant", None), ("provider", 5), ("response", b"no"), ("response", ["no"]), ("mx_host", ["a"]), ("event_id", None),
        ("response", "\ud800"), ("is_async", "yes"),
    ],
)  # fmt: skip
def test_what_has_no_form_is_named_among_others(field: str, value: object) -> None:
    rows = [BARE, {**BARE, field: value}, BARE]
    try:
        expected = by_fastavro(MessageBounced, rows)
    except Exception:  # noqa: BLE001 - whatever fastavro refuses
        with pytest.raises(InvalidEvent, match=rf"MessageBounced\.{field}"):
            encode_rows(MessageBounced, rows)
    else:
        assert encode_rows(MessageBounced, rows) == expected


def test_no_rows_give_no_records() -> None:
    assert encode_rows(MessageBounced, []) == []
