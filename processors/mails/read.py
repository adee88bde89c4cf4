"""A mail to the events it tells: the one door to this package."""

from dataclasses import dataclass, replace
from typing import Literal

from processors.mails.addresses import addresses_in, without_xtext
from processors.mails.autoreplies import (
    answering,
    is_auto_reply,
    is_called_automatic,
    is_challenge,
    is_marked,
    is_to_many,
)
from processors.mails.entities import Mail
from processors.mails.events import (
    Telling,
    auto_reply_event,
    complaint_events,
    envelope_addresses,
    outcome_events,
    unsubscribe_event,
)
from processors.mails.failures import (
    ENOUGH,
    action_of,
    has_empty_sender,
    is_about_failure,
    is_about_others,
    is_asking,
    is_by_daemon,
    is_by_machine,
    outcomes_of,
    score_of,
)
from processors.mails.feedback import REPORT_TYPES, feedback_in
from processors.mails.notes import Note, note_of
from processors.mails.phrases import FAILURES, is_told
from processors.mails.settings import MailSettings
from processors.mails.status import STATUS_TYPES, is_only_codes, looks_like_status, notice_of
from processors.mails.told import Notice, Outcome, codes_of, has_code
from processors.mails.words import Words
from processors.origin import Origin
from schemas.mail import MailEvent

MailKind = Literal["dsn", "bounce", "feedback-report", "auto-reply", "mail"]


@dataclass(frozen=True, slots=True)
class MailReading:
    """What a mail is, and the events it tells."""

    kind: MailKind
    events: tuple[MailEvent, ...]
    warnings: tuple[str, ...] = ()
    """What was odd and put up with."""
    reason: str | None = None
    """Why a mail gives no event."""
    is_partial: bool = False
    """Whether what it tells of somebody is cut."""


def read_mail(content: bytes, origin: Origin, settings: MailSettings = MailSettings()) -> MailReading:  # noqa: B008
    """What these bytes tell, whatever they are: never raises for what a stranger sent."""
    mail = _unwrapped(Mail.of(content))
    note = note_of(mail)
    telling = Telling(mail, content, note.returned, origin, settings)
    status = _status_in(mail, note)
    kind, events = _told(mail, note, status, telling, settings)
    reason = None if events else "a mail that tells nothing of another mail's delivery"
    told = status if status is not None and kind == "dsn" else Notice(())
    warnings = tuple(dict.fromkeys((*mail.warnings, *told.warnings, *telling.warnings)))
    return MailReading(kind, events, warnings, reason, told.is_partial)


def _unwrapped(mail: Mail) -> Mail:
    """The report that a gateway has put into a mail of its own, or the complaint that a host passes on."""
    attached = [leaf for leaf in mail.leaves if leaf.content_type == "message/rfc822"]
    if len(attached) != 1 or (mail.content_type == "multipart/report" and attached[0] is not mail.leaves[0]):
        return mail
    inner = Mail.of(attached[0].content())
    if inner.content_type != "multipart/report":
        return mail
    is_alone = attached[0] is mail.leaves[0] and (len(mail.leaves) == 1 or "report-type" in mail.parameters)
    is_complaint = any(leaf.content_type in REPORT_TYPES for leaf in inner.leaves)
    return inner if is_alone or is_complaint or _is_passed_on(inner, mail) else mail


def _is_passed_on(inner: Mail, mail: Mail) -> bool:
    """Whether a machine's mail passes on a status, as list software does: its note is about the same recipients, or names nobody."""
    if not (is_by_daemon(mail) or is_to_many(mail)):
        return False
    status = next((leaf.content() for leaf in inner.leaves if leaf.content_type in STATUS_TYPES), None)
    if status is None:
        return False
    told = {
        outcome.address.lower()
        for outcome in notice_of(status.decode("utf-8", "replace")).outcomes
        if outcome.address
    }
    named = {address.lower() for address in addresses_in(note_of(mail).text, 100)}
    return bool(told & named) or not named


def _told(
    mail: Mail, note: Note, status: Notice | None, telling: Telling, settings: MailSettings
) -> tuple[MailKind, tuple[MailEvent, ...]]:
    if status is not None and not _is_challenge(status, note):
        return "dsn", tuple(outcome_events(status, telling))
    feedback = feedback_in(mail, note)
    if feedback is not None:
        return "feedback-report", tuple(complaint_events(feedback, telling))
    notice = Notice(tuple(outcomes_of(mail, note))) if _is_bounce(mail, note) else Notice(())
    if notice.outcomes and not _is_about_nobody(notice, mail, note, telling):
        return "bounce", tuple(outcome_events(notice, telling))
    named = _unsubscribing(mail, settings)
    if named is not None:
        return "mail", (unsubscribe_event(named, telling),)
    if status is not None or is_auto_reply(mail, note):
        by = status.outcomes[0].address if status is not None else answering(mail)
        return "auto-reply", (auto_reply_event(telling, by),)
    return "mail", ()


def _unsubscribing(mail: Mail, settings: MailSettings) -> dict[str, str] | None:
    """What the address names that this mail unsubscribes by; None where it does not.

    Apple Mail marks its own as automatic answers; any other automatic answer to such an address is one.
    """
    addresses = envelope_addresses(mail)
    named = next((found for one in addresses if (found := settings.unsubscribe_of(one)) is not None), None)
    if mail.fields.get("x-apple-unsubscribe").strip().lower() == "true":
        return named or {}
    return None if is_marked(mail) and "unsubscribe" not in mail.fields.get("subject").lower() else named


def _is_bounce(mail: Mail, note: Note) -> bool:
    """Failures and automatic answers look alike: systems mark both as answers, and people answer that they are away."""
    if "x-failed-recipients" in mail.fields:
        return True
    score = score_of(mail, note)
    if score < ENOUGH or not is_by_machine(mail, note) or is_about_others(note) or is_asking(mail, note):
        return False
    if is_by_daemon(mail) and is_about_failure(mail):
        return True
    if is_called_automatic(mail) and is_auto_reply(mail, note) and not (note.has_cut or has_code(note.text)):
        return False  # Who looks after a mail system, and is called by it, goes on holiday as well.
    if note.returned.is_report and not (is_by_daemon(mail) or has_empty_sender(mail)):
        return False  # Somebody asks about a bounce, and has attached it.
    if not is_by_daemon(mail) and is_marked(mail):
        return False
    return score > ENOUGH + 1 or not is_auto_reply(mail, note) or is_by_daemon(mail)


def _is_about_nobody(notice: Notice, mail: Mail, note: Note, telling: Telling) -> bool:
    """Whether nothing but its words makes it a bounce: fraud is written so, to make somebody follow its links."""
    if telling.named or telling.likely_verp:
        return False
    if any(outcome.address for outcome in notice.outcomes):
        return _is_list_of_bounces(notice, mail, note)
    is_sent_by_machine = has_empty_sender(mail) or (
        "return-path" not in mail.fields and "auto-submitted" in mail.fields
    )
    has_reply = has_code(note.text) and is_by_daemon(mail)
    return not (is_sent_by_machine or note.has_cut or note.returned.message_id or has_reply)


def _is_list_of_bounces(notice: Notice, mail: Mail, note: Note) -> bool:
    """Whether it is about what has bounced, as daily reports are: by no mail system, returning no message, of several recipients."""
    if has_empty_sender(mail) or is_by_daemon(mail) or "x-failed-recipients" in mail.fields:
        return False
    if note.has_cut or note.returned.message_id:
        return False
    domains = {outcome.address.rpartition("@")[2].lower() for outcome in notice.outcomes if outcome.address}
    return len(domains) > 1 or (len(notice.outcomes) > 1 and "return-path" in mail.fields)


def _status_in(mail: Mail, note: Note) -> Notice | None:
    """The delivery status in a mail, in the words of its note where it has no better ones."""
    for leaf in mail.leaves:
        if leaf.content_type in STATUS_TYPES:
            notice = notice_of(leaf.content().decode("utf-8", "replace"))
            if notice.outcomes:
                return _worded(notice, note, mail)
    for leaf in mail.leaves:
        if leaf.is_text and leaf.content_type != "text/html":
            text = leaf.text()
            if looks_like_status(text):
                notice = notice_of(text)
                if any(outcome.address for outcome in notice.outcomes):
                    return _worded(notice, note, mail)
    return None


def _is_challenge(status: Notice, note: Note) -> bool:
    """Whether what has the form of a failure asks for a proof only: no server's reply, no words of a failure."""
    replied = any(codes_of(one.words, None, one.action).smtp for one in status.outcomes)
    return not replied and is_challenge(note) and not is_told(FAILURES, note.text[:4000])


def _worded(notice: Notice, note: Note, mail: Mail) -> Notice:
    words = Words(note.text, len(notice.outcomes))
    to = note.returned.recipients
    mailed_to = to[0] if len(to) == 1 and not note.returned.is_list else None
    outcomes = []
    for outcome in notice.outcomes:
        if outcome.is_unsaid:
            outcomes.append(_guessed(outcome, words, note, mail))
            continue
        if not outcome.words or is_only_codes(outcome.words):
            near = words.about(outcome.address)
            outcome = replace(outcome, words="\n".join(filter(None, (outcome.words, near))) or None)
        address = words.mailed(outcome.address) or (mailed_to if len(notice.outcomes) == 1 else None)
        if address and "+" in address and (plain := without_xtext(address)).lower() in map(str.lower, to):
            address = plain
        outcomes.append(replace(outcome, address=address))
    return replace(notice, outcomes=tuple(outcomes))


def _guessed(outcome: Outcome, words: Words, note: Note, mail: Mail) -> Outcome:
    """What became of a recipient of whom the status says nothing, by what the note says of the same one, and no other."""
    address = words.whole(outcome.address, note.returned.recipients)
    near = None if outcome.words and not is_only_codes(outcome.words) else words.near(address)
    said = "\n".join(filter(None, (outcome.words, near))) or None
    action = action_of(mail.fields.words("subject"), note.text)
    return replace(outcome, address=words.mailed(address), words=said, action=action)
