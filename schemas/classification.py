"""What a failure means: topic `mail.classified`, keyed as the event that it is about.

The response stays what it is in its own event. What it means is an event of its own under (event id, ruleset), so that
another ruleset can tell history anew beside this one.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.mail import Hash, Provider, Stream, Text
from schemas.record import Event, EventId, MailDomain, Word

BounceClass = Literal[
    "bad_mailbox", "policy", "content", "reputation", "throttling", "transient", "not_a_bounce", "unknown"
]
"""Why it failed, in a word."""

Scope = Literal["recipient", "message", "ip", "domain", "tenant"]
"""What the failure is about, and so what else will fail the same way."""

Action = Literal["suppress", "retry", "throttle", "pause", "fix", "review", "none"]
"""What the sender should do about it."""

Ruleset = Annotated[str, StringConstraints(max_length=64, pattern=r"^[\w.-]+$")]
"""A ruleset's name: the day it was made, as in 2026-11-30."""


class BounceClassified(Event):
    """What a bounce, deferral or expiry means by one ruleset."""

    classified_event_id: EventId
    """The event that it is about."""
    classified_kind: Literal["bounced", "deferred", "expired"]
    """What that event is."""
    ruleset: Ruleset
    """Which rules said so."""
    bounce_class: BounceClass
    """bad_mailbox, policy, content, reputation, throttling, transient, not_a_bounce, unknown."""
    leaf: Word
    """Which of its class: unknown, quota, auth, dnsbl, greylist and so on."""
    address_fatal: bool
    """Whether nobody should be mailed at this address any more, once it has happened often enough."""
    after: Annotated[int, Field(ge=1, le=16)] = 1
    """How many such facts make it so."""
    message_fatal: bool
    """Whether this message should not be tried again."""
    scope: Scope
    """recipient, message, ip, domain or tenant."""
    action: Action
    """suppress, retry, throttle, pause, fix, review or none."""
    rule: Word
    """The rule that matched."""
    message_id: Text | None = None
    """RFC 5322 Message-ID of the message, as the event has it."""
    provider_message_id: Text | None = None
    """The ESP's or MTA's own id for it."""
    recipient_hash: Hash | None = None
    """Keyed hash of the recipient's address."""
    recipient_domain: MailDomain | None = None
    """The domain of the recipient's address."""
    mx_host: MailDomain | None = None
    """The host that refused."""
    provider: Provider = "other"
    """The mailbox provider behind it, by MX where the event names none."""
    from_domain: MailDomain | None = None
    """The domain of the From header."""
    ip: Annotated[str, StringConstraints(max_length=45)] | None = None
    """The sending IP address."""
    stream: Stream = "other"
    """transactional, marketing, cold or other."""
    campaign: Word | None = None
    """The campaign it belongs to."""

    @classmethod
    def key_of(cls, event_id: str, ruleset: str) -> str:
        """The key of the fact: which event, by which rules."""
        return f"{event_id}/{ruleset}"
