"""Records made to hurt: they are refused, quickly and in little memory."""

import resource
import struct
from collections.abc import Callable, Iterator

import pytest

from schemas.codec import Undecodable, decode_fields, encode, frame_of, plain
from schemas.columns import _first_guard, decode_frames
from schemas.documents import DocumentProcessed, DocumentReceived
from schemas.encoding.wire import canonical, read_long, write_long
from schemas.mail import MessageBounced, MessageDelivered, MessageSent

SHA = "0" * 64
GOOD = encode(MessageBounced(source_event_id="1"))


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """No test may take more than 512 MB beside what the process has."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        size = int(file.read().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + (512 << 20), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


def ending(record: DocumentProcessed, tail: bytes) -> bytes:
    """A record up to its array of warnings, which holds `tail` instead."""
    framed = encode(record)
    at = framed.rindex(b"\x02\x02w\x00")
    return framed[:at] + tail


OUTCOME = DocumentProcessed(
    receipt_id="r", sha256=SHA, kind="unknown", outcome="partial", warnings=("w",), parser_version=1, source_event_id="1"
)  # fmt: skip


@pytest.mark.parametrize(
    "array",
    [
        write_long(2**62),
        write_long(2**63 - 1) + b"\x00" * 1000,
        write_long(-(2**62)) + write_long(8) + b"\x00" * 8,
        write_long(-(2**63) + 1) + write_long(2**60) + b"\x00" * 8,
        write_long(1) + write_long(2**50) + b"x",
        write_long(1) + write_long(-5) + b"x",
        b"\xff" * 12,
        b"\x80" * 5000,
    ],
)
def test_counts_and_lengths_that_lie(array: bytes) -> None:
    value = ending(OUTCOME, array)
    with pytest.raises(Undecodable):
        decode_fields(value)
    decoded = decode_frames([GOOD, value, GOOD])
    assert [index for index, _ in decoded.bad] == [1]
    assert decoded.frames[MessageBounced].height == 2


def test_a_million_empty_texts_are_only_a_million_empty_texts() -> None:
    value = ending(OUTCOME, write_long(10**6) + b"\x00" * 10**6 + b"\x00\x00\x02")
    _, fields = decode_fields(value)
    assert len(fields["warnings"]) == 10**6
    (frame,) = decode_frames([value]).frames.values()
    assert frame.get_column("warnings").list.len().to_list() == [10**6]


def test_an_array_in_many_blocks_of_one() -> None:
    value = ending(OUTCOME, (write_long(-1) + write_long(2) + b"\x02w") * 5000 + b"\x00\x00\x02")
    _, fields = decode_fields(value)
    assert fields["warnings"] == ["w"] * 5000
    assert decode_frames([value]).frames[DocumentProcessed].get_column("warnings").to_list() == [["w"] * 5000]


@pytest.mark.parametrize(
    "value",
    [b"", b"\x00", b"\x00\x00\x0f\x42", b"\x01" + GOOD[1:], b"\x00\x00\x00\x00\x01x", GOOD[:5]],
    ids=["empty", "a zero", "half an id", "another magic byte", "unknown id", "no body"],
)
def test_what_is_not_framed_or_has_no_body(value: bytes) -> None:
    with pytest.raises(Undecodable):
        decode_fields(value)
    decoded = decode_frames([value, GOOD])
    assert [index for index, _ in decoded.bad] == [0]


def test_guards_can_not_be_forged_to_change_a_neighbour() -> None:
    body = GOOD[5:]
    victim = encode(MessageBounced(source_event_id="victim", from_domain="victim.example"))
    kept = 0
    for forged in range(64):
        guard = write_long(forged)
        attack = GOOD[:5] + body + guard + write_long(forged + 1) + body[:-40]
        decoded = decode_frames([GOOD] * forged + [attack, victim])
        assert [index for index, _ in decoded.bad] == [forged]
        assert decoded.frames[MessageBounced].get_column("from_domain")[-1] == "victim.example"
        kept += 1
    assert kept == 64


@pytest.mark.parametrize(
    ("damage", "coincidence"),
    [(lambda value: value[:-2], 0), (lambda value: value + GOOD[5:], 36)],
    ids=["zeros behind it", "the length of a second one's id"],
)
def test_the_last_body_finds_its_guard_by_no_coincidence(
    damage: Callable[[bytes], bytes], coincidence: int
) -> None:
    """Two nulls at its end are missing, or a second body follows: of many, the one whose guard comes nearest."""
    sent = (MessageDelivered(source_event_id=str(number), occurred_at=0) for number in range(20_000))
    damaged = (damage(encode(event)) for event in sent)
    worst = min(damaged, key=lambda value: abs(_first_guard([value[5:]]) - coincidence))
    assert [index for index, _ in decode_frames([worst]).bad] == [0]


def test_a_boolean_of_two_is_refused_and_a_branch_that_is_none_is_its_value() -> None:
    sent = encode(MessageSent(source_event_id="1", spf_aligned=True, dmarc_expected=False))
    assert sent.endswith(b"\x02\x01\x00\x02\x00")
    for tail in (b"\x02\x02\x00\x02\x00", b"\x02\x01\x00\x02\x81", b"\x02\x80\x00\x02\x00"):
        assert len(decode_frames([sent[:-5] + tail]).bad) == 1
        with pytest.raises(Undecodable, match="boolean"):
            decode_fields(sent[:-5] + tail)
    for tail in (b"\x04\x01\x00\x02\x00", b"\x01\x01\x00\x03\x00", b"\x7f\x01\x00\x06\x00"):
        (frame,) = decode_frames([sent[:-5] + tail]).frames.values()
        assert frame.get_column("spf_aligned").to_list() == [True]
        assert decode_fields(sent[:-5] + tail) == decode_fields(sent)


def test_text_that_is_no_utf8_is_refused() -> None:
    value = encode(MessageBounced(source_event_id="1", campaign="abc"))
    for bad in (b"\xff\xfe\xfd", b"\xed\xa0\x80", b"\xc0\xaf\x61", b"ab\xc3"):
        broken = value.replace(b"\x06abc", b"\x06" + bad)
        assert len(decode_frames([broken, value]).bad) == 1
        with pytest.raises(Undecodable, match=r"campaign: no UTF-8 at byte"):
            decode_fields(broken)


def test_a_time_or_id_that_can_not_be_is_refused() -> None:
    value = encode(MessageBounced(source_event_id="1", occurred_at=0, recorded_at=0))
    for broken in (
        value.replace(b"\x0edefault\x00", b"\x0edefault" + write_long(2**62)),
        value.replace(value[6:42], b"0F8FAD5B-D9CB-469F-A165-70867728950E"),
        value.replace(value[6:42], b"0f8fad5bxd9cb-469f-a165-70867728950e"),
    ):
        assert broken != value
        ((index, reason),) = decode_frames([value, broken]).bad
        assert index == 1
        with pytest.raises(Undecodable) as raised:
            decode_fields(broken)
        assert str(raised.value) == reason


def test_a_great_document_goes_both_ways() -> None:
    event = DocumentReceived(receipt_id="r", sha256=SHA, size=3 << 20, content=bytes(range(256)) * (12 << 10))
    decoded = decode_frames([encode(event), encode(event)[:-1]])
    assert decoded.frames[DocumentReceived].get_column("content").to_list() == [event.content]
    assert len(decoded.bad) == 1


@pytest.mark.parametrize("number", [0, -1, 1, 63, 64, -64, -65, 2**31, 2**63 - 1, -(2**63)])
def test_numbers(number: int) -> None:
    coded = write_long(number)
    assert read_long(b"x" + coded + b"y", 1) == (number, 1 + len(coded))
    with pytest.raises(Undecodable, match="middle of a number"):
        read_long(coded[:-1], 0)


def test_canonical_leaves_what_is_canonical() -> None:
    for value in (GOOD, encode(OUTCOME), encode(MessageSent(spf_aligned=True))):
        assert canonical(plain(int.from_bytes(value[1:5], "big")), value[5:]) == value[5:]
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "double"}]}
    assert canonical(schema, struct.pack("<d", 1.5)) == struct.pack("<d", 1.5)
    with pytest.raises(Undecodable, match="x: 8 bytes of 7 left at byte 0"):
        canonical(schema, b"\0" * 7)


def test_what_is_unknown_is_named() -> None:
    with pytest.raises(Undecodable, match="schema id 1 is not one of"):
        decode_fields(frame_of(1) + b"x")
