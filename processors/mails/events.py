"""From what a mail tells to the events it makes: ids of the fact's own key, and no address in clear anywhere."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from hashlib import sha256

from processors.classification.providers import provider_of
from processors.mails.addresses import address_in, addresses_in, domain_of, from_verp
from processors.mails.autoreplies import answered_id
from processors.mails.entities import Mail
from processors.mails.feedback import Feedback
from processors.mails.moments import moment_of
from processors.mails.returned import Returned, message_id_of
from processors.mails.scrub import Scrub
from processors.mails.settings import MailSettings
from processors.mails.told import Notice, Outcome, codes_of
from processors.origin import Origin
from schemas.mail import (
    AutoReplyReceived,
    ComplaintReceived,
    MailEvent,
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    RecipientUnsubscribed,
    without_addresses,
)

ENVELOPE_FIELDS = (
    "to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-rcpt-to", "x-delivered-to",
    "apparently-to", "x-forwarded-to", "original-recipient", "resent-to",
)  # fmt: skip
"""Where the address that a mail came to stands, VERP or not."""
KEY_CHARACTERS = 2048

_GENERIC_VERP = re.compile(
    r"[A-Za-z0-9._-]{0,60}?(?:bounce|return|owner|request|admin|errors?|verp)[A-Za-z0-9._]{0,40}[+-](?:[A-Za-z0-9]{1,40}-)?"
    r"(?P<local>[A-Za-z0-9._+-]{1,64})=(?P<domain>[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})@.{1,253}",
    re.I,
)


class Telling:
    """What all events that one mail tells have in common."""

    def __init__(
        self, mail: Mail, content: bytes, returned: Returned, origin: Origin, settings: MailSettings
    ) -> None:
        self.mail, self.returned, self.origin = mail, returned, origin
        self.warnings: list[str] = []
        self._content = content
        addresses = envelope_addresses(mail)
        if returned.mail_from:
            addresses.append(returned.mail_from)
        self.named = next((found for one in addresses if (found := settings.verp_of(one)) is not None), {})
        """What a VERP pattern of the settings names."""
        self.verp = from_verp(self.named)
        """The recipient by VERP: by a pattern of the settings only."""
        self.likely_verp = None if self.verp else next(filter(None, map(_generic_verp, addresses)), None)
        """The recipient by what looks like VERP though no setting says so: for want of anything else."""

    @cached_property
    def _sent_to(self) -> tuple[tuple[str | None, str | None], ...]:
        """Whom the message was sent to, with their hashes: its ids may hold them though another address failed."""
        return tuple((one, self.origin.hashed(one)) for one in self.returned.recipients[:5])

    def at(self, *candidates: str | None) -> int:
        """The first of these dates that is one, ms; when the document came where none is."""
        for candidate in candidates:
            if not candidate or not candidate.strip():
                continue
            moment = moment_of(candidate, max(self.origin.occurred_at, self.origin.recorded_at))
            if moment is not None:
                return moment
            self.warnings.append("a date that is absurd, or none: went by another")
        return self.origin.occurred_at

    def event(
        self, kind: type[MailEvent], key: tuple[str | None, ...], address: str | None, **told: object
    ) -> MailEvent:
        """One event of what is told; what is None there is taken from the returned message.

        `key` is the fact's own key, without the recipient: that is put last, as its hash.
        """
        hashed = (
            self.origin.hashed(address) if address else self.named.get("recipient_hash", "").lower() or None
        )
        scrub = Scrub((address, hashed), *self._sent_to)
        source_key = "/".join([*(scrub.text(part or "") for part in key), hashed or ""])
        fields: dict[str, object] = {
            "recipient_domain": domain_of(address),
            "message_id": self.named.get("message_id") or self.returned.message_id,
            "provider_message_id": self.named.get("provider_message_id"),
            "from_domain": self.returned.from_domain,
            "mail_from_domain": domain_of(self.returned.mail_from),
            "dkim_domain": self.returned.dkim_domain,
            "dkim_selector": self.returned.dkim_selector,
            "campaign": self.named.get("campaign") or self.returned.campaign,
        }
        fields |= {name: value for name, value in told.items() if value is not None}
        for name, limit in (("message_id", 1024), ("provider_message_id", 1024), ("dkim_selector", 256)):
            fields[name] = _bounded(scrub.text(str(fields[name] or "")), limit)
        for name, limit in (("campaign", 256), ("user_agent", 1024)):
            if name in fields:
                fields[name] = _bounded(without_addresses(scrub.text(str(fields[name] or ""))), limit)
        if "response" in fields:
            fields["response"] = scrub.words(str(fields["response"])) or None
        if "provider" not in fields:
            mx, domain = fields.get("mx_host"), fields["recipient_domain"]
            fields["provider"] = provider_of(str(mx) if mx else None, str(domain) if domain else None)
        return kind(
            tenant=self.origin.tenant,
            source=self.origin.source,
            channel=self.origin.channel,
            recorded_at=self.origin.recorded_at,
            source_event_id=source_key if len(source_key) <= KEY_CHARACTERS else _digest(source_key.encode()),
            recipient_hash=hashed,
            **fields,
        )

    def subject_of_fact(self) -> str:
        """What names the message in keys where it has neither envelope id nor Message-ID: the mail itself."""
        return _digest(self._content)


def envelope_addresses(mail: Mail) -> list[str]:
    """The addresses that a mail came to."""
    found: dict[str, None] = {}
    for name in ENVELOPE_FIELDS:
        for value in mail.fields.all(name)[:5]:
            found.update(dict.fromkeys(addresses_in(value.partition(";")[2] or value, 20)))
    return list(found)


def _generic_verp(address: str) -> str | None:
    match = _GENERIC_VERP.fullmatch(address[:320])
    return f"{match['local']}@{match['domain']}" if match else None


def _bounded(text: str, limit: int) -> str | None:
    return text if text and len(text) <= limit else None


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def outcome_events(notice: Notice, telling: Telling) -> list[MailEvent]:
    """One event for each recipient that a notice tells of; the same told twice is one."""
    date = telling.mail.fields.get("date")
    message_id = telling.named.get("message_id") or telling.returned.message_id
    message_id = message_id or message_id_of(notice.message_id or "") or answered_id(telling.mail)
    subject = notice.envelope_id or message_id or telling.subject_of_fact()
    arrived = moment_of(notice.arrival, 0) if notice.arrival else None
    arrival = str(arrived) if arrived is not None else None
    events: dict[str, MailEvent] = {}
    for outcome in _by_verp(notice.outcomes, telling):
        codes = codes_of(outcome.words, outcome.status, outcome.action)
        told: dict[str, object] = {
            "occurred_at": telling.at(outcome.at, date, notice.arrival),
            "message_id": message_id,
            "response": outcome.words,
            "mx_host": _mx_of(outcome, notice),
            "smtp_code": codes.smtp,
        }
        match outcome.action:
            case "failed":
                kind: type[MailEvent] = MessageBounced
                told |= {"enhanced_code": codes.enhanced, "is_async": True}
            case "delayed":
                kind = MessageDeferred
                told["enhanced_code"] = codes.enhanced
            case _:
                kind = MessageDelivered
        key = ("dsn", subject, outcome.action, _status_word(outcome.status), arrival)
        event = telling.event(kind, key, outcome.address, **told)
        events.setdefault(event.event_id, event)
    return list(events.values())


def _status_word(status: str | None) -> str:
    return (status or "").strip().split(" ")[0][:16]


def _by_verp(outcomes: tuple[Outcome, ...], telling: Telling) -> Iterator[Outcome]:
    """VERP names the recipient that the sender mailed; who else is named was forwarded to by the receiver."""
    verp = telling.verp
    if verp is None:
        if telling.likely_verp and len(outcomes) == 1 and outcomes[0].address is None:
            yield replace(outcomes[0], address=telling.likely_verp)
            return
        yield from outcomes
        return
    same = [one for one in outcomes if one.address and one.address.lower() == verp.lower()]
    yield from same or [replace(one, address=verp) for one in outcomes[:1]]


def _mx_of(outcome: Outcome, notice: Notice) -> str | None:
    """Who refused: the remote MTA; where there is none, the reporting one if it is the recipient's own."""
    if outcome.mx_host is not None:
        return outcome.mx_host
    reporting, domain = notice.reporting_mta, domain_of(outcome.address)
    if reporting is None:
        return None
    is_own = domain is not None and (reporting == domain or reporting.endswith("." + domain))
    return reporting if is_own or provider_of(reporting, None) != "other" else None


def complaint_events(feedback: Feedback, telling: Telling) -> list[MailEvent]:
    """One ComplaintReceived for each recipient, or one of nobody; an opt-out is an unsubscription as well."""
    reporter = domain_of(address_in(telling.mail.fields.get("from")))
    message_id = feedback.message_id or telling.named.get("message_id")
    subject = (
        message_id
        or (telling.verp or telling.named.get("provider_message_id"))
        or feedback.feedback_id
        or telling.subject_of_fact()
    )
    told: dict[str, object] = {
        "occurred_at": telling.at(telling.mail.fields.get("date"), feedback.arrival),
        "message_id": message_id,
        "mail_from_domain": domain_of(feedback.mail_from),
        "ip": feedback.ip,
        "mx_host": feedback.mx_host,
        "from_domain": telling.returned.from_domain or feedback.reported_domain,
    }
    recipients: tuple[str | None, ...] = (telling.verp,) if telling.verp else feedback.recipients
    events: list[MailEvent] = []
    for address in recipients or (telling.likely_verp,):
        domain = domain_of(address) or feedback.recipient_domain
        by_domain = provider_of(None, domain)
        provider = by_domain if by_domain != "other" else provider_of(feedback.mx_host or reporter, None)
        told |= {"recipient_domain": domain, "provider": provider}
        key = ("arf", reporter, feedback.kind, subject)
        events.append(
            telling.event(
                ComplaintReceived,
                key,
                address,
                **told,
                feedback_type=feedback.kind,
                user_agent=feedback.user_agent,
                incidents=feedback.incidents,
            )
        )
        if feedback.kind.startswith("opt-out"):
            events.append(telling.event(RecipientUnsubscribed, key, address, **told, method="other"))
    return events


def auto_reply_event(telling: Telling, by: str | None) -> MailEvent:
    """The AutoReplyReceived of an automatic answer: its recipient is who answers."""
    fields = telling.mail.fields
    answered = answered_id(telling.mail)
    own = fields.get("message-id").strip() or telling.subject_of_fact()
    return telling.event(
        AutoReplyReceived,
        ("auto-reply", answered or "", own),
        telling.verp or by or telling.likely_verp,
        occurred_at=telling.at(fields.get("date")),
        message_id=answered,
    )


def unsubscribe_event(named: dict[str, str], telling: Telling) -> MailEvent:
    """The RecipientUnsubscribed of a mail to an address of List-Unsubscribe (RFC 2369, 3.2)."""
    fields = telling.mail.fields
    address = from_verp(named) or (None if "recipient_hash" in named else address_in(fields.get("from")))
    telling.named = {**telling.named, **named}
    own = fields.get("message-id").strip() or telling.subject_of_fact()
    return telling.event(
        RecipientUnsubscribed,
        ("mailto", own),
        address,
        occurred_at=telling.at(fields.get("date")),
        method="mailto",
    )
