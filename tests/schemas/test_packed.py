"""Packed records: rows out and in again, headers kept, damage found."""

import copy
import io
import random
from typing import Any

import fastavro
import polars as pl
import pytest
from damage import DAMAGES

from schemas.catalog import latest
from schemas.codec import HEADER, decode_fields, encode, fields_of, parsed
from schemas.columns import INDEX, pack_rows, polars_schema, unpack_rows
from schemas.encoding.wire import read_long, write_long
from schemas.mail import MessageSent
from schemas.reputation import BucketRow, DeltaRow, ReputationBuckets, ReputationDeltas

SCHEMA = polars_schema(latest(ReputationDeltas).schema["fields"][-1]["type"]["items"])


def header(number: int = 1) -> ReputationDeltas:
    return ReputationDeltas(
        source_event_id=str(number), occurred_at=number, recorded_at=5, watermark=-(2**63)
    )


def some_rows(count: int, seed: int = 0) -> pl.DataFrame:
    rng = random.Random(seed)
    rows = [
        {
            "tenant": rng.choice(["a", "ünï", ""]),
            "kind": "domain",
            "identity": f"{rng.randrange(99)}.example",
            "provider": rng.choice(["gmail", None]),
            "sent": rng.randrange(9),
            "delivered": rng.getrandbits(62),
            "bounced": -(2**63) if i % 7 == 0 else None,
            "minute": 60_000 * i,
        }
        for i in range(count)
    ]
    return pl.DataFrame([{name: row.get(name) for name in SCHEMA} for row in rows], schema=SCHEMA)


def body_with(
    framed: bytes,
    rows: list[dict[str, Any]],
    *,
    positive: bool = False,
    blocks: int = 1,
    checksum: bool = True,
) -> bytes:
    """The record again as another producer might write it."""
    _, fields = decode_fields(framed)
    item = parsed(latest(ReputationDeltas).id)["fields"][-1]["type"]["items"]
    fields = {**fields, "rows": []} if checksum else {**fields, "rows": [], "checksum": None}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed(latest(ReputationDeltas).id), fields)
    whole = framed[:HEADER] + out.getvalue()[:-1]
    size = max(1, -(-len(rows) // blocks))
    for start in range(0, len(rows), size):
        data = io.BytesIO()
        part = rows[start : start + size]
        for row in part:
            fastavro.schemaless_writer(data, item, row)
        count = (
            write_long(len(part)) if positive else write_long(-len(part)) + write_long(len(data.getvalue()))
        )
        whole += count + data.getvalue()
    return whole + b"\0"


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_rows_and_header_come_back(count: int) -> None:
    rows = some_rows(count)
    unpacked = unpack_rows(ReputationDeltas, [None, pack_rows(header(), rows)])
    assert unpacked.bad == []
    assert unpacked.rows.drop(INDEX).equals(rows)
    assert set(unpacked.rows.get_column(INDEX)) <= {1}
    ((index, said),) = unpacked.headers.items()
    assert index == 1
    assert fields_of(said) | {"checksum": None} == fields_of(header())


def test_fastavro_sees_the_same_rows_in_the_same_bytes() -> None:
    rows = some_rows(50)
    _, fields = decode_fields(pack_rows(header(), rows))
    assert fields["rows"] == rows.to_dicts()


def test_a_record_encoded_row_by_row_opens_to_the_same_frame() -> None:
    event = ReputationBuckets(
        source_event_id="1", watermark=7, rows=(BucketRow(identity="a", part=0), BucketRow(sent=2**63 - 1))
    )
    unpacked = unpack_rows(ReputationBuckets, [encode(event)])
    assert unpacked.rows.drop(INDEX).to_dicts() == [fields_of(row) for row in event.rows]
    assert unpacked.headers[0] == event.model_copy(update={"rows": ()})


def test_several_records_keep_their_index_and_order() -> None:
    frames = [some_rows(count, count) for count in (3, 0, 5)]
    unpacked = unpack_rows(ReputationDeltas, [pack_rows(header(i), frame) for i, frame in enumerate(frames)])
    assert unpacked.rows.get_column(INDEX).to_list() == [0] * 3 + [2] * 5
    assert unpacked.rows.drop(INDEX).equals(pl.concat(frames))
    assert [event.occurred_at for event in unpacked.headers.values()] == [0, 1, 2]


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("checksum", [True, False])
def test_blocks_as_other_producers_write_them(positive: bool, blocks: int, checksum: bool) -> None:
    rows = some_rows(31)
    other = body_with(
        pack_rows(header(), rows), rows.to_dicts(), positive=positive, blocks=blocks, checksum=checksum
    )
    unpacked = unpack_rows(ReputationDeltas, [other])
    if checksum:
        # polars and fastavro write rows alike, so the checksum of one fits the other
        assert unpacked.bad == []
    assert unpacked.rows.drop(INDEX).equals(rows)


@pytest.mark.parametrize("claimed", [-1, 0, 2, 4, 10**6, 2**50, 2**62, 2**63 - 1])
def test_a_block_count_that_lies_is_found(claimed: int) -> None:
    framed = body_with(pack_rows(header(), some_rows(3)), some_rows(3).to_dicts(), checksum=False)
    start = len(body_with(framed, [], checksum=False)) - 1
    count, at = read_long(framed, start)
    assert count == -3
    lying = framed[:start] + write_long(-claimed) + framed[at:]
    unpacked = unpack_rows(ReputationDeltas, [lying])
    assert [index for index, _ in unpacked.bad] == [0]
    assert unpacked.rows.height == 0


def test_a_wrong_checksum_and_a_foreign_record_are_found() -> None:
    good = pack_rows(header(), some_rows(3))
    wrong = bytearray(good)
    wrong[-3] ^= 1
    unpacked = unpack_rows(ReputationDeltas, [bytes(wrong), encode(MessageSent()), b"", b"\0\0\0\0\1", good])
    assert [index for index, _ in unpacked.bad] == [0, 1, 2, 3]
    assert "checksum" in unpacked.bad[0][1]
    assert "expected ReputationDeltas" in unpacked.bad[1][1]
    assert unpacked.rows.drop(INDEX).equals(some_rows(3))


def test_damaged_records_are_set_aside_and_no_row_changes() -> None:
    rng = random.Random(5)
    frames = [some_rows(count, count) for count in (1, 2, 40)]
    good = [pack_rows(header(i), frame) for i, frame in enumerate(frames)]
    found = 0
    for _ in range(1500):
        at = rng.randrange(3)
        values = list(good)
        values[at] = rng.choice(DAMAGES)(rng, good[at], good[at - 1])
        unpacked = unpack_rows(ReputationDeltas, values)
        bad = {index for index, _ in unpacked.bad}
        assert bad <= {at}
        found += len(bad)
        for index, frame in enumerate(frames):
            if index not in bad:
                got = unpacked.rows.filter(pl.col(INDEX) == index).drop(INDEX)
                assert got.equals(frame), "rows that the checksum covers"
    assert found > 1000


def test_columns_a_frame_lacks_are_null_and_others_are_left_out() -> None:
    rows = pl.DataFrame(
        {"identity": ["a"], "sent": [1], "_other": [True]}, schema_overrides={"sent": pl.UInt32}
    )
    (row,) = unpack_rows(ReputationDeltas, [pack_rows(header(), rows)]).rows.drop(INDEX).to_dicts()
    assert row == {**fields_of(DeltaRow()), "identity": "a", "sent": 1}


def test_the_checksum_is_computed_from_rows_not_taken_from_the_event() -> None:
    event = copy.copy(header()).model_copy(update={"checksum": 1})
    assert unpack_rows(ReputationDeltas, [pack_rows(event, some_rows(2))]).bad == []
