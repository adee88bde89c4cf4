"""Records of other versions than today's read alike through both codecs."""

import io
from typing import Any

import fastavro
import polars as pl
import pytest
from other_versions import AddVersion
from polars.testing import assert_frame_equal

from schemas.catalog import Version, latest, version
from schemas.codec import decode, decode_fields, encode, fields_of, frame_of, parsed
from schemas.columns import INDEX, decode_frames, pack_rows, unpack_rows
from schemas.dmarc import DmarcRecordReported
from schemas.documents import DocumentProcessed
from schemas.mail import MessageBounced, MessageDeferred, MessageSent
from schemas.record import Event
from schemas.reputation import ReputationDeltas

SHA = "0123456789abcdef" * 4


def without(*names: str) -> Any:
    """A schema change: these fields are not there. `array.field` is a field of an array's rows."""

    def change(schema: dict[str, Any]) -> None:
        for name in names:
            outer, _, inner = name.rpartition(".")
            owner = _rows(schema, outer) if outer else schema
            left = [field for field in owner["fields"] if field["name"] != inner]
            assert len(left) == len(owner["fields"]) - 1
            owner["fields"] = left

    return change


def with_fields(array: str, *fields: dict[str, Any]) -> Any:
    """A schema change: fields are added, in an array's rows, or at the front of the record for ''."""

    def change(schema: dict[str, Any]) -> None:
        owner = _rows(schema, array) if array else schema
        owner["fields"] = [*fields, *owner["fields"]]

    return change


def _rows(schema: dict[str, Any], array: str) -> dict[str, Any]:
    items: dict[str, Any] = next(f for f in schema["fields"] if f["name"] == array)["type"]["items"]
    return items


def written(known: Version, fields: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed(known.id), fields)
    return frame_of(known.id) + out.getvalue()


def both(value: bytes) -> dict[str, Any]:
    """What both codecs read."""
    known, fields = decode_fields(value)
    decoded = decode_frames([value])
    assert decoded.bad == []
    (row,) = decoded.frames[known.record].drop(INDEX).iter_rows(named=True)
    assert row == fields
    return fields


def plain(event: Event) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in fields_of(event).items()
    }


def a_record(**more: Any) -> DmarcRecordReported:
    return DmarcRecordReported(
        report_id="r", policy_domain="example.com", begin=1, end=2, content_hash=SHA, ordinal=0, source_ip="::1", count=1,
        source_event_id="1", **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("event", "missing", "filled"),
    [
        (MessageBounced(is_async=True, channel="sns"), ["is_async", "channel"], {"is_async": False, "channel": None}),
        (MessageDeferred(attempt=7, provider="gmail"), ["attempt", "provider"], {"attempt": 1, "provider": "other"}),
        (MessageSent(spf_aligned=True, size=5), ["spf_aligned", "size"], {"spf_aligned": None, "size": None}),
        (
            DocumentProcessed(receipt_id="r", sha256=SHA, kind="unknown", outcome="partial", warnings=("w",), parser_version=1),
            ["warnings", "reason"],
            {"warnings": [], "reason": None},
        ),
        (a_record(spf_results=({"domain": "a", "result": "pass"},)), ["spf_results"], {"spf_results": []}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else "",
)  # fmt: skip
def test_an_older_writer_lacks_fields_that_have_defaults(
    add_version: AddVersion, event: Event, missing: list[str], filled: dict[str, Any]
) -> None:
    older = add_version(type(event), without(*missing))
    value = written(older, plain(event))
    assert both(value) == {**plain(event), **filled}
    assert plain(decode(value)) == {**plain(event), **filled}


def test_an_older_writer_lacks_fields_in_the_rows_of_an_array(add_version: AddVersion) -> None:
    event = a_record(
        dkim_results=({"domain": "a", "selector": "s", "result": "pass"}, {"domain": "b", "result": "fail"})
    )
    older = add_version(DmarcRecordReported, without("dkim_results.selector", "dkim_results.human_result"))
    fields = both(written(older, plain(event)))
    assert [row["selector"] for row in fields["dkim_results"]] == [None, None]
    assert [row["domain"] for row in fields["dkim_results"]] == ["a", "b"]


def test_defaults_of_every_kind_fill_the_rows_of_an_array(add_version: AddVersion) -> None:
    events = [
        a_record(dkim_results=({"domain": "a", "result": "pass"}, {"domain": "b", "result": "fail"})),
        a_record(),
    ]
    values = [encode(event) for event in events]
    defaults = {
        "text": "unknown",
        "flag": True,
        "number": -3,
        "rate": 0.5,
        "nothing": None,
        "list": ["x", "y"],
    }
    kinds = {
        "text": "string",
        "flag": "boolean",
        "number": "long",
        "rate": "double",
        "nothing": ["null", "string"],
    }
    new = [{"name": name, "type": kinds.get(name, {"type": "array", "items": "string"}), "default": default}
           for name, default in defaults.items()]  # fmt: skip
    add_version(DmarcRecordReported, with_fields("dkim_results", *new), older=False)
    fields = both(values[0])
    assert [{name: row[name] for name in defaults} for row in fields["dkim_results"]] == [defaults, defaults]
    assert [row["domain"] for row in fields["dkim_results"]] == ["a", "b"]
    assert both(values[1])["dkim_results"] == []


def test_a_newer_writer_says_more_than_this_reader_knows(add_version: AddVersion) -> None:
    flag = {"name": "new_flag", "type": ["null", "boolean"], "default": None}
    array = {"name": "new_rows", "type": {"type": "array", "items": "string"}, "default": []}
    newer = add_version(MessageSent, with_fields("", flag, array))
    event = MessageSent(source_event_id="1", size=3)
    assert both(written(newer, {**plain(event), "new_flag": True, "new_rows": ["a", "b"]})) == plain(event)


def test_a_newer_writer_adds_a_field_to_rows(add_version: AddVersion) -> None:
    newer = add_version(
        DmarcRecordReported, with_fields("dkim_results", {"name": "key_size", "type": "long", "default": 0})
    )
    event = a_record(dkim_results=({"domain": "a", "result": "pass"},))
    fields = plain(event)
    fields["dkim_results"] = [{**row, "key_size": 1024} for row in fields["dkim_results"]]
    assert both(written(newer, fields)) == plain(event)


def test_versions_mixed_in_a_batch_keep_the_batch_order(add_version: AddVersion) -> None:
    older = add_version(MessageBounced, without("is_async"))
    events = [MessageBounced(source_event_id=str(i), is_async=True, occurred_at=i) for i in range(100)]
    values = [written(older, plain(event)) if i % 3 else encode(event) for i, event in enumerate(events)]
    frame = decode_frames(values).frames[MessageBounced]
    assert frame.get_column("occurred_at").to_list() == frame.get_column(INDEX).to_list() == list(range(100))
    assert frame.get_column("is_async").to_list() == [i % 3 == 0 for i in range(100)]


def test_packed_rows_of_another_version(add_version: AddVersion) -> None:
    header = ReputationDeltas(source_event_id="1", watermark=5)
    rows = pl.DataFrame({"identity": ["a", "b"], "sent": [1, None], "minute": [0, 60_000]})
    new = [{"name": "weight", "type": ["null", "long"], "default": None}]
    value = pack_rows(header, rows)
    before = unpack_rows(ReputationDeltas, [value]).rows
    add_version(ReputationDeltas, with_fields("rows", *new), older=False)
    after = unpack_rows(ReputationDeltas, [value])
    assert after.bad == []
    assert after.rows.get_column("weight").to_list() == [None, None]
    assert_frame_equal(after.rows.drop("weight"), before)
    assert decode_fields(value)[1]["rows"] == after.rows.drop(INDEX).to_dicts()
    more = pack_rows(header, rows.with_columns(weight=pl.lit(7)))
    assert unpack_rows(ReputationDeltas, [value, more]).rows.get_column("weight").to_list() == [
        None,
        None,
        7,
        7,
    ]


def test_packed_rows_of_a_writer_that_knows_less_and_more(add_version: AddVersion) -> None:
    today = latest(ReputationDeltas)
    add_version(ReputationDeltas, without("rows.sent"), older=False)
    value = pack_rows(ReputationDeltas(watermark=1), pl.DataFrame({"identity": ["a"], "minute": [0]}))
    newest = latest(ReputationDeltas)
    assert newest.number == today.number + 1
    add_version(ReputationDeltas, lambda schema: schema.update(today.schema), older=False)
    (row,) = unpack_rows(ReputationDeltas, [value]).rows.to_dicts()
    assert row["identity"] == "a" and row["sent"] is None
    assert version(newest.id).record is ReputationDeltas
