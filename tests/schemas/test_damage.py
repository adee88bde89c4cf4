"""Garbage in a batch is found and set aside; its neighbours are untouched."""

import random
from typing import Any

from damage import DAMAGES

from schemas.codec import Undecodable, decode_fields, encode
from schemas.columns import INDEX, Decoded, decode_frames
from schemas.dmarc import DmarcRecordReported, DmarcReportParsed
from schemas.documents import DocumentProcessed, DocumentReceived
from schemas.mail import MessageBounced, MessageDelivered, MessageOpened, MessageSent
from schemas.record import SECONDS_TO, Event

SHA = "0123456789abcdef" * 4
REPORT: dict[str, Any] = {
    "report_id": "r", "policy_domain": "example.com", "begin": 1, "end": 2, "content_hash": SHA,
}  # fmt: skip


def an_event(rng: random.Random, number: int) -> Event:
    some: dict[str, Any] = {
        "source_event_id": str(number),
        "occurred_at": rng.randrange(SECONDS_TO, 1 << 40),
        "recorded_at": number,
    }
    text = rng.choice(["", "250 2.0.0 OK", "ünïcödé", "漢字" * 40, "x" * 300])
    maybe = rng.choice([True, False, None])
    dkim = [{"domain": "example.com", "selector": text[:9], "result": "pass"}] * rng.randrange(4)
    match rng.randrange(8):
        case 0:
            return MessageSent(**some, spf_aligned=maybe, dkim_aligned=maybe, size=rng.getrandbits(62))
        case 1:
            return MessageDelivered(
                **some, response=text, latency_ms=rng.getrandbits(40), from_domain="example.com"
            )
        case 2:
            return MessageBounced(**some, response=text, is_async=bool(maybe))
        case 3:
            return MessageOpened(**some, is_machine=maybe)
        case 4:
            return DocumentReceived(
                **some, receipt_id="r", sha256=SHA, size=3, content=rng.randbytes(rng.randrange(80))
            )
        case 5:
            return DocumentProcessed(
                **some, receipt_id="r", sha256=SHA, kind="unknown", outcome="partial", warnings=(text, text), parser_version=1
            )  # fmt: skip
        case 6:
            return DmarcRecordReported(
                **some, **REPORT, ordinal=1, source_ip="::1", count=7, dkim_results=dkim
            )
        case _:
            return DmarcReportParsed(
                **some, **REPORT, errors=(text,) * rng.randrange(3), is_partial=bool(maybe)
            )


def rows_of(decoded: Decoded) -> dict[int, tuple[type[Event], dict[str, Any]]]:
    rows = {}
    for record, frame in decoded.frames.items():
        assert frame.get_column(INDEX).is_sorted()
        for row in frame.iter_rows(named=True):
            index = row.pop(INDEX)
            assert index not in rows
            rows[index] = (record, row)
    return rows


def expected_of(values: list[bytes | None]) -> tuple[dict[int, tuple[type[Event], dict[str, Any]]], set[int]]:
    rows, bad = {}, set()
    for index, value in enumerate(values):
        if value is None:
            continue
        try:
            known, fields = decode_fields(value)
            rows[index] = (known.record, fields)
        except Undecodable:
            bad.add(index)
    return rows, bad


def check(values: list[bytes | None]) -> int:
    decoded = decode_frames(values)
    rows, bad = expected_of(values)
    assert {index for index, _ in decoded.bad} == bad
    assert len(decoded.bad) == len(bad)
    assert rows_of(decoded) == rows
    return len(bad)


def test_thousands_of_damaged_batches() -> None:
    rng = random.Random(1)
    pool = [encode(an_event(rng, number)) for number in range(400)]
    found = 0
    for _ in range(2000):
        values: list[bytes | None] = list(rng.choices(pool, k=rng.randint(1, 10)))
        for _ in range(rng.randint(1, 2)):
            at = rng.randrange(len(values))
            value = values[at]
            if value:
                values[at] = rng.choice(DAMAGES)(rng, value, rng.choice(pool))
        found += check(values)
    assert found > 1500
