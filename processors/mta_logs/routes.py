"""What records of the same way have in common: worked out once, since most mail goes the ways that mail before it went."""

from typing import NamedTuple

from processors.classification.providers import provider_of
from processors.mta_logs.facts import header_domain, ip, mail_domain, text, words
from processors.mta_logs.taking import LogSettings, Row

_MOST = 20_000


class Way(NamedTuple):
    """What tells one way from another, as the log has it: texts, or what is made one."""

    recipient_domain: str | None
    mail_from_domain: str | None
    header_from: object
    host: object
    address: object
    pool: object
    campaign: object


Asked = tuple[str | None, str | None, object, object, object, object, object]
"""A way, as it is quickest written."""


class Routes(dict[Asked, Row]):
    """The fields of events by the way, for records that tell all of it."""

    def __init__(self, settings: LogSettings) -> None:
        super().__init__()
        self._settings = settings

    def __missing__(self, way: Asked) -> Row:
        told = Way._make(way)
        mx_host = mail_domain(words(told.host))
        if len(self) >= _MOST:
            self.clear()
        self[way] = found = {
            "recipient_domain": told.recipient_domain,
            "mail_from_domain": told.mail_from_domain,
            "from_domain": header_domain(words(told.header_from))
            or self._settings.from_domain_of(told.mail_from_domain),
            "mx_host": mx_host,
            "provider": provider_of(mx_host, told.recipient_domain),
            "ip": ip(words(told.address)),
            "pool": text(words(told.pool), 256),
            "campaign": text(words(told.campaign), 256),
        }
        return found
