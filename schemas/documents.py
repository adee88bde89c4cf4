"""Documents as received, what became of them, and records that could not be understood."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from schemas.mail import without_addresses
from schemas.record import Count, Event, Long, MailDomain, Word

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(max_length=4096), AfterValidator(without_addresses)]
"""A name that somebody else gave, addresses in it replaced by `<address>`: what is not sealed holds none."""
Said = Annotated[str, AfterValidator(without_addresses)]
"""What is said about a document, which may quote it; addresses in it replaced by `<address>`."""

DocumentKind = Literal[
    "dmarc-aggregate",
    "dsn",
    "bounce",
    "feedback-report",
    "auto-reply",
    "mail",
    "webhook",
    "mta-log",
    "unknown",
]
"""A DSN is RFC 3464's; a bounce any other mail that tells of a failure; a mail one that tells nothing of the kind."""
Outcome = Literal["parsed", "partial", "rejected", "duplicate", "conflict", "forgotten"]


class DocumentReceived(Event):
    """A report, mail or webhook body, whole, before anyone interprets it. Topic `documents`.

    Up to 512 KiB travel inline in `content`; larger ones are in the blob store under tenant/sha256, and
    `content` is null.
    """

    receipt_id: Word
    """Names this receipt: the same bytes received twice are two receipts."""
    sha256: Sha256
    """Of the bytes as received; where they are sealed, HMAC-SHA256 under the tenant's key: none can be tried against it."""
    size: Count
    """Bytes as received."""
    content: bytes | None = None
    """The bytes; null when they are in the blob store."""
    name: Name | None = None
    """File name or subject it came under."""
    content_type: Name | None = None
    """The media type its channel claimed."""
    from_domain: MailDomain | None = None
    """The From domain of what it tells, where that names none: its intake's default."""
    erased: Count = 0
    """How many recipients were taken out of it since it came."""
    is_copy: bool = False
    """Whether it stands in for an earlier record of this receipt, whose facts were told when that came."""


class DocumentProcessed(Event):
    """What became of a document, or of one member of an archive or mail. Topic `documents.outcomes`."""

    receipt_id: Word
    """The receipt it belongs to."""
    sha256: Sha256
    """Of the received bytes the document was found in."""
    member: Name | None = None
    """Where in an archive or mail it was found; null when the document is the whole."""
    ordinal: Count = 0
    """Which of the receipt's documents this is, from 0."""
    kind: DocumentKind
    """What it was recognised as."""
    outcome: Outcome
    """parsed | partial (see warnings) | rejected (see reason) | duplicate | conflict | forgotten."""
    records: Count = 0
    """How many records it gave; a duplicate gives none."""
    warnings: tuple[Said, ...] = ()
    """What was odd and put up with."""
    reason: Said | None = None
    """Why it was rejected, or what it conflicts with."""
    parser_version: Annotated[int, Field(ge=1, le=2**63 - 1)]
    """Which version of the parser said so."""


class DeadLetter(Event):
    """A record that could not be understood. Topic `dead.letters`; its origin still has the whole of it."""

    origin_topic: Word
    """Where it was read."""
    origin_partition: Count
    """Its partition there."""
    origin_offset: Count
    """Its offset there."""
    stage: Word
    """The stage that could not understand it."""
    reason: Said
    """Why not."""
    schema_id: Long | None = None
    """The schema id it claimed, where it is framed at all."""
    size: Count
    """Bytes of the record."""
    content: bytes
    """At most the first 64 KiB of it, sealed with its tenant's key; empty where there is none.

    In clear from `tail`, which replaces addresses, and of `reputation.deltas`, which name nobody.
    """

    @classmethod
    def key_of(cls, topic: str, partition: int, offset: int) -> str:
        """The key of the fact: where it was read."""
        return f"{topic}/{partition}/{offset}"
