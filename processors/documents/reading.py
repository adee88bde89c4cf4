"""A received document to what became of it: the one place that the pipeline and `mailwake inspect` share."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

from processors.dmarc.events import Provenance, identity_of
from processors.dmarc.report import NotAReport, ParsedReport, parse_report
from processors.dmarc.seen import SeenReports
from processors.documents.limits import Limits
from processors.documents.unpack import Member, unpack
from processors.mails.read import read_mail
from processors.mails.settings import MailSettings
from processors.origin import Hashed, Origin
from processors.webhooks.read import read_webhook
from processors.webhooks.tables import PROVIDERS
from schemas.documents import DocumentKind, DocumentProcessed, DocumentReceived, Outcome
from schemas.erased import knowing_stand_ins
from schemas.keyring import NO_KEYS, TenantKeys
from schemas.mail import MailEvent
from schemas.recipient import InvalidAddress, recipient_hash

PARSER_VERSION = 3
"""Counted up whenever the same bytes may give other events than before."""
OUTCOMES = "documents.outcomes"
REASON_CHARACTERS = 1000
HOOK_CHANNELS = ("hook", "sns", "eventbridge")
"""How a webhook's body comes; its source says whose it is."""
MOST_WARNINGS = 100
"""Warnings kept of one document: a batch may hold thousands of events that are not understood."""

_HASHES_KEPT = 16_384

Hashing = Callable[[str], Hashed]
"""A tenant to how its addresses are hashed."""


@dataclass(frozen=True, slots=True)
class ReadingSettings:
    """What documents are read with."""

    limits: Limits = field(default_factory=Limits)
    mails: MailSettings = field(default_factory=MailSettings)


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one document: its outcome, and what it tells."""

    processed: DocumentProcessed
    report: ParsedReport | None = None
    """The DMARC report in it, where that has something new to tell."""
    provenance: Provenance | None = None
    events: tuple[MailEvent, ...] = ()
    """What it tells of messages."""


@dataclass(frozen=True, slots=True)
class _Finding:
    """What one member is, before anybody asks whether it was told before."""

    member: str | None
    kind: DocumentKind
    outcome: Outcome
    report: ParsedReport | None = None
    warnings: tuple[str, ...] = ()
    reason: str | None = None
    events: tuple[MailEvent, ...] = ()


class DocumentReader:
    """Reads documents of any kind and any tenant. Reports are told to `seen` in passing."""

    def __init__(
        self,
        settings: ReadingSettings | None = None,
        hashing: Hashing | None = None,
        seen: SeenReports | None = None,
    ) -> None:
        """`hashing` gives how a tenant's addresses are hashed; without it recipients stay unnamed."""
        self._settings = settings or ReadingSettings()
        self._seen = seen or SeenReports()
        self._hashing = hashing or partial(hasher, NO_KEYS)

    def read(self, document: DocumentReceived, content: bytes) -> Iterator[Reading]:
        """Everything found in a document, in order; at least one reading.

        `content` is the document's bytes, wherever they are kept. What is nothing we know is told only when nothing
        else was found.
        """
        if document.source in PROVIDERS and document.channel in HOOK_CHANNELS:
            yield self._told(document, 0, self._webhook(document, content))
            return
        ordinal = 0
        stranger: _Finding | None = None
        for finding in self._findings(document, content):
            if finding.outcome == "rejected" and finding.reason is None:
                stranger = finding if stranger is None or finding.kind == "mail" else stranger
                continue
            yield self._told(document, ordinal, finding)
            ordinal += 1
        if ordinal == 0:
            reason = "nothing in it is a DMARC report, a bounce, a complaint or an auto-reply"
            if stranger is not None and stranger.warnings:
                reason = f"{reason}: {stranger.warnings[0]}"
            kind: DocumentKind = "unknown" if stranger is None else stranger.kind
            yield self._told(document, 0, _Finding(None, kind, "rejected", reason=reason))

    def _findings(self, document: DocumentReceived, content: bytes) -> Iterator[_Finding]:
        records = 0
        tellers: list[str | None] = []
        for member in unpack(content, self._settings.limits):
            if member.form == "mail":
                if not any(_within(path, member.member) for path in tellers):
                    yield self._mail(document, member)
                continue
            finding = _report_finding(member, self._settings.limits.records - records)
            records += len(finding.report.rows) if finding.report else 0
            if finding.kind == "dmarc-aggregate":
                tellers.append(finding.member)
            yield finding

    def _mail(self, document: DocumentReceived, member: Member) -> _Finding:
        reading = read_mail(member.content, self._origin(document), self._settings.mails)
        warnings = (*member.warnings, *member.damage, *reading.warnings)
        if reading.kind == "mail" and not reading.events:
            said = reading.reason or "an ordinary mail"
            return _Finding(member.member, "mail", "rejected", warnings=(said,))
        if not reading.events:
            return _Finding(member.member, reading.kind, "rejected", warnings=warnings, reason=reading.reason)
        outcome: Outcome = "partial" if reading.is_partial else "parsed"
        return _Finding(member.member, reading.kind, outcome, warnings=warnings, events=reading.events)

    def _webhook(self, document: DocumentReceived, content: bytes) -> _Finding:
        reading = read_webhook(document.source, content, self._origin(document))
        odd = reading.not_understood
        passed_over = tuple(f"passed over: {what}" for what in reading.ignored)
        warnings = (*reading.warnings, *(f"not understood: {what}" for what in odd), *passed_over)
        if odd and not reading.events:
            reason = f"not understood: {'; '.join(odd)}"
            return _Finding(None, "webhook", "rejected", warnings=reading.warnings, reason=reason)
        outcome: Outcome = "partial" if odd else "parsed"
        return _Finding(None, "webhook", outcome, warnings=warnings, events=reading.events)

    def _origin(self, document: DocumentReceived) -> Origin:
        hashed = self._hashing(document.tenant)
        return Origin(
            document.tenant,
            document.source,
            document.channel,
            document.occurred_at,
            document.recorded_at,
            knowing_stand_ins(hashed),
        )

    def _told(self, document: DocumentReceived, ordinal: int, finding: _Finding) -> Reading:
        report = finding.report
        if report is None:
            # A copy lacks who was taken out of it; what the document told of messages it told when it came.
            events = () if document.is_copy else _under(document.from_domain, finding.events)
            return Reading(_processed(document, ordinal, finding), events=events)
        told = self._seen.tell(
            document.tenant, report.policy_domain, report.begin, identity_of(report), report.content_hash
        )
        if told == "duplicate":
            reason = f"report {report.report_id} of {report.org_name} was told before"
            finding = replace(finding, outcome="duplicate", report=None, reason=reason)
            return Reading(_processed(document, ordinal, finding))
        if told == "conflict":
            reason = (
                f"another report {report.report_id} of {report.org_name} with other content was told before"
            )
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


def unreadable(document: DocumentReceived, reason: str, outcome: Outcome = "rejected") -> Reading:
    """The reading of a document whose bytes can't be had."""
    return Reading(_processed(document, 0, _Finding(None, "unknown", outcome, reason=reason)))


def hasher(keys: TenantKeys, tenant: str) -> Hashed:
    """How a tenant's addresses are hashed, by the key it has now."""
    key = keys.hashing_key(tenant)
    return _no_hash if key is None else _hashed_by(key)


@lru_cache(maxsize=256)
def _hashed_by(key: bytes) -> Callable[[str], str | None]:
    @lru_cache(maxsize=_HASHES_KEPT)
    def hashed(address: str) -> str | None:
        try:
            return recipient_hash(key, address)
        except InvalidAddress:
            return None

    return hashed


def _no_hash(address: str) -> None:
    """Nobody's key."""


def _under(from_domain: str | None, events: tuple[MailEvent, ...]) -> tuple[MailEvent, ...]:
    """The events, those that name no From domain under this one."""
    if from_domain is None:
        return events
    return tuple(
        event if event.from_domain else event.model_copy(update={"from_domain": from_domain})
        for event in events
    )


def _within(path: str | None, mail: str | None) -> bool:
    return mail is None or path == mail or (path or "").startswith(f"{mail}/")


def _strange(content: bytes) -> str:
    """What there is to say of what is of no form."""
    if not content.strip():
        return "it is empty"
    if content.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "it is a file of Microsoft's own format, as Outlook's .msg: save the mail as .eml"
    return "it is no mail, no XML and nothing packed"


def _report_finding(member: Member, max_records: int) -> _Finding:
    if member.reason is not None:
        return _Finding(member.member, "unknown", "rejected", warnings=member.warnings, reason=member.reason)
    if member.form is None:
        return _Finding(member.member, "unknown", "rejected", warnings=(_strange(member.content),))
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
        records=len(finding.report.rows) if finding.report else len(finding.events),
        warnings=_bounded(finding.warnings),
        reason=finding.reason[:REASON_CHARACTERS] if finding.reason else None,
        parser_version=PARSER_VERSION,
    )


def _bounded(warnings: Iterable[str]) -> tuple[str, ...]:
    kept = tuple(warnings)
    if len(kept) <= MOST_WARNINGS:
        return kept
    return (*kept[:MOST_WARNINGS], f"and {len(kept) - MOST_WARNINGS} more")
