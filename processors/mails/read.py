"""A mail to the events it tells: the one door to this package."""

from dataclasses import dataclass
from typing import Literal

from processors.mails.entities import Mail
from processors.mails.events import Telling, events_of
from processors.mails.returned import Returned
from processors.mails.settings import MailSettings
from processors.mails.status import STATUS_TYPES, looks_like_status, notice_of
from processors.mails.told import Notice
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
    """Why a mail that is about a message gives no event."""


def read_mail(content: bytes, origin: Origin, settings: MailSettings = MailSettings()) -> MailReading:  # noqa: B008
    """What these bytes tell, whatever they are: never raises for what a stranger sent."""
    mail = Mail.of(content)
    status = _status_in(mail)
    if status is not None:
        return _told("dsn", status, mail, content, origin, settings)
    return MailReading("mail", (), mail.warnings)


def _status_in(mail: Mail) -> Notice | None:
    for leaf in mail.leaves:
        if leaf.content_type in STATUS_TYPES:
            notice = notice_of(leaf.content().decode("utf-8", "replace"))
            if notice.outcomes:
                return notice
    for leaf in mail.leaves:
        if leaf.is_text:
            text = leaf.text()
            if looks_like_status(text):
                notice = notice_of(text)
                if notice.outcomes:
                    return notice
    return None


def _told(
    kind: MailKind, notice: Notice, mail: Mail, content: bytes, origin: Origin, settings: MailSettings
) -> MailReading:
    telling = Telling(mail, content, Returned.in_mail(mail), origin, settings)
    events = tuple(events_of(notice, telling))
    return MailReading(
        kind, events, tuple(dict.fromkeys((*mail.warnings, *notice.warnings, *telling.warnings)))
    )
