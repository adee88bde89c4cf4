"""How fast the codecs are, one process: `python -m bench.codec [--json] [--events N]`.

The best of several rounds is told: what the machine can do, not what else ran on it.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import polars as pl

from schemas.codec import decode, decode_fields, encode_rows, fields_of
from schemas.columns import decode_frames, pack_rows, unpack_rows
from schemas.mail import MessageDelivered
from schemas.reputation import COUNTS, ReputationDeltas

START_MS = 1_790_000_000_000
ROUNDS = 5
COLUMNS = (
    "event_id", "tenant", "occurred_at", "recorded_at", "provider", "from_domain", "dkim_domain", "ip", "stream", "campaign",
)  # fmt: skip
"""What counting reputation needs."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the table."""

    what: str
    per_second: int
    unit: str


def delivered(number: int) -> MessageDelivered:
    """A MessageDelivered of some 270 bytes, most fields given."""
    return MessageDelivered(
        tenant="acme",
        occurred_at=START_MS + number,
        recorded_at=START_MS + number + 500,
        source="postfix",
        source_event_id=f"q{number}",
        message_id=f"<{number}@mail.example.com>",
        recipient_hash=f"{number:032x}",
        recipient_domain="gmail.com",
        mx_host="gmail-smtp-in.l.google.com",
        provider="gmail",
        from_domain="example.com",
        mail_from_domain="bounce.example.com",
        dkim_domain="example.com",
        dkim_selector="s1",
        ip=f"192.0.2.{number % 200}",
        pool="p1",
        stream="marketing",
        campaign="c1",
        smtp_code=250,
        response="2.0.0 OK",
        latency_ms=1200 + number % 1000,
        tls_version="TLSv1.3",
    )


def deltas(count: int) -> pl.DataFrame:
    """Rows as `combine` gives them: few of the counts are there."""
    number = pl.int_range(count, eager=True)
    return pl.DataFrame(
        {
            "tenant": ["acme"] * count,
            "kind": ["domain"] * count,
            "identity": (number % 500).cast(pl.String) + ".example.com",
            "provider": ["gmail"] * count,
            "minute": START_MS + number * 60_000,
            **dict.fromkeys(COUNTS[:4], number % 97),
        }
    )


def rate(what: str, unit: str, count: int, work: Callable[[], object]) -> Measured:
    """How many a second, by the fastest round."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return Measured(what, round(count / best), unit)


def measure(count: int) -> list[Measured]:
    """Every line of the table, of this many events."""
    events = [delivered(number) for number in range(count)]
    rows = [fields_of(event) for event in events]
    records = encode_rows(MessageDelivered, rows)
    few = max(1, count // 5)
    given = [dict(row) for row in rows[:few]]
    packed_rows = deltas(count)
    packed = pack_rows(ReputationDeltas(watermark=START_MS), packed_rows)
    damaged = [*records]
    damaged[count // 2] = damaged[count // 2][:-9]
    return [
        rate("decode_frames, all columns", "events", count, lambda: decode_frames(records)),
        rate(f"decode_frames, {len(COLUMNS)} columns", "events", count, lambda: decode_frames(records, COLUMNS)),
        rate("decode_frames, one of them damaged", "events", count, lambda: decode_frames(damaged)),
        rate("encode_rows", "events", count, lambda: encode_rows(MessageDelivered, rows)),
        rate("decode_fields, one at a time", "events", few, lambda: [decode_fields(record) for record in records[:few]]),
        rate("decode, one at a time", "events", few, lambda: [decode(record) for record in records[:few]]),
        rate("MessageDelivered(...), id given", "events", few, lambda: [MessageDelivered(**row) for row in given]),
        rate("pack_rows", "rows", count, lambda: pack_rows(ReputationDeltas(watermark=START_MS), packed_rows)),
        rate("unpack_rows", "rows", count, lambda: unpack_rows(ReputationDeltas, [packed])),
    ]  # fmt: skip


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options.add_argument("--events", type=int, default=50_000, help="how many (default: 50,000)")
    chosen = options.parse_args()
    size = len(encode_rows(MessageDelivered, [fields_of(delivered(1))])[0])
    found = measure(chosen.events)
    if chosen.json:
        print(json.dumps({"bytes_per_event": size, "measured": [asdict(one) for one in found]}))
        return 0
    print(f"Codecs, MessageDelivered of {size} bytes, {chosen.events:,} at a time\n")
    for one in found:
        print(f"{one.what:<36}{one.per_second:>12,} {one.unit}/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
