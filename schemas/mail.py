"""The message lifecycle: topic `mail.events`, keyed by tenant and From domain.

Response texts hold no address: each is replaced by `<address>` when the event is made. The recipient is its keyed hash.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from schemas.record import Count, Event, MailDomain, MailMillis, Word, now_ms

Stream = Literal["transactional", "marketing", "cold", "other"]
"""What kind of mail: receivers judge each by its own standards, and so do we."""

Provider = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$")]
"""The mailbox provider that receives: one of PROVIDERS, or `other`. By MX, not by recipient domain."""

PROVIDERS = (
    "gmail", "microsoft", "yahoo", "apple", "unitedinternet", "comcast", "mimecast", "proofpoint", "barracuda",
    "messagelabs", "mailru", "yandex", "zoho", "qq", "netease", "naver", "orange", "free", "libero", "tonline",
    "ovh", "secureserver", "rackspace", "fastmail", "proton", "other",
)  # fmt: skip

_ATOM = r"[^\s<>@,;:()\[\]\"]"
_QUOTED, _COMMENT = r'"[^"\r\n]{0,128}+"', r"\([^()\r\n]{0,128}+\)"
_LITERAL, _NAME = r"\[[^\]\s<>]{1,64}\]", r"[\w-]{1,63}(?:\.[\w-]{1,63}){0,63}"
_ADDRESS = re.compile(
    rf"<?(?:{_ATOM}{{1,64}}+|{_QUOTED}|{_COMMENT}){{1,4}}@(?:{_COMMENT})?(?:{_LITERAL}|{_NAME})>?"
)
_ESCAPED_HINT = re.compile(r"[%=+]40|&#0*64;|&#x0*40;|\\u0040", re.IGNORECASE).search
# `=40` and `+40` (xtext, RFC 3461, 4) stand in numbers as well (`rate=400/h`, `delay=40ms`, `+4021`): what follows it has to look like a domain.
_ESCAPED = re.compile(
    rf"<?(?:{_ATOM}{{1,64}}|{_QUOTED})(?:(?:%40|&#0*64;|&#x0*40;|\\u0040)(?:{_LITERAL}|{_NAME})"
    rf"|[=+]40(?:{_LITERAL}|{_NAME}\.(?:xn--[a-z0-9-]{{2,59}}|[^\W\d_]{{1,63}})\b|[^\W\d_][\w-]{{3,62}}))>?",
    re.IGNORECASE,
)


def without_addresses(response: str) -> str:
    """A server's words with each address in them replaced by `<address>`: events hold none in clear.

    Local parts may be quoted or have a comment, domains may be literals and need no dot; rather too much is replaced
    (`user@host` in a program's text) than too little.
    """
    if "@" in response:
        response = _ADDRESS.sub("<address>", response)
    if ("40" in response or "64;" in response) and _ESCAPED_HINT(response):
        response = _ESCAPED.sub("<address>", response)
    return response


NO_COMPLAINT = ("not-spam", "auth-failure", "virus")
"""Feedback types (RFC 5965, 7.3; RFC 6430; RFC 6591) that are no recipient's wish to be left alone."""

Hash = Annotated[str, StringConstraints(min_length=1, max_length=128)]
SmtpCode = Annotated[int, Field(ge=100, le=999)]
EnhancedCode = Annotated[str, StringConstraints(pattern=r"^[245]\.[0-9]{1,3}\.[0-9]{1,3}$")]
Response = Annotated[
    str, StringConstraints(max_length=4096), AfterValidator(lambda words: without_addresses(words)[:4096])
]
Text = Annotated[str, StringConstraints(max_length=1024)]


class MailEvent(Event):
    """What every event of a message's life can say about the message, its recipient and its route."""

    occurred_at: MailMillis = Field(default_factory=now_ms)
    """When it happened, by the source's clock; now, unless given."""
    message_id: Text | None = None
    """RFC 5322 Message-ID, with its angle brackets; null where the source redacts it."""
    provider_message_id: Text | None = None
    """The ESP's or MTA's own id for the message."""
    recipient_hash: Hash | None = None
    """Keyed hash of the normalised address (first 32 hex digits of HMAC-SHA256); null where redacted."""
    recipient_domain: MailDomain | None = None
    """The domain of the recipient's address."""
    mx_host: MailDomain | None = None
    """The host that received, or refused, the message."""
    provider: Provider = "other"
    """The mailbox provider behind the MX."""
    from_domain: MailDomain | None = None
    """The domain of the From header (RFC5322.From)."""
    mail_from_domain: MailDomain | None = None
    """The domain of the envelope-from (RFC5321.MailFrom)."""
    dkim_domain: MailDomain | None = None
    """d= of the signature that counts."""
    dkim_selector: Word | None = None
    """s= of that signature."""
    ip: Annotated[str, StringConstraints(max_length=45)] | None = None
    """The sending IP address, textual."""
    pool: Word | None = None
    """The IP pool it was sent from."""
    region: Word | None = None
    """The region it was sent from."""
    stream: Stream = "other"
    """transactional, marketing, cold or other."""
    campaign: Word | None = None
    """The campaign it belongs to."""

    def key(self) -> str:
        """What it is keyed by in its topic: its sending domain; without one, the message's own id."""
        return f"{self.tenant}/{self.from_domain or self.message_id or self.provider_message_id or self.event_id}"


class MessageSent(MailEvent):
    """The platform accepted a message and handed it to an MTA or ESP."""

    subject_hash: Hash | None = None
    """Hash of the subject."""
    size: Count | None = None
    """Bytes of the message."""
    content_fingerprint: Hash | None = None
    """Hash of what the message says, without what is personal to the recipient."""
    spf_aligned: bool | None = None
    """Whether SPF alignment is expected (RFC 9989, 4.4)."""
    dkim_aligned: bool | None = None
    """Whether DKIM alignment is expected."""
    dmarc_expected: bool | None = None
    """Whether DMARC is expected to pass."""


class MessageDelivered(MailEvent):
    """The receiving server accepted the message."""

    smtp_code: SmtpCode | None = None
    """The reply code (RFC 5321, 4.2)."""
    response: Response | None = None
    """The server's words, addresses replaced."""
    latency_ms: Count | None = None
    """Milliseconds from acceptance by the platform to acceptance by the receiver."""
    tls_version: Word | None = None
    """TLSv1.3, TLSv1.2, ...; null when in clear or unknown."""


class MessageDeferred(MailEvent):
    """A temporary failure: it will be tried again."""

    smtp_code: SmtpCode | None = None
    """The reply code."""
    enhanced_code: EnhancedCode | None = None
    """The enhanced status code (RFC 3463)."""
    response: Response | None = None
    """The server's words, addresses replaced."""
    attempt: Count = 1
    """Which attempt this was, from 1."""


class MessageBounced(MailEvent):
    """A permanent failure, in the session or told later by a DSN."""

    smtp_code: SmtpCode | None = None
    """The reply code."""
    enhanced_code: EnhancedCode | None = None
    """The enhanced status code (RFC 3463)."""
    response: Response | None = None
    """The server's words, addresses replaced."""
    is_async: bool = False
    """True when a DSN told it after the session."""


class MessageDropped(MailEvent):
    """Never attempted."""

    reason: Literal["suppressed", "invalid", "policy", "rendering", "other"] = "other"
    """Why."""
    listed_for: Literal["bounce", "complaint", "unsubscribe"] | None = None
    """Where a suppression list of the provider's stopped it and the provider says why that holds the address: why."""


class MessageExpired(MailEvent):
    """Given up after retries."""

    attempts: Count | None = None
    """How many attempts were made."""


class ComplaintReceived(MailEvent):
    """A recipient's spam report, by ARF (RFC 5965) or the ESP."""

    feedback_type: Word = "abuse"
    """abuse, fraud, virus, other, not-spam, auth-failure, opt-out, miscategorized."""
    user_agent: Text | None = None
    """Who generated the report."""
    incidents: Annotated[int, Field(ge=1, le=2**63 - 1)] = 1
    """How many reports this stands for (RFC 5965, 3.2)."""


class MessageOpened(MailEvent):
    """The message's images were fetched."""

    user_agent: Text | None = None
    """Of the fetch."""
    is_machine: bool | None = None
    """A privacy proxy or scanner rather than a person."""


class LinkClicked(MailEvent):
    """A link in the message was followed."""

    url_hash: Hash | None = None
    """Hash of the link's target."""
    user_agent: Text | None = None
    """Of the request."""
    is_machine: bool | None = None
    """A scanner rather than a person."""


class RecipientUnsubscribed(MailEvent):
    """The recipient wants no more of this."""

    method: Literal["one-click", "link", "mailto", "list", "other"] = "other"
    """How it was said (one-click: RFC 8058)."""


class RecipientResubscribed(MailEvent):
    """The recipient wants it again."""

    method: Literal["one-click", "link", "mailto", "list", "other"] = "other"
    """How it was said."""


class AutoReplyReceived(MailEvent):
    """A vacation notice and the like: never a bounce."""


MAIL_EVENTS: tuple[type[MailEvent], ...] = (
    MessageSent,
    MessageDelivered,
    MessageDeferred,
    MessageBounced,
    MessageDropped,
    MessageExpired,
    ComplaintReceived,
    MessageOpened,
    LinkClicked,
    RecipientUnsubscribed,
    RecipientResubscribed,
    AutoReplyReceived,
)
