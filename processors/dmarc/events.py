"""A parsed report to its events: what identifies them and where they come from.

The key of the fact is the report's identity (org, report_id, policy domain, begin, end) with the hash of its
content, and the row's ordinal. So the same report gives the same events by whatever channel and however often
it comes, and the same identity with other content gives others. `occurred_at` is the start of the span.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from processors.dmarc.report import ParsedReport
from schemas.dmarc import DmarcRecordReported, DmarcReportParsed

TOPIC = "dmarc.records"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a report's events take from the document it came in, and from what was told before it."""

    tenant: str
    recorded_at: int
    source: str
    channel: str | None
    receipt_id: str
    is_conflict: bool = False


def identity_of(report: ParsedReport) -> str:
    """What makes it this report and no other, as a JSON list; two that share it are a repeat or a conflict."""
    parts = (report.org_name, report.report_id, report.policy_domain, report.begin, report.end)
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def key_of(report: ParsedReport) -> str:
    """The key of the report as a fact: its identity and its content."""
    return f"{identity_of(report)}@{report.content_hash}"


def topic_key(report: ParsedReport, tenant: str) -> str:
    """The key its records go under."""
    return f"{tenant}/{report.policy_domain}"


def report_event(report: ParsedReport, provenance: Provenance) -> DmarcReportParsed:
    """The report itself."""
    key = key_of(report)
    return DmarcReportParsed(
        **_common(report, provenance),
        event_id=DmarcReportParsed.id_of(provenance.tenant, key),
        source_event_id=key,
        format=report.format,
        records=len(report.rows),
        messages=sum(row["count"] for row in report.rows),
        is_partial=report.is_partial,
        **report.about,
    )


def record_fields(report: ParsedReport, provenance: Provenance) -> Iterator[dict[str, Any]]:
    """The fields of each DmarcRecordReported, valid as they are: for encoding without checking again."""
    common = _common(report, provenance)
    key = key_of(report)
    for row in report.rows:
        row_key = f"{key}#{row['ordinal']}"
        event_id = DmarcRecordReported.id_of(provenance.tenant, row_key)
        yield {**common, **row, "event_id": event_id, "source_event_id": row_key}


def _common(report: ParsedReport, provenance: Provenance) -> dict[str, Any]:
    return {
        "tenant": provenance.tenant,
        "occurred_at": report.begin,
        "recorded_at": provenance.recorded_at,
        "source": provenance.source,
        "channel": provenance.channel,
        "org_name": report.org_name,
        "report_id": report.report_id,
        "policy_domain": report.policy_domain,
        "begin": report.begin,
        "end": report.end,
        "content_hash": report.content_hash,
        "receipt_id": provenance.receipt_id,
        "is_conflict": provenance.is_conflict,
    }
