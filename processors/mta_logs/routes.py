"""What records of the same way have in common: worked out once, since most mail goes the ways that mail before it went."""

from typing import NamedTuple

from processors.classification.providers import provider_of
from processors.mta_logs.facts import header_domain, ip, mail_domain, text
from processors.mta_logs.taking import LogSettings, Row

_MOST = 20_000


class Way(NamedTuple):
    """What tells one way from another, as the log has it; in the order that `Routes` is asked by."""

    recipient_domain: str | None
    mail_from_domain: str | None
    header_from: str
    host: str
    address: str
    pool: str
    campaign: str


class Routes(dict[tuple[str | None, str | None, str, str, str, str, str], Row]):
    """The fields of events by the way, for records that tell all of it."""

    def __init__(self, settings: LogSettings) -> None:
        super().__init__()
        self._settings = settings

    def __missing__(self, way: tuple[str | None, str | None, str, str, str, str, str]) -> Row:
        told = Way._make(way)
        mx_host = mail_domain(told.host)
        if len(self) >= _MOST:
            self.clear()
        self[way] = found = {
            "recipient_domain": told.recipient_domain,
            "mail_from_domain": told.mail_from_domain,
            "from_domain": header_domain(told.header_from) or self._from_domain(told.mail_from_domain),
            "mx_host": mx_host,
            "provider": provider_of(mx_host, told.recipient_domain),
            "ip": ip(told.address),
            "pool": text(told.pool, 256),
            "campaign": text(told.campaign, 256),
        }
        return found

    def _from_domain(self, mail_from: str | None) -> str | None:
        # A message without envelope-from is a notification of the server's own: the default is not for it.
        if mail_from is None:
            return None
        return mail_from if self._settings.from_envelope else self._settings.from_domain
