"""A small world for the warehouse: every kind of record, repeats, conflicts and late additions among them."""

import random
from collections.abc import Sequence
from typing import Any

import polars as pl
from sink_conformance import cut, mark

from schemas.classification import BounceClassified
from schemas.codec import encode
from schemas.columns import pack_rows
from schemas.dmarc import DkimResult, DmarcRecordReported, DmarcReportParsed, PolicyReason, SpfResult
from schemas.documents import DeadLetter, DocumentProcessed, DocumentReceived
from schemas.mail import MAIL_EVENTS, MailEvent
from schemas.record import Event
from schemas.reputation import COUNTS, ReputationBuckets
from schemas.suppression import RecipientSuppressed, SuppressionEvidence, SuppressionLifted
from sinks.sink import Loaded
from sinks.warehouse.loader import WarehouseSink
from sinks.warehouse.warehouse import Warehouse

START = 1_750_000_000_000
DAY = 86_400_000
PROVIDERS = ("gmail", "microsoft", "yahoo")


def mail(number: int, seed: int = 0) -> MailEvent:
    """An event of some kind; the same number is the same fact, told with other words for another seed."""
    rng = random.Random(number)
    record = MAIL_EVENTS[number % len(MAIL_EVENTS)]
    fields: dict[str, object] = {
        "tenant": "default" if number % 5 else "other",
        "source_event_id": f"fact {number}",
        "occurred_at": START + rng.randrange(10 * DAY) + seed,
        "recorded_at": START + 10 * DAY + seed,
        "source": f"teller {seed}",
        "message_id": f"<{number // 12}@example.com>",
        "provider": rng.choice(PROVIDERS),
        "from_domain": f"{'abc'[number % 3]}.example.com",
        "campaign": "spring" if number % 2 else None,
        "stream": "marketing",
        "response": "452 4.2.2 <address> mailbox full",
        "enhanced_code": "4.2.2",
        "smtp_code": 452,
        "attempt": 2,
        "reason": "policy",
        "is_machine": bool(number % 2),
    }
    return record(**{name: value for name, value in fields.items() if name in record.model_fields})


def report(number: int, conflict: bool = False) -> list[Event]:
    """An aggregate report and its two records."""
    content = f"{number:063x}{int(conflict)}"
    shared = {
        "occurred_at": START + number * DAY,
        "recorded_at": START + number * DAY + 5,
        "source": "dmarc",
        "org_name": "google.com" if number % 2 else None,
        "report_id": f"report {number}",
        "policy_domain": "a.example.com",
        "begin": START + number * DAY,
        "end": START + (number + 1) * DAY,
        "content_hash": content,
        "receipt_id": f"receipt {number}{conflict}",
        "is_conflict": conflict,
    }
    parsed = DmarcReportParsed(
        **shared, source_event_id=content, p="none", records=2, messages=30, errors=("odd",)
    )
    records = [
        DmarcRecordReported(
            **shared,
            source_event_id=f"{content}/{ordinal}",
            ordinal=ordinal,
            source_ip=f"192.0.2.{ordinal}",
            count=10 + ordinal,
            disposition="none",
            dkim="fail",
            spf="pass" if ordinal else "fail",
            dmarc_pass=bool(ordinal),
            header_from="a.example.com",
            reasons=(PolicyReason(type="forwarded", comment=None),) if ordinal else (),
            dkim_results=(DkimResult(domain="a.example.com", selector="s1", result="fail"),),
            spf_results=(SpfResult(domain="b.example.com", scope="mfrom", result="pass"),),
        )
        for ordinal in range(2)
    ]
    return [parsed, *records]


def received(number: int, name: str = "report.xml") -> DocumentReceived:
    """A document as received."""
    return DocumentReceived(
        source_event_id=f"receipt {number}",
        occurred_at=START + number,
        recorded_at=START + number,
        receipt_id=f"receipt {number}",
        sha256=f"{number:064x}",
        size=100 + number,
        content=b"the bytes",
        name=name,
    )


def processed(number: int) -> DocumentProcessed:
    """What became of it."""
    return DocumentProcessed(
        source_event_id=f"receipt {number}/0",
        occurred_at=START + number,
        recorded_at=START + number + 9,
        receipt_id=f"receipt {number}",
        sha256=f"{number:064x}",
        kind="dmarc-aggregate" if number % 2 else "unknown",
        outcome="parsed" if number % 2 else "rejected",
        records=number,
        warnings=("odd", "very odd") if number % 3 else (),
        reason=None if number % 2 else "not XML",
        parser_version=1,
    )


def dead_letter(number: int) -> DeadLetter:
    """A record that could not be understood."""
    key = DeadLetter.key_of("mail.events", 0, number)
    return DeadLetter(
        source_event_id=key,
        occurred_at=START + number,
        recorded_at=START + number,
        origin_topic="mail.events",
        origin_partition=0,
        origin_offset=number,
        stage="admit",
        reason=f"reason {number % 2}",
        size=4,
        content=bytes([0, 255, number % 256, 10]),
    )


def classified(number: int, seed: int = 0) -> BounceClassified:
    """What a failure means."""
    event = mail(2 + 12 * number)
    return BounceClassified(
        source_event_id=f"{event.event_id}/2026-11-30",
        tenant=event.tenant,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at + seed,
        source="mailwake",
        classified_event_id=event.event_id,
        classified_kind="deferred",
        ruleset="2026-11-30",
        bounce_class="bad_mailbox" if number % 2 else "throttling",
        leaf="quota" if number % 2 else "rate",
        address_fatal=False,
        message_fatal=False,
        scope="recipient",
        action="retry",
        rule="quota",
        message_id=event.message_id,
        provider=event.provider,
        from_domain=event.from_domain,
    )


def spoken(number: int) -> SuppressionEvidence:
    """What speaks for a suppression, or against it."""
    return SuppressionEvidence(
        source_event_id=f"evidence {number}",
        occurred_at=START + number,
        recorded_at=START + number,
        kind="lift" if number % 3 == 2 else "complaint",
        recipient_hash=f"{number % 4:032x}",
        stream="marketing",
        by="anna" if number % 3 == 2 else None,
        reasons=("complaint",) if number % 3 == 2 else (),
    )


def suppression(number: int, revision: int) -> RecipientSuppressed | SuppressionLifted:
    """What follows: every second word on a recipient lifts."""
    fields: dict[str, Any] = {
        "source_event_id": f"{number}/{revision}",
        "occurred_at": START + number,
        "recorded_at": START + number + revision,
        "recipient_hash": f"{number:032x}",
        "stream": "marketing",
        "evidence": (MailEvent.id_of("default", str(number)),),
        "revision": revision,
    }
    if revision % 2 == 0:
        return SuppressionLifted(**fields, reason="lifted", by="anna", note="asked to")
    return RecipientSuppressed(**fields, reason="complaint", reasons=("complaint",), since=START + number)


def buckets(number: int, rows: Sequence[dict[str, object]]) -> bytes:
    """A packed record of buckets."""
    header = ReputationBuckets(
        source_event_id=f"flush {number}",
        occurred_at=START + number,
        recorded_at=START + number,
        watermark=START + number,
    )
    return pack_rows(header, pl.DataFrame(rows))


def bucket(
    identity: str = "a.example.com",
    provider: str = "gmail",
    at: int = START // DAY * DAY,
    grain: str = "day",
    part: int = 0,
    revision: int = 1,
    **counts: int,
) -> dict[str, object]:
    """A row of them."""
    key = {"tenant": "default", "kind": "domain", "identity": identity, "provider": provider}
    place = {"grain": grain, "bucket": at, "part": part, "revision": revision}
    return {**key, **place, **dict.fromkeys(COUNTS), **counts}


def flushes(count: int) -> list[bytes]:
    """Packed records in which buckets grow from revision to revision, and late additions come to some."""
    made = []
    for number in range(count):
        rows = [
            bucket(f"{identity}.example.com", provider, START // DAY * DAY, grain, 0, number + 1,
                   sent=10 * (number + 1), delivered=9 * (number + 1), bounced=number)
            for identity in "abc"
            for provider in PROVIDERS
            for grain in ("minute", "hour", "day")
        ]  # fmt: skip
        late = [bucket(part=1_000 + number, revision=0, complained=1)] if number % 2 else []
        made.append(buckets(number, rows + late))
    return made


def world(size: int = 60) -> dict[str, list[bytes]]:
    """Records of every topic; facts are repeated, in other words, further on."""
    numbers = [*range(size), *range(0, size, 3)]
    events = [mail(number, seed=int(at >= size)) for at, number in enumerate(numbers)]
    reports = [event for number in range(6) for event in report(number)]
    conflicts = [event for number in range(0, 6, 2) for event in report(number, conflict=True)]
    return {
        "mail.events": [encode(event) for event in events],
        "dmarc.records": [encode(event) for event in [*reports, *conflicts, *reports[:4]]],
        "documents": [encode(received(n)) for n in range(8)] + [encode(received(2, name="<redacted>"))],
        "documents.outcomes": [encode(processed(n)) for n in range(6)] + [encode(processed(1))],
        "mail.classified": [encode(classified(n)) for n in range(5)] + [encode(classified(1, seed=9))],
        "suppressions.evidence": [encode(spoken(n)) for n in (*range(9), 0, 1)],
        "suppressions": [
            encode(suppression(n, r)) for n, r in ((0, 1), (1, 1), (0, 2), (2, 1), (2, 2), (2, 3))
        ],
        "dead.letters": [encode(dead_letter(n)) for n in (1, 2, 3, 1)],
        "reputation.buckets": flushes(6),
    }


def load_all(sink: WarehouseSink, world: dict[str, list[bytes]], step: int = 1_000) -> list[Loaded]:
    """Load everything from where the sink is, so many records at a time."""
    done = []
    for topic, values in world.items():
        held = sink.position(mark(values, 0, topic).source)
        for first in range(held.offset if held else 0, len(values), step):
            end = min(first + step, len(values))
            done.append(sink.load(cut(values, first, end, topic), mark(values, end, topic)))
    return done


def contents(warehouse: Warehouse, generation: int) -> dict[str, list[tuple[object, ...]]]:
    """Every view that is compared, row for row."""
    return {
        view.name: sorted(
            (tuple(row) for row in warehouse.rows(warehouse.view_sql(view.name, generation))), key=repr
        )
        for view in warehouse.views()
        if view.compared
    }
