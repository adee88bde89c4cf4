"""Ten thousand damaged reports: each has an outcome, none takes long, none takes memory, neighbours are unharmed.

Time is bounded by counting, not by a clock: what is told to the parser and unpacked stays within the limits, and
the number of calls into Python is a small multiple of the bytes given.
"""

import random
import sys
import tracemalloc
from collections.abc import Iterator

import pytest
from reports import document, packings, record, report, slice_of, zipped

from processors.documents.inspect import inspect
from processors.documents.limits import MIB, Limits
from processors.documents.reading import ReadingSettings
from processors.documents.stage import DocumentStage
from processors.stage import Emission
from schemas.codec import decode
from schemas.dmarc import DmarcRecordReported
from schemas.documents import DocumentProcessed

FILES = 10_000
SEED = 7489
LIMITS = Limits(total_bytes=4 * MIB, member_bytes=2 * MIB, ratio_floor=1 * MIB)

TOKENS = (
    b"<record>", b"</record>", b"<row>", b"</feedback>", b"<!DOCTYPE a [", b"<!ENTITY x 'y'>", b"&x;", b"&#0;", b"&",
    b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?xml version='1.0' encoding='utf-16'?>", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf",
    b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x1f\x8b\x08\x1c", b"BZh9", b"\xfd7zXZ\x00", b"\n--b\n", b"\n\n", b"=",
    b"Content-Type: multipart/mixed; boundary=b\n", b"Content-Transfer-Encoding: base64\n", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00",
    b"9" * 40, b"1e999999", b"-1", b"NaN", b"\xd8\x00", b"0001-01-01", b"9999-12-31T23:59:59+23:59", b"%" * 30, b":" * 30, b"xmlns:",
)  # fmt: skip


def seeds(number: int) -> list[bytes]:
    """One report in every packing, and once with another."""
    xml = report(*(record(f"192.0.2.{n}", str(n)) for n in range(1, 4)), report_id=f"r-{number}").encode()
    several = zipped(("a.xml", xml), ("b.xml", report(report_id=f"s-{number}").encode()))
    return [
        *packings(xml).values(),
        several,
        xml.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        xml,
        xml,
        xml,
    ]


def damaged(content: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """One to four of: bits flipped, cut, a piece doubled or taken out, spliced with another, a token put in."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(7):
            case 0:
                for _ in range(chance.choice((1, 3, 20))):
                    if data:
                        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            case 1:
                del data[at:]
            case 2:
                del data[at : at + chance.randrange(1, 60)]
            case 3:
                data[at:at] = data[at : at + chance.randrange(1, 400)]
            case 4:
                other = chance.choice(others)
                data[at:] = other[chance.randrange(len(other)) :]
            case 5:
                data[at:at] = chance.choice(TOKENS)
            case _:
                data[at : at + 4] = chance.randbytes(4)
    return bytes(data)


def corpus_of_damage(count: int) -> Iterator[bytes]:
    chance = random.Random(SEED)
    made = 0
    while made < count:
        whole = seeds(made)
        for content in chance.choices(whole, k=min(100, count - made)):
            made += 1
            yield damaged(content, whole, chance)


def test_ten_thousand_damaged_reports_each_have_an_outcome() -> None:
    stage = DocumentStage(lambda tenant, sha256: None, ReadingSettings(LIMITS))
    seen: dict[str, int] = {}
    letters = records = 0
    for number, content in enumerate(corpus_of_damage(FILES)):
        stage.take(slice_of([document(content, f"receipt-{number}")], number))
        emissions = stage.flush().emissions
        outcomes = [decode(e.value) for e in emissions if e.topic == "documents.outcomes"]
        assert outcomes, content
        for outcome in outcomes:
            assert isinstance(outcome, DocumentProcessed)
            assert outcome.outcome != "rejected" or outcome.reason
            assert outcome.outcome != "partial" or outcome.warnings
            seen[outcome.outcome] = seen.get(outcome.outcome, 0) + 1
        told = sum(outcome.records for outcome in outcomes if isinstance(outcome, DocumentProcessed))
        assert told == count_of_records(emissions)
        records += told
        letters += sum(e.topic == "dead.letters" for e in emissions)
    assert letters == 0
    assert records > 1000, seen
    assert sum(times for word, times in seen.items() if word != "rejected") > 4000, seen
    assert (
        min(seen.get(word, 0) for word in ("parsed", "partial", "rejected", "duplicate", "conflict")) > 20
    ), seen


def count_of_records(emissions: "list[Emission] | tuple[Emission, ...]") -> int:
    heads = sum(e.topic == "documents.outcomes" for e in emissions)
    reports = len({e.value for e in emissions if e.topic == "dmarc.records" and is_report(e)})
    return len(emissions) - heads - reports


def is_report(emission: Emission) -> bool:
    return not isinstance(decode(emission.value), DmarcRecordReported)


def test_what_damaged_reports_give_is_valid() -> None:
    """Events are encoded without checking; here every one of them is checked as it is made."""
    made = 0
    for content in corpus_of_damage(1500):
        made += sum(
            len(found.events) for found in inspect(content, None, settings=ReadingSettings(LIMITS)).documents
        )
    assert made > 1000


def test_memory_is_bounded() -> None:
    contents = list(corpus_of_damage(300))
    tracemalloc.start()
    try:
        for content in contents:
            inspect(content, None, settings=ReadingSettings(LIMITS))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 * MIB


@pytest.mark.parametrize("start", [0, 150])
def test_work_is_bounded(start: int) -> None:
    """No more than some calls for each byte, however it is damaged."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    for number, content in enumerate(corpus_of_damage(start + 150)):
        if number < start:
            continue
        calls = 0
        sys.setprofile(count)
        try:
            inspect(content, None, settings=ReadingSettings(LIMITS))
        finally:
            sys.setprofile(None)
        assert calls < 30_000 + 20 * len(content), content
