"""POST /v1/events: what is taken, what is named, what a retry does."""

import io
import json
import struct
import zlib

import fastavro
import pytest
from houses import TENANT_KEY, House, house

from schemas.catalog import latest
from schemas.codec import encode
from schemas.encoding.wire import write_long
from schemas.mail import MessageBounced, MessageSent
from schemas.recipient import recipient_hash
from sources.intake import event_bodies
from sources.intake.limits import IntakeLimits
from sources.intake.refusal import Refused

SENT = {"type": "MessageSent", "from_domain": "sender.example", "message_id": "<1@sender.example>"}


def lines(*items: object) -> bytes:
    return b"\n".join(item if isinstance(item, bytes) else json.dumps(item).encode() for item in items)


def test_one_event_an_array_and_json_lines_are_taken(here: House) -> None:
    assert here.post("/v1/events", json=SENT).json() == {"taken": 1, "refused": 0, "bad": []}
    assert here.post("/v1/events", json=[SENT, SENT]).status_code == 200
    said = here.post(
        "/v1/events", content=lines(SENT, SENT), headers={"content-type": "application/x-ndjson"}
    )
    assert (said.status_code, said.json()["taken"]) == (200, 2)
    assert [event.from_domain for event in here.events()] == ["sender.example"] * 5


def test_the_bad_of_a_batch_are_named_by_index_and_the_good_taken(here: House) -> None:
    batch = [
        SENT,
        {"type": "MessageSent", "ip": 7},
        SENT,
        4,
        {"type": "Nothing"},
        {**SENT, "frm_domain": "x"},
    ]
    said = here.post("/v1/events", json=batch)
    assert said.status_code == 207
    assert (said.json()["taken"], said.json()["refused"], len(here.events())) == (2, 4, 2)
    bad = {one["index"]: one for one in said.json()["bad"]}
    assert set(bad) == {1, 3, 4, 5}
    assert (bad[1]["type"], bad[1]["field"], bad[1]["got"]) == ("MessageSent", "ip", "7")
    assert "did you mean from_domain" in bad[5]["wants"]


def test_odd_addresses_are_taken_and_what_is_none_is_named_by_index_and_field(here: House) -> None:
    good = [
        "jo@gmail.com",
        '"jo do"@c.example',
        "用户@例子.广告",
        "jo@[192.0.2.1]",
        "root@localhost",
        "a..b.@docomo.example",
    ]
    bad = ["foo", "a b@c", "jo@c.example\r\nx", "x" * 250 + "@c.example", 7]
    sent = [{**SENT, "recipient": one, "source_event_id": str(n)} for n, one in enumerate([*good, *bad])]
    sent.append({**SENT, "recipient_hash": "jo@gmail.com"})
    answer = here.post("/v1/events", json=sent)
    assert answer.status_code == 207
    said = answer.json()
    assert (said["taken"], said["refused"]) == (len(good), len(bad) + 1)
    assert [(one["index"], one["field"]) for one in said["bad"]] == [
        *((len(good) + n, "recipient") for n in range(len(bad))),
        (len(sent) - 1, "recipient_hash"),
    ]
    assert "@c" not in answer.text and "gmail" not in answer.text
    assert len({event.recipient_hash for event in here.events()}) == len(good)


def test_a_batch_without_a_good_event_is_refused_and_keeps_nothing(here: House) -> None:
    said = here.post("/v1/events", json=[{"type": "MessageSent", "ip": 7}])
    assert (said.status_code, said.json()["taken"], here.events()) == (422, 0, [])


def test_a_bad_line_is_an_event_that_is_named(here: House) -> None:
    said = here.post(
        "/v1/events", content=lines(SENT, b"{no json", SENT), headers={"content-type": "application/x-ndjson"}
    )
    assert (said.status_code, said.json()["taken"], said.json()["bad"][0]["index"]) == (207, 2, 1)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "MessageSent", "from_domain": "jo.doe@gmail.com"},
        {"type": "MessageSent", "jo.doe@gmail.com": 1},
        {"type": "MessageSent", "recipient": "jo.doe@"},
        {"type": "MessageSent", "recipient": ["jo.doe@gmail.com"]},
        {"type": "jo.doe@gmail.com"},
        {"type": "MessageSent", "ip": {"of": "jo.doe@gmail.com"}},
        {"type": "MessageSent", "ip": "x" * 990 + "jo.doe@gmail.com"},
        {"type": "MessageSent", "tenant": "jo.doe@gmail.com"},
        "jo.doe@gmail.com",
    ],
)
def test_no_answer_repeats_an_address(here: House, event: object) -> None:
    said = here.post("/v1/events", json=[SENT, event])
    assert said.status_code == 207
    assert "jo.doe" not in said.text and "gmail" not in said.text.lower().replace("gmail,", "")


def test_a_recipient_in_clear_is_hashed_and_its_provider_told(here: House) -> None:
    here.post("/v1/events", json={**SENT, "recipient": "Jo.Doe@Gmail.com"})
    (event,) = here.events()
    assert event.recipient_hash == recipient_hash(TENANT_KEY, "jo.doe@gmail.com")
    assert (event.recipient_domain, event.provider) == ("gmail.com", "gmail")
    here.post("/v1/events", json={**SENT, "recipient": "jo@gmail.com", "provider": "apple"})
    assert here.events()[-1].provider == "apple"


def test_the_same_batch_under_the_same_key_is_the_same_events(here: House) -> None:
    for key in ("one", "one", "another"):
        here.post("/v1/events", json=[SENT, SENT], headers={"Idempotency-Key": key})
    ids = [event.event_id for event in here.events()]
    assert ids[:2] == ids[2:4] and len(set(ids)) == 4


def test_what_is_mended_or_is_another_event_is_taken_under_the_same_key(here: House) -> None:
    told = {**SENT, "message_id": "<told@example.com>", "recipient": "jo@gmail.com"}
    mended = {**told, "smtp_code": 250, "type": "MessageDelivered"}
    bad = {**mended, "smtp_code": "soon"}
    for batch in ([told, bad], [mended], [mended, told], {**SENT, "from_domain": "other.example"}):
        here.post("/v1/events", json=batch, headers={"Idempotency-Key": "one"})
    events = here.events()
    ids = [event.event_id for event in events]
    assert len(ids) == 5 and ids[0] == ids[3] and ids[1] == ids[2] and len(set(ids)) == 3
    assert all(event.source_event_id and "@" not in event.source_event_id for event in events)


def test_an_event_with_an_id_keeps_it_whatever_the_batch_is_called(here: House) -> None:
    named = {**SENT, "source_event_id": "sent-1"}
    here.post("/v1/events", json=named)
    here.post("/v1/events", json=[SENT, named], headers={"Idempotency-Key": "k"})
    events = here.events()
    assert events[0].event_id == events[2].event_id and events[2].source_event_id == "sent-1"


def test_documents_derived_records_and_others_tenants_are_not_taken(here: House) -> None:
    batch = [{"type": "DocumentReceived"}, {"type": "ReputationScored"}, {**SENT, "tenant": "other"}]
    said = here.post("/v1/events", json=batch)
    assert said.status_code == 422
    assert [bad["field"] for bad in said.json()["bad"]] == ["type", "type", "tenant"]


@pytest.mark.parametrize(
    ("content", "content_type", "status", "error"),
    [
        (b"{", "application/json", 400, "unreadable"),
        (b"[]", "application/json", 400, "empty"),
        (b"", "application/json", 400, "unreadable"),
        (b"{}", "text/plain", 415, "unsupported_type"),
        (b"{}", "", 415, "unsupported_type"),
        (b"[" * 100_000, "application/json", 400, "unreadable"),
        (b"Obj\x01", "application/avro", 400, "unreadable"),
        (b"\x00\x00\x00\x09abc", "application/vnd.mailwake.framed", 400, "unreadable"),
    ],
)
def test_a_body_that_can_not_be_read_says_so(
    here: House, content: bytes, content_type: str, status: int, error: str
) -> None:
    said = here.post("/v1/events", content=content, headers={"content-type": content_type})
    assert (said.status_code, said.json()["error"]) == (status, error)
    assert here.events() == []


def test_more_events_or_bytes_than_are_taken_at_a_time_are_refused(tmp_path) -> None:
    with house(tmp_path, IntakeLimits(events=3, events_bytes=2_000)) as here:
        said = here.post("/v1/events", json=[SENT] * 4)
        assert (said.status_code, said.json()["error"]) == (413, "too_many")
        said = here.post("/v1/events", json=[SENT] * 100)
        assert (said.status_code, said.json()["error"]) == (413, "too_large")
        assert here.events() == []


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"[" + b"0," * 20 + b"0]", "application/json"),
        (b"0\n" * 20, "application/x-ndjson"),
        (b"\n" * 20, "application/x-ndjson"),
        (b"\x00\x00\x00\x01x" * 20, "application/vnd.mailwake.framed"),
    ],
)
def test_of_too_many_none_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, content: bytes, content_type: str
) -> None:
    looked_at: list[object] = []
    for name in ("_item", "_line", "_record"):
        monkeypatch.setattr(event_bodies, name, looked_at.append)
    with pytest.raises(Refused, match="more than 3 events"):
        event_bodies.items_in(content, content_type, IntakeLimits(events=3))
    assert len(looked_at) <= 3


def avro_file(codec: str, *events: MessageSent | MessageBounced) -> bytes:
    out = io.BytesIO()
    record = type(events[0])
    schema = fastavro.parse_schema(latest(record).schema)
    fastavro.writer(out, schema, [event.model_dump() for event in events], codec=codec)
    return out.getvalue()


@pytest.mark.parametrize("codec", ["null", "deflate", "zstandard"])
def test_an_avro_file_is_taken(here: House, codec: str) -> None:
    events = [
        MessageBounced(from_domain="sender.example", source_event_id=f"b-{at}", smtp_code=550)
        for at in range(300)
    ]
    said = here.post(
        "/v1/events", content=avro_file(codec, *events), headers={"content-type": "application/avro"}
    )
    assert said.json() == {"taken": 300, "refused": 0, "bad": []}
    assert [(e.event_id, e.smtp_code) for e in here.events()] == [(e.event_id, 550) for e in events]


def test_what_an_avro_file_says_is_checked_like_anything_else(here: House) -> None:
    good, bad = MessageSent(from_domain="a.example"), MessageSent.trusted({
        **MessageSent(from_domain="b.example").model_dump(), "from_domain": "jo.doe@b.example"
    })  # fmt: skip
    said = here.post(
        "/v1/events", content=avro_file("null", good, bad), headers={"content-type": "application/avro"}
    )
    assert (said.status_code, said.json()["bad"][0]["field"]) == (207, "from_domain")


def test_an_avro_file_may_be_of_another_version_and_not_of_another_record(here: House) -> None:
    schema = latest(MessageSent).schema
    fewer = {**schema, "fields": [field for field in schema["fields"] if field["name"] != "size"]}
    for changed, status in ((fewer, 200), ({**schema, "name": "Other"}, 400)):
        out = io.BytesIO()
        fields = MessageSent(from_domain="a.example").model_dump()
        fastavro.writer(out, fastavro.parse_schema(changed), [fields])
        said = here.post("/v1/events", content=out.getvalue(), headers={"content-type": "application/avro"})
        assert said.status_code == status, said.text


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_avro_file_is_refused_or_read_and_never_a_bug(here: House, seed: int) -> None:
    whole = bytearray(avro_file("deflate", MessageSent(from_domain="a.example"), MessageSent()))
    at = (seed * 7919) % len(whole)
    whole[at] ^= 1 << seed % 8
    cut = bytes(whole[: len(whole) - seed % 5])
    said = here.post("/v1/events", content=cut, headers={"content-type": "application/avro"})
    assert said.status_code in (200, 207, 400, 413, 422)


def test_an_avro_block_that_unpacks_without_end_is_refused(here: House) -> None:
    head = avro_file("deflate", MessageSent())
    sync = head[-16:]
    begin = head.index(sync) + 16
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(bytes(64 * 2**20)) + packer.flush()
    body = head[:begin] + write_long(1) + write_long(len(bomb)) + bomb + sync
    said = here.post("/v1/events", content=body, headers={"content-type": "application/avro"})
    assert (said.status_code, said.json()["error"]) == (413, "too_large")


def test_framed_records_are_taken_each_after_its_length(here: House) -> None:
    records = [
        encode(MessageSent(from_domain="a.example", source_event_id="1")),
        b"\x00\x00\x00\x00\x01garbage",
    ]
    body = b"".join(struct.pack(">I", len(record)) + record for record in records)
    said = here.post("/v1/events", content=body, headers={"content-type": "application/vnd.mailwake.framed"})
    assert (said.status_code, said.json()["taken"], said.json()["bad"][0]["index"]) == (207, 1, 1)


def test_a_flood_with_one_bad_event_in_each_batch_takes_all_the_others(here: House) -> None:
    def batch(sender: int, number: int) -> bytes:
        events: list[object] = [{**SENT, "source_event_id": f"{sender}-{number}-{at}"} for at in range(9)]
        return json.dumps([*events[:number], {"type": "MessageSent", "ip": 1}, *events[number:]]).encode()

    answers = here.together([
        ("/v1/events", batch(sender, number), {"content-type": "application/json"})
        for sender in range(40)
        for number in range(10)
    ])  # fmt: skip
    assert [answer.status_code for answer in answers] == [207] * 400
    assert len({event.event_id for event in here.events()}) == len(here.events()) == 3_600


@pytest.mark.parametrize("depth", [50, 400, 1_000])
@pytest.mark.parametrize("field", ["ip", "type", "recipient", "tenant", "source_event_id"])
def test_what_is_nested_deeply_is_bad_and_no_bug(here: House, field: str, depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    body = b'[{"type": "MessageSent"}, {"type": "MessageSent", "%s": %s}]' % (field.encode(), nested)
    said = here.post("/v1/events", content=body, headers={"content-type": "application/json"})
    assert (said.status_code, said.json()["bad"][0]["index"]) == (207, 1)
