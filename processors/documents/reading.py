"""A received document to what became of it: the one place that the pipeline and `mailwake inspect` share."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from processors.dmarc.events import Provenance, identity_of
from processors.dmarc.report import NotAReport, ParsedReport, parse_report
from processors.dmarc.seen import SeenReports
from processors.documents.limits import Limits
from processors.documents.unpack import Member, unpack
from schemas.documents import DocumentKind, DocumentProcessed, DocumentReceived, Outcome

PARSER_VERSION = 1
"""Counted up whenever the same bytes may give other events than before."""
OUTCOMES = "documents.outcomes"
REASON_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one document: its outcome, and its report where there is something to tell."""

    processed: DocumentProcessed
    report: ParsedReport | None = None
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class _Finding:
    """What one member is, before anybody asks whether it was told before."""

    member: str | None
    kind: DocumentKind
    outcome: Outcome
    report: ParsedReport | None = None
    warnings: tuple[str, ...] = ()
    reason: str | None = None


def read_document(
    document: DocumentReceived, content: bytes, limits: Limits, seen: SeenReports
) -> Iterator[Reading]:
    """Everything found in a document, in order; at least one reading.

    `content` is the document's bytes, wherever they are kept. What is no report is told only when nothing
    else was found. A report is told to `seen` in passing.
    """
    ordinal = 0
    stranger: _Finding | None = None
    for finding in _findings(content, limits):
        if finding.kind == "unknown" and finding.outcome == "rejected" and finding.reason is None:
            stranger = stranger or finding
            continue
        yield _told(document, ordinal, finding, seen)
        ordinal += 1
    if ordinal == 0:
        reason = "nothing in it is a DMARC aggregate report"
        if stranger is not None and stranger.warnings:
            reason = f"{reason}: {stranger.warnings[0]}"
        yield _told(document, 0, _Finding(None, "unknown", "rejected", reason=reason), seen)


def unreadable(document: DocumentReceived, reason: str) -> Reading:
    """The reading of a document whose bytes can't be had."""
    return Reading(_processed(document, 0, _Finding(None, "unknown", "rejected", reason=reason)))


def _findings(content: bytes, limits: Limits) -> Iterator[_Finding]:
    records = 0
    for member in unpack(content, limits):
        finding = _finding(member, limits.records - records)
        records += len(finding.report.rows) if finding.report else 0
        yield finding


def _finding(member: Member, max_records: int) -> _Finding:
    if member.reason is not None:
        return _Finding(member.member, "unknown", "rejected", warnings=member.warnings, reason=member.reason)
    if member.form is None:
        return _Finding(member.member, "unknown", "rejected", warnings=("it is neither XML nor packed",))
    try:
        report = parse_report(member.content, max_records)
    except NotAReport as error:
        if not error.is_aggregate and member.member is not None and not member.damage:
            return _Finding(member.member, "unknown", "rejected", warnings=(f"{member.member}: {error}",))
        kind: DocumentKind = "dmarc-aggregate" if error.is_aggregate else "unknown"
        reason = "; ".join((*member.damage, str(error)))
        return _Finding(member.member, kind, "rejected", warnings=member.warnings, reason=reason)
    if member.damage:
        report = replace(report, is_partial=True)
    warnings = (*member.warnings, *member.damage, *report.warnings)
    return _Finding(
        member.member, "dmarc-aggregate", "partial" if report.is_partial else "parsed", report, warnings
    )


def _told(document: DocumentReceived, ordinal: int, finding: _Finding, seen: SeenReports) -> Reading:
    report = finding.report
    if report is None:
        return Reading(_processed(document, ordinal, finding))
    told = seen.tell(
        document.tenant, report.policy_domain, report.begin, identity_of(report), report.content_hash
    )
    if told == "duplicate":
        reason = f"report {report.report_id} of {report.org_name} was told before"
        return Reading(
            _processed(document, ordinal, replace(finding, outcome="duplicate", report=None, reason=reason))
        )
    if told == "conflict":
        reason = f"another report {report.report_id} of {report.org_name} with other content was told before"
        finding = replace(finding, outcome="conflict", reason=reason)
    provenance = Provenance(
        document.tenant,
        document.recorded_at,
        document.source,
        document.channel,
        document.receipt_id,
        told == "conflict",
    )
    return Reading(_processed(document, ordinal, finding), report, provenance)


def _processed(document: DocumentReceived, ordinal: int, finding: _Finding) -> DocumentProcessed:
    key = f"{document.receipt_id}/{ordinal}"
    return DocumentProcessed(
        event_id=DocumentProcessed.id_of(document.tenant, key),
        tenant=document.tenant,
        occurred_at=document.occurred_at,
        recorded_at=document.recorded_at,
        source=document.source,
        channel=document.channel,
        source_event_id=key,
        receipt_id=document.receipt_id,
        sha256=document.sha256,
        member=finding.member,
        ordinal=ordinal,
        kind=finding.kind,
        outcome=finding.outcome,
        records=len(finding.report.rows) if finding.report else 0,
        warnings=finding.warnings,
        reason=finding.reason[:REASON_CHARACTERS] if finding.reason else None,
        parser_version=PARSER_VERSION,
    )
