"""What a mail tells, before it is made into events: of whom, what became of it, and in whose words."""

import re
from dataclasses import dataclass
from typing import Literal

Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]
"""RFC 3464, 2.3.3."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message for one recipient."""

    address: str | None
    """The recipient as the sender wrote it, where the mail tells; None where it does not."""
    action: Action
    status: str | None = None
    """The enhanced status code as the mail gives it in a field of its own."""
    words: str | None = None
    """The receiver's words, else the text about this recipient."""
    mx_host: str | None = None
    """The host that refused or took the message."""
    at: str | None = None
    """When it happened, as the mail writes it."""
    is_unsaid: bool = False
    """Whether a delivery status has neither Action nor Status for it, as where it is cut: `action` is a guess."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What one mail tells of one message."""

    outcomes: tuple[Outcome, ...]
    envelope_id: str | None = None
    reporting_mta: str | None = None
    arrival: str | None = None
    """When the message came to the reporting MTA, as the mail writes it."""
    message_id: str | None = None
    """The message's id, where the mail tells it apart from the message (X-Original-Message-ID)."""
    warnings: tuple[str, ...] = ()

    @property
    def is_partial(self) -> bool:
        """Whether what became of somebody is missing."""
        return any(outcome.is_unsaid for outcome in self.outcomes)


_ENHANCED = re.compile(r"(?<![\d.])([245])\.([0-7])\.(\d{1,3})(?![\d]|\.\d)")
_VERSION = re.compile(
    r"(?:exim|version|ver\.?|release|\bpro|mailserver|mdaemon|\bv|postfix|courier|[a-z]/|[a-z]-)\s{0,3}\(?$",
    re.I,
)
_REPLY = re.compile(
    r"(?:^|(?:said|error|smtp|esmtp|code|remote|reply|response|returned|status)[^0-9a-z]{1,20}|[;>\"']\s{0,5}|<<< ?|:\s{1,5}|[^\W\d_]:(?=\d{3} )|：\s{0,5}|\n\s{0,20})"
    r"#?([45][0-5]\d)(?=[ \-:,;\])\"']|$)(?:[ \-]?#?([245]\.\d{1,3}\.\d{1,3})(?![\d.]))?",
    re.I,
)
_CODE_WITH_ENHANCED = re.compile(r"(?<![\d.])([45][0-5]\d)[ \-]{1,2}\(?#?([245]\.\d{1,3}\.\d{1,3})(?![\d.])")


def has_code(words: str) -> bool:
    """Whether a text has an enhanced code, or a reply code where a reply has one."""
    return _enhanced_in(words[:4096]) is not None or _REPLY.search(words[:4096]) is not None


def _enhanced_in(words: str) -> str | None:
    """The first enhanced code in a text; what follows the name of a program is its version."""
    for found in _ENHANCED.finditer(words):
        if not _VERSION.search(words[max(0, found.start() - 16) : found.start()]):
            return found.group(0)
    return None


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of a reply."""

    smtp: int | None
    enhanced: str | None


def codes_of(words: str | None, status: str | None, action: Action) -> Codes:
    """The reply code and enhanced code (RFC 3463) that a receiver's words and a Status field give.

    What the receiver says of itself counts for more than the Status, which reporting MTAs make up (x.0.0) where they
    know no better.
    """
    smtp, said = _said(words or "")
    field = _enhanced_in(status or "")
    enhanced = field
    if (
        said
        and (field is None or field.endswith(".0.0") or said[0] == field[0])
        and not said.endswith(".0.0")
    ):
        enhanced = said
    if enhanced is None:
        enhanced = said
    if smtp is None and status:
        bare = re.match(r"\s*([45][0-5]\d)\b", status)
        smtp = int(bare.group(1)) if bare else None
    if enhanced is not None and enhanced[0] == "2" and action in ("failed", "delayed"):
        enhanced = None
    return Codes(smtp, enhanced)


def _said(words: str) -> tuple[int | None, str | None]:
    words = words[:4096]
    both = _CODE_WITH_ENHANCED.search(words)
    if both:
        return int(both.group(1)), both.group(2)
    reply = _REPLY.search(words)
    return (
        int(reply.group(1)) if reply else None,
        (reply.group(2) if reply else None) or _enhanced_in(words),
    )
