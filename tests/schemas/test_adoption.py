"""Ids that a registry gave: what is written with them, and reading what producers in other languages registered."""

import copy
import io
from collections.abc import Callable, Iterator
from typing import Any

import fastavro
import polars as pl
import pytest

from schemas import codec, columns, packed
from schemas.adoption import adopt
from schemas.catalog import (
    RECORDS,
    Ids,
    UnknownSchema,
    Version,
    install,
    installed,
    latest,
    version,
    versions,
    wire_id,
)
from schemas.codec import Undecodable, decode, decode_fields, encode, frame_of, schema_id_of
from schemas.columns import INDEX, decode_frames, pack_rows, unpack_rows
from schemas.framing import framed_rows
from schemas.mail import MessageSent
from schemas.reputation import ReputationDeltas

Change = Callable[[dict[str, Any]], None]
FIRST = 100
"""The registry's id of the first record; the others follow."""

SENT = MessageSent(from_domain="example.com", source_event_id="1", occurred_at=1_000)
WRITTEN = {name: FIRST + number for number, name in enumerate(RECORDS)}


def schema(change: Change = lambda schema: None) -> dict[str, Any]:
    """That of MessageSent, as somebody else registered it."""
    found = copy.deepcopy(latest(MessageSent).schema)
    change(found)
    return found


def field(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in found["fields"] if one["name"] == name)


@pytest.fixture
def with_registry() -> Iterator[dict[int, Any]]:
    """A registry that has our schemas; others go in here by id."""
    others: dict[int, Any] = {}
    ours = {given: latest(RECORDS[name]) for name, given in WRITTEN.items()}

    def read(schema_id: int) -> Version:
        if schema_id in ours:
            return ours[schema_id]
        if schema_id in others:
            return adopt(schema_id, others[schema_id])
        raise UnknownSchema(f"schema id {schema_id} is none of the registry")

    install(Ids("http://registry", WRITTEN, read))
    yield others
    install(None)
    for cached in (codec.plain, codec.parsed, columns._head, columns._flags, packed._known_last):
        cached.cache_clear()


def body(schema_id: int, written: dict[str, Any], **fields: Any) -> bytes:
    """A record as another language's producer writes it."""
    out = io.BytesIO()
    values = {**codec.fields_of(SENT), **fields}
    fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(written)), values)
    return frame_of(schema_id) + out.getvalue()


def test_everything_that_is_written_carries_the_registry_s_ids(with_registry) -> None:
    for record, given in (
        (MessageSent, encode(SENT)),
        (ReputationDeltas, pack_rows(ReputationDeltas(watermark=1), rows())),
    ):
        assert schema_id_of(given) == WRITTEN[record.__name__] == wire_id(record)
    frame = decode_frames([encode(SENT)]).frames[MessageSent].drop(INDEX)
    assert framed_rows(MessageSent, frame).to_list() == [encode(SENT)]


def rows() -> pl.DataFrame:
    return pl.DataFrame(
        {"tenant": ["a"], "kind": ["domain"], "identity": ["example.com"], "minute": [60_000]}
    )


def test_both_kinds_of_ids_are_read(with_registry) -> None:
    ids = installed()
    install(None)
    before = encode(SENT)
    deltas_before = pack_rows(ReputationDeltas(watermark=1), rows())
    install(ids)
    now = encode(SENT)
    deltas = pack_rows(ReputationDeltas(watermark=1), rows())
    assert before[:5] != now[:5] and before[5:] == now[5:]
    assert decode(before) == decode(now) == SENT
    read = decode_frames([before, now, before])
    assert read.bad == [] and read.frames[MessageSent][INDEX].to_list() == [0, 1, 2]
    assert unpack_rows(ReputationDeltas, [deltas_before, deltas]).bad == []


def test_without_a_registry_its_ids_are_refused() -> None:
    with pytest.raises(UnknownSchema, match="not one of the"):
        version(7)


def test_the_same_schema_in_other_words_is_the_committed_one() -> None:
    def in_java(found: dict[str, Any]) -> None:
        found["name"], found["doc"] = f"{found.pop('namespace')}.{found['name']}", "Other words."
        for one in found["fields"]:
            one.pop("doc", None)
            if one["type"] == "string":
                one["type"] = {"type": "string", "avro.java.string": "String"}
            elif one["type"] == ["null", "string"]:
                one["type"] = ["null", {"type": "string", "avro.java.string": "String"}]

    assert adopt(7, schema(in_java)) is latest(MessageSent)
    for known in versions().values():
        assert adopt(8, known.schema) is known


def added(found: dict[str, Any]) -> None:
    found["fields"].insert(3, {"name": "colour", "type": ["null", "string"], "default": None})
    found["fields"].append({"name": "loud", "type": "boolean", "default": False})
    found["fields"].append({"name": "words", "type": {"type": "array", "items": "string"}, "default": []})


def removed(found: dict[str, Any]) -> None:
    found["fields"] = [one for one in found["fields"] if "default" not in one or one["name"] == "from_domain"]


@pytest.mark.parametrize("change", [added, removed])
def test_a_schema_of_another_time_is_read_as_today_s(with_registry, change: Change) -> None:
    with_registry[7] = written = schema(change)
    theirs = [
        body(7, written, source_event_id=str(number), colour="red", loud=True, words=["a", "b"])
        for number in range(3)
    ]
    assert adopt(7, written) is not latest(MessageSent)
    known, fields = decode_fields(theirs[0])
    assert known.record is MessageSent and fields["from_domain"] == "example.com" and "colour" not in fields
    assert isinstance(decode(theirs[0]), MessageSent)
    read = decode_frames([encode(SENT), *theirs, theirs[0][:-1]])
    frame = read.frames[MessageSent]
    assert frame["from_domain"].to_list() == ["example.com"] * 4
    assert frame["event_id"].to_list() == [SENT.event_id] * 4
    assert [index for index, _ in read.bad] == [4]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.update(name="Other"), "mailwake.Other, and no record of mailwake's"),
        (lambda s: s.update(namespace="com.acme"), "com.acme.MessageSent, and no record of mailwake's"),
        (lambda s: s.update(type="enum"), "no record"),
        (lambda s: s["fields"].remove(field(s, "event_id")), "event_id: was not written and has no default"),
        (lambda s: field(s, "tenant").update(type="long"), "tenant: long was written, string is read"),
        (lambda s: field(s, "from_domain").update(type=["string", "null"]), "from_domain is a union"),
        (lambda s: s["fields"].append({"name": "m", "type": {"type": "map", "values": "string"}}), "m is map"),
        (lambda s: s["fields"].append({"name": "x", "type": "Nowhere"}), "x is Nowhere"),
        (lambda s: s.update(fields=[]), "has no fields"),
    ],
)  # fmt: skip
def test_what_can_t_be_read_is_refused_with_the_reason(with_registry, change: Change, says: str) -> None:
    with_registry[7] = schema(change)
    with pytest.raises(UnknownSchema, match=says):
        version(7)
    framed = frame_of(7) + encode(SENT)[5:]
    with pytest.raises(Undecodable, match=says):
        decode(framed)
    assert [index for index, _ in decode_frames([encode(SENT), framed]).bad] == [1]


def test_rows_that_are_not_last_in_a_packed_record_are_refused() -> None:
    found = copy.deepcopy(latest(ReputationDeltas).schema)
    found["fields"].append({"name": "more", "type": "string", "default": ""})
    with pytest.raises(UnknownSchema, match="rows: is not the last field"):
        adopt(7, found)


def test_what_the_registry_could_not_be_asked_is_no_bad_record(with_registry) -> None:
    class Away(Exception):
        pass

    def away(schema_id: int) -> Version:
        raise Away

    framed = encode(SENT)
    install(Ids("http://registry", WRITTEN, away))
    for read in (lambda: decode(framed), lambda: decode_frames([framed])):
        with pytest.raises(Away):
            read()
