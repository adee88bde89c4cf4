"""From what a mail tells to the events it makes: ids of the fact's own key, and no address in clear anywhere."""

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256

from processors.classification.providers import provider_of
from processors.mails.addresses import addresses_in, domain_of, forms_of, from_verp
from processors.mails.entities import Mail
from processors.mails.moments import moment_of
from processors.mails.returned import Returned
from processors.mails.settings import MailSettings
from processors.mails.told import Notice, Outcome, codes_of
from processors.origin import Origin
from schemas.mail import (
    MailEvent,
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    without_addresses,
)

ENVELOPE_FIELDS = (
    "to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-rcpt-to", "x-delivered-to",
    "apparently-to", "x-forwarded-to", "original-recipient", "resent-to",
)  # fmt: skip
"""Where the address that a mail came to stands, VERP or not."""
WORDS_CHARACTERS = 4096

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
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
        addresses = [*envelope_addresses(mail), *([returned.mail_from] if returned.mail_from else [])]
        self.named = next((found for one in addresses if (found := settings.verp_of(one)) is not None), {})
        """What a VERP pattern of the settings names."""
        self.verp = from_verp(self.named)
        """The recipient by VERP: by a pattern of the settings only."""
        self.likely_verp = None if self.verp else next(filter(None, map(_generic_verp, addresses)), None)
        """The recipient by what looks like VERP though no setting says so: for want of anything else."""

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
        self, kind: type[MailEvent], key: tuple[str | None, ...], address: str | None, **fields: object
    ) -> MailEvent:
        """One event. `key` is the fact's own key, without the recipient: that is put last, as its hash."""
        hashed = self.origin.hashed(address) if address else None
        if hashed is None and address is None and "recipient_hash" in self.named:
            hashed = self.named["recipient_hash"].lower()
        domain = domain_of(address)
        mx_host = fields.pop("mx_host", None)
        scrub = Scrub(address, hashed)
        if isinstance(fields.get("response"), str):
            fields["response"] = scrub.words(str(fields["response"])) or None
        message_id = (
            fields.pop("message_id", None) or self.named.get("message_id") or self.returned.message_id
        )
        campaign = self.named.get("campaign") or self.returned.campaign
        source_key = "/".join([*(scrub.text(part or "") for part in key), hashed or ""])
        return kind(
            tenant=self.origin.tenant,
            source=self.origin.source,
            channel=self.origin.channel,
            recorded_at=self.origin.recorded_at,
            source_event_id=source_key
            if len(source_key) <= 2048
            else sha256(source_key.encode()).hexdigest(),
            recipient_hash=hashed,
            recipient_domain=domain,
            message_id=_bounded(scrub.text(str(message_id)), 1024) if message_id else None,
            provider_message_id=_bounded(scrub.text(self.named.get("provider_message_id", "")), 1024),
            mx_host=mx_host,
            provider=provider_of(str(mx_host) if mx_host else None, domain),
            from_domain=self.returned.from_domain,
            mail_from_domain=domain_of(self.returned.mail_from),
            dkim_domain=self.returned.dkim_domain,
            dkim_selector=_bounded(scrub.text(self.returned.dkim_selector or ""), 256),
            campaign=_bounded(without_addresses(scrub.text(campaign or "")), 256),
            **fields,
        )

    def subject_of_fact(self) -> str:
        """What names the message in keys where it has neither envelope id nor Message-ID: the mail itself."""
        return sha256(self._content).hexdigest()


class Scrub:
    """Takes one recipient's address out of texts, however it is written there."""

    def __init__(self, address: str | None, hashed: str | None) -> None:
        self._hash = hashed or "address"
        self._forms = forms_of(address) if address and "@" in address else ()
        self._encoded = tuple(_encodings(address)) if self._forms else ()

    def text(self, text: str) -> str:
        """An id, a campaign: the hash stands for the address."""
        return self._replaced(_CONTROL.sub("", text), self._hash).strip()

    def words(self, words: str) -> str:
        """A receiver's words: `<address>` stands for every address."""
        if len(words) > 2 * WORDS_CHARACTERS:
            words = words[: 2 * WORDS_CHARACTERS].rpartition(" ")[0] or words[:WORDS_CHARACTERS]
        clear = without_addresses(self._replaced(_CONTROL.sub(" ", words), "<address>"))
        return clear.replace("<<address>>", "<address>")[:WORDS_CHARACTERS].strip()

    def _replaced(self, text: str, by: str) -> str:
        if not self._forms:
            return text
        lower = text.lower()
        for form in self._forms:
            if form in lower:
                text = re.sub(re.escape(form), lambda _: by, text, flags=re.IGNORECASE)
                lower = text.lower()
        for encoded in self._encoded:
            if encoded in text:
                text = text.replace(encoded, by)
        return text


def _encodings(address: str | None) -> Iterator[str]:
    for written in {address or "", (address or "").lower()}:
        octets = written.encode("utf-8", "replace")
        yield b64encode(octets).decode().rstrip("=")
        yield b64encode(octets, b"-_").decode().rstrip("=")
        yield octets.hex()


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


def events_of(notice: Notice, telling: Telling) -> list[MailEvent]:
    """One event for each recipient that the notice tells of; the same told twice is one."""
    date = telling.mail.fields.get("date")
    subject = notice.envelope_id or telling.named.get("message_id") or telling.returned.message_id
    subject = subject or telling.subject_of_fact()
    arrived = moment_of(notice.arrival, 0) if notice.arrival else None
    arrival = str(arrived) if arrived is not None else None
    events: dict[str, MailEvent] = {}
    for outcome in _by_verp(notice.outcomes, telling):
        codes = codes_of(outcome.words, outcome.status, outcome.action)
        key = ("dsn", subject, outcome.action, _status_word(outcome.status), arrival)
        fields: dict[str, object] = {
            "occurred_at": telling.at(outcome.at, date, notice.arrival),
            "response": outcome.words,
            "mx_host": _mx_of(outcome, notice),
        }
        match outcome.action:
            case "failed":
                kind: type[MailEvent] = MessageBounced
                fields |= {"smtp_code": codes.smtp, "enhanced_code": codes.enhanced, "is_async": True}
            case "delayed":
                kind = MessageDeferred
                fields |= {"smtp_code": codes.smtp, "enhanced_code": codes.enhanced}
            case _:
                kind = MessageDelivered
                fields["smtp_code"] = codes.smtp
        event = telling.event(kind, key, outcome.address, **fields)
        events.setdefault(event.event_id, event)
    return list(events.values())


def _status_word(status: str | None) -> str:
    return (status or "").strip().split(" ")[0][:16]


def _by_verp(outcomes: tuple[Outcome, ...], telling: Telling) -> Iterator[Outcome]:
    """VERP names the recipient that the sender mailed; who else is named was forwarded to by the receiver."""
    verp = telling.verp
    if verp is None:
        if telling.likely_verp and len(outcomes) == 1 and outcomes[0].address is None:
            yield _of(outcomes[0], telling.likely_verp)
            return
        yield from outcomes
        return
    same = [one for one in outcomes if one.address and one.address.lower() == verp.lower()]
    yield from same or [_of(one, verp) for one in outcomes[:1]]


def _of(outcome: Outcome, address: str) -> Outcome:
    return Outcome(address, outcome.action, outcome.status, outcome.words, outcome.mx_host, outcome.at)


def _mx_of(outcome: Outcome, notice: Notice) -> str | None:
    """Who refused: the remote MTA; where there is none, the reporting one if it is the recipient's own."""
    if outcome.mx_host is not None:
        return outcome.mx_host
    reporting, domain = notice.reporting_mta, domain_of(outcome.address)
    if reporting is None:
        return None
    is_own = domain is not None and (reporting == domain or reporting.endswith("." + domain))
    return reporting if is_own or provider_of(reporting, None) != "other" else None
