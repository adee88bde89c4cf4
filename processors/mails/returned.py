"""What the message that came back says of itself: whom it was from, how it was signed, which campaign it was."""

import re
from dataclasses import dataclass

from processors.mails.addresses import address_in, addresses_in, domain_of
from processors.mails.entities import Entity, Mail, header_within
from processors.mails.fields import Fields

RETURNED_TYPES = frozenset(
    {
        "message/rfc822",
        "text/rfc822-headers",
        "message/global",
        "message/global-headers",
        "message/rfc822-headers",
    }
)
_FOR = re.compile(r"\sfor\s{1,5}<?([^\s<>@;]{1,128}@[^\s<>@;]{1,253})>?")
_TAG = re.compile(r"(?:^|;)\s{0,50}([ds])\s{0,20}=\s{0,20}([^;\s]{1,253})")
_ID = re.compile(r"<[^<>\s]{1,998}>")
_CAMPAIGN_FIELDS = (
    "x-campaign", "x-campaign-id", "x-campaignid", "x-mailer-campaign", "x-mc-campaign", "x-mailgun-campaign-id",
    "x-cmpgn", "x-job", "x-mailing-id", "x-mailingid",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Returned:
    """The header of the message that a mail is about, as much of it as came back."""

    message_id: str | None = None
    from_domain: str | None = None
    mail_from: str | None = None
    """The envelope sender (Return-Path), where it tells: an address, for VERP; never in an event."""
    dkim_domain: str | None = None
    dkim_selector: str | None = None
    campaign: str | None = None
    recipients: tuple[str, ...] = ()
    """To and Cc, for telling recipients from other addresses; never in an event."""
    senders: frozenset[str] = frozenset()
    """From, Sender, Reply-To, Return-Path in lower case: who surely did not bounce."""
    received_for: str | None = None
    """Whom the last hop took it for, where its Received field tells; never in an event."""
    is_list: bool = False
    """Whether it came through a discussion list: its To is then no recipient."""
    hotmail_recipient: str | None = None
    """X-HmXmrOriginalRecipient, which Microsoft puts into what it reports; never in an event."""
    apparently_to: str | None = None
    """X-Apparently-To, which Yahoo puts into what it takes; never in an event."""
    is_report: bool = False
    """Whether it is a report itself: whom that was to is who mailed, and no recipient."""
    is_there: bool = False

    @classmethod
    def of(cls, fields: Fields) -> "Returned":
        """What these header fields say."""
        return_path = address_in(fields.get("return-path")) or address_in(fields.get("x-envelope-from"))
        domain, selector = _signature(fields)
        senders = {
            address.lower()
            for name in ("from", "sender", "reply-to", "return-path", "errors-to", "x-sender")
            for address in addresses_in(fields.get(name), 20)
        }
        to = tuple(
            address for name in ("to", "cc", "x-original-to", "delivered-to") for value in fields.all(name)[:3]
            for address in addresses_in(value, 200)
        )  # fmt: skip
        return cls(
            message_id_of(fields.get("message-id")),
            domain_of(address_in(fields.get("from"))),
            return_path,
            domain,
            selector,
            _campaign(fields),
            to,
            frozenset(senders),
            _received_for(fields),
            _is_list(fields),
            address_in(fields.get("x-hmxmroriginalrecipient")),
            next(iter(addresses_in(fields.get("x-apparently-to"), 1)), None),
            fields.get("content-type").lstrip().lower().startswith("multipart/report"),
            True,
        )

    @classmethod
    def in_mail(cls, mail: Mail) -> "Returned":
        """What the first returned message in a mail says; nothing where none is there."""
        for leaf in mail.leaves:
            if is_returned(leaf, mail):
                found = cls.of(leaf.fields) if leaf.content_type not in RETURNED_TYPES else cls.in_leaf(leaf)
                if found.message_id or found.from_domain or found.recipients:
                    return found
        return cls()

    @classmethod
    def in_leaf(cls, leaf: Entity) -> "Returned":
        """What a returned message, or the header of one, says."""
        return cls.of(header_within(leaf))


def _is_list(fields: Fields) -> bool:
    if any(
        name in fields for name in ("list-post", "x-beenthere", "x-mailman-version", "newsgroups", "path")
    ):
        return True
    to = (address_in(fields.get("to")) or "").partition("@")[0].lower()
    return bool(to) and f"<{to}." in fields.get("list-id").lower()


def _received_for(fields: Fields) -> str | None:
    for value in fields.all("received")[:6]:
        match = _FOR.search(value[:1000])
        if match:
            return match.group(1)
    return None


def is_returned(leaf: Entity, mail: Mail) -> bool:
    """Whether a leaf holds the returned message, or is it: some put it between boundaries without a header of its part."""
    if leaf.content_type in RETURNED_TYPES:
        return True
    return leaf.fields is not mail.fields and "received" in leaf.fields and "from" in leaf.fields


def message_id_of(value: str) -> str | None:
    """The message id in a field, with its angle brackets; None where it has none that an event can hold."""
    match = _ID.search(value)
    if match:
        return match.group(0)
    bare = value.strip()
    return (
        f"<{bare}>"
        if bare and " " not in bare and "<" not in bare and len(bare) <= 998 and "@" in bare
        else None
    )


def _signature(fields: Fields) -> tuple[str | None, str | None]:
    """d= and s= of the signature that counts: the From domain's, else the first."""
    own = domain_of(address_in(fields.get("from"))) or ""
    first: tuple[str | None, str | None] = (None, None)
    for value in fields.all("dkim-signature")[:10]:
        tags = dict(reversed(_TAG.findall(value)))
        domain = domain_of(tags.get("d"))
        if domain is None:
            continue
        signed = domain, tags.get("s", "")[:256] or None
        if own == domain or own.endswith("." + domain):
            return signed
        if first == (None, None):
            first = signed
    return first


def _campaign(fields: Fields) -> str | None:
    for name in _CAMPAIGN_FIELDS:
        value = fields.words(name).strip()
        if value:
            return value[:256]
    identifiers = fields.get("feedback-id").split(":")
    return identifiers[0].strip()[:256] or None if len(identifiers) > 1 else None
