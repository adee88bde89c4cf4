"""Complaints: feedback reports (RFC 5965; for failed authentication RFC 6591) and what was there before them."""

import re
from dataclasses import dataclass

from processors.mails.addresses import address_in, addresses_in, domain_of, host_of, is_unaddressable
from processors.mails.entities import Mail, header_within
from processors.mails.fields import Fields
from processors.mails.notes import Note
from processors.mails.returned import RETURNED_TYPES, Returned, message_id_of

RECIPIENTS = 1000
"""How many recipients of one report are told."""
TYPES = frozenset(
    {
        "abuse",
        "fraud",
        "virus",
        "other",
        "not-spam",
        "auth-failure",
        "opt-out",
        "opt-out-list",
        "miscategorized",
    }
)
"""Feedback types that are known (IANA's registry, and the drafts before it); any other is `other`."""

REPORT_TYPES = frozenset({"message/feedback-report", "text/feedback-report", "message/feedback-reports"})
_HOTMAIL = "x-hmxmroriginalrecipient"
_INLINE = re.compile(r"^[>\s]{0,5}Feedback-Type[ \t]{0,5}:[ \t]{0,5}([\w-]{2,40})[ \t]*$", re.I | re.M)
_COMPANIONS = ("user-agent", "version", "source-ip", "original-mail-from", "original-rcpt-to", "arrival-date", "received-date",
               "reported-domain", "removal-recipient", "original-message-id")  # fmt: skip
_IP = re.compile(
    r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])|(?<![\w:])[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])",
    re.I,
)
_SAYS_COMPLAINT = re.compile(
    r"complaint about message from|\[SpamCop \(|abuse report|feedback report for ip", re.I
)
_REDACTED = re.compile(
    r"redacted|undisclosed|\*{2,}|^x{3,}@|hidden|suppressed|anonymi[sz]ed|^hashed@|^[0-9a-f]{32,64}@|@$", re.I
)


@dataclass(frozen=True, slots=True)
class Feedback:
    """One complaint, maybe of several recipients; addresses are never in an event."""

    kind: str
    user_agent: str | None
    recipients: tuple[str, ...]
    """Empty where they are redacted."""
    recipient_domain: str | None
    """The domain of a redacted recipient."""
    message_id: str | None
    feedback_id: str | None
    """CFBL-Feedback-ID (RFC 9477): the sender's own name for the message."""
    mail_from: str | None
    ip: str | None
    mx_host: str | None
    incidents: int
    arrival: str | None
    reported_domain: str | None


def feedback_in(mail: Mail, note: Note) -> Feedback | None:
    """The complaint in a mail; None where it is none."""
    for leaf in mail.leaves:
        if leaf.content_type in REPORT_TYPES:
            return _of(Fields(leaf.content(512 * 1024).strip(b"\r\n ")), mail, note)
    inline = _INLINE.search(note.text) if "eedback-" in note.text else None
    if inline:
        fields = Fields(note.text[inline.start() :].lstrip("> \n").encode("utf-8", "replace"))
        is_report = mail.parameters.get("report-type", "").lower() == "feedback-report"
        if is_report or any(name in fields for name in _COMPANIONS):
            return _of(fields, mail, note)
    is_without = (
        mail.parameters.get("report-type", "").lower() == "feedback-report" and note.returned.is_there
    )
    if is_without or _is_old_hotmail(mail) or _is_spamcop(mail):
        return _of(Fields(b"Feedback-Type: abuse"), mail, note)
    return None


def _is_old_hotmail(mail: Mail) -> bool:
    """Microsoft's JMRP: the message itself, with a field more, whole or as a part."""
    if _HOTMAIL in mail.fields:
        return True
    return any(_HOTMAIL in header_within(leaf) for leaf in mail.leaves if leaf.content_type in RETURNED_TYPES)


def _is_spamcop(mail: Mail) -> bool:
    sender = domain_of(address_in(mail.fields.get("from"))) or ""
    return sender.endswith("spamcop.net") and "[SpamCop" in mail.fields.get("subject")


def _of(fields: Fields, mail: Mail, note: Note) -> Feedback:
    kind = fields.get("feedback-type").strip().lower().split(";")[0].strip().replace("_", "-") or "abuse"
    named = _named(fields, mail, note.returned)
    clear = [one for one in named if not _REDACTED.search(one)][:RECIPIENTS]
    redacted = next((domain_of(one) for one in named if _REDACTED.search(one)), None)
    ip = _IP.search(
        fields.get("source-ip") or mail.fields.get("subject") if _is_about_ip(fields, mail) else ""
    )
    return Feedback(
        kind if kind in TYPES else "other",
        (fields.get("user-agent").strip() or None),
        tuple(clear),
        None if clear else redacted,
        message_id_of(fields.get("original-message-id")) or note.returned.message_id,
        fields.get("cfbl-feedback-id").strip() or None,
        address_in(fields.get("original-mail-from")) or note.returned.mail_from,
        ip.group(0) if ip else None,
        host_of(fields.get("reporting-mta")),
        _incidents(fields.get("incidents").strip()),
        fields.get("arrival-date") or fields.get("received-date") or None,
        _only_domain(fields.all("reported-domain")),
    )


def _incidents(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 12 and int(value) else 1


def _only_domain(values: list[str]) -> str | None:
    """The reported domain; None where several are, which are then the recipients'."""
    return domain_of(values[0].strip()) if len(values) == 1 and values[0].strip() else None


def _is_about_ip(fields: Fields, mail: Mail) -> bool:
    return bool(fields.get("source-ip")) or _SAYS_COMPLAINT.search(mail.fields.get("subject")) is not None


def _named(fields: Fields, mail: Mail, returned: Returned) -> list[str]:
    """The recipients: as the report names them, else as the returned message does."""
    found: list[str] = []
    for name in ("original-rcpt-to", "removal-recipient", "original-recipient"):
        for value in fields.all(name):
            found += [_first(value)] if _first(value) else []
    if not found:
        found = [one for one in (address_in(mail.fields.get(_HOTMAIL)), returned.hotmail_recipient) if one]
    if not found:
        found = [returned.apparently_to] if returned.apparently_to else []
    if not found:
        # "REDACTED" <postmaster@...> stands for somebody.
        found = [
            one for one in returned.recipients if len(returned.recipients) == 1 and not is_unaddressable(one)
        ]
    return list({one.lower(): one for one in found}.values())


def _first(value: str) -> str:
    """The address in a field; what stands for a redacted one where it is none."""
    named = addresses_in(value.rpartition(";")[2] or value, 5)
    if named:
        return named[-1]
    opened = value.strip().strip("<>")
    return opened if opened.endswith("@") or _REDACTED.search(opened) else ""
