"""Who is not to be mailed any more: topics `suppressions.evidence` and `suppressions`, keyed by recipient.

Evidence is what speaks for or against a suppression, whoever brings it; what follows from it is decided in one place, by
when it happened and not by when it came.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from schemas.mail import Hash, Provider, without_addresses
from schemas.record import Event, EventId, MailDomain, Millis, Word

EvidenceKind = Literal["bounce", "complaint", "unsubscribe", "resubscribe", "manual", "import", "lift"]
"""What speaks: a fatal bounce, what the recipient said, what somebody entered, or the wish to lift."""

Reason = Literal["bounce", "complaint", "unsubscribe", "manual", "import"]
"""Why somebody is suppressed."""

SuppressedStream = Literal["all", "transactional", "marketing", "cold", "other"]
"""Which mail a suppression holds for; `all` is every stream."""

Note = Annotated[
    str, StringConstraints(max_length=1024), AfterValidator(lambda words: without_addresses(words)[:1024])
]
"""Somebody's words, addresses in them replaced by `<address>`."""

Who = Annotated[Word, AfterValidator(lambda name: without_addresses(name)[:256])]
"""A person or a program; an address is replaced by `<address>`."""


class SuppressionEvidence(Event):
    """What speaks for or against mailing a recipient. Topic `suppressions.evidence`."""

    kind: EvidenceKind
    """bounce, complaint, unsubscribe, resubscribe, manual, import or lift."""
    recipient_hash: Hash
    """Keyed hash of the recipient's address."""
    recipient_domain: MailDomain | None = None
    """The domain of the recipient's address."""
    stream: SuppressedStream = "all"
    """Which mail it is about."""
    fact_event_id: EventId | None = None
    """The event it was taken from; null where somebody entered it."""
    bounce_class: Word | None = None
    """Of a bounce: its class."""
    leaf: Word | None = None
    """Of a bounce: which of its class."""
    ruleset: Word | None = None
    """Of a bounce: which rules said so."""
    after: Annotated[int, Field(ge=1, le=16)] = 1
    """How many such facts suppress."""
    provider: Provider = "other"
    """The mailbox provider."""
    from_domain: MailDomain | None = None
    """The domain it was mailed from."""
    by: Who | None = None
    """Who entered it: a person or a program, never an address in clear."""
    note: Note | None = None
    """Their reason, in their words."""
    reasons: tuple[Word, ...] = ()
    """Of a lift: which reasons it lifts; bounce, manual and import unless given. Of an import: what its list gives."""


class RecipientSuppressed(Event):
    """A recipient is not to be mailed any more. Topic `suppressions`."""

    recipient_hash: Hash
    """Keyed hash of the recipient's address."""
    recipient_domain: MailDomain | None = None
    """The domain of the recipient's address."""
    stream: SuppressedStream = "all"
    """Which mail it holds for."""
    reason: Reason
    """The strongest of the reasons there are: complaint, unsubscribe, bounce, manual, import."""
    reasons: tuple[Word, ...] = ()
    """All of them, the strongest first."""
    evidence: tuple[str, ...] = ()
    """The ids of the events that led to it, the latest 16, the latest first."""
    bounce_class: Word | None = None
    """Of a bounce: its class."""
    leaf: Word | None = None
    """Of a bounce: which of its class."""
    since: Millis
    """When the first of these events happened."""
    by: Who | None = None
    """Who entered it, where somebody did."""
    note: Note | None = None
    """Their reason, in their words."""
    revision: Annotated[int, Field(ge=1)] = 1
    """Counts up with what is said of this recipient and stream: the highest holds."""


class SuppressionLifted(Event):
    """A recipient may be mailed again. Topic `suppressions`."""

    recipient_hash: Hash
    """Keyed hash of the recipient's address."""
    recipient_domain: MailDomain | None = None
    """The domain of the recipient's address."""
    stream: SuppressedStream = "all"
    """Which mail it holds for."""
    reason: Literal["resubscribed", "lifted"]
    """Whether the recipient said so, or somebody else did."""
    by: Who | None = None
    """Who lifted it."""
    note: Note | None = None
    """Why, in their words."""
    evidence: tuple[str, ...] = ()
    """The ids of the events that led to it."""
    revision: Annotated[int, Field(ge=1)] = 1
    """Counts up with what is said of this recipient and stream: the highest holds."""
