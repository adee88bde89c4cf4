"""The rows of events about Postfix's messages: what is known of a message, and the key that a fact of it is told by."""

from processors.mta_logs.facts import Facts
from processors.mta_logs.open_messages import OpenMessage
from processors.mta_logs.taking import LogSettings, Row
from schemas.mail import MailEvent, MessageSent


class PostfixRows:
    """Makes rows, for one tenant."""

    def __init__(self, settings: LogSettings, facts: Facts) -> None:
        self._settings, self._facts = settings, facts

    def row(
        self,
        record: type[MailEvent],
        at: int,
        identity: str,
        message: OpenMessage,
        hashed: str | None,
        domain: str | None,
        rest: str,
    ) -> Row:
        """An event of the message with this queue id to this recipient at `at` (ms); `rest` ends its fact's key."""
        mail_from = message.mail_from
        source = f"{identity}/{hashed}/{at}/{rest}"[:2048]
        row: Row = {
            "occurred_at": at,
            "source_event_id": source,
            "event_id": self._facts.id_of(record, source),
            "provider_message_id": identity,
            "message_id": message.message_id,
            "recipient_hash": hashed,
            "recipient_domain": domain,
            "mail_from_domain": mail_from,
            "from_domain": message.from_domain or self._settings.from_domain_of(mail_from),
        }
        if message.dkim_domain:
            row["dkim_domain"], row["dkim_selector"] = message.dkim_domain, message.dkim_selector
        return row

    def sent(
        self,
        message: OpenMessage,
        at: int,
        delay_s: float,
        identity: str,
        hashed: str | None,
        domain: str | None,
    ) -> Row:
        """MessageSent before a first attempt at `at`: at its first line, or `delay_s` before where that is not known."""
        since = message.first if message.first < at or message.size is not None else at - int(delay_s * 1000)
        since = since if at - since < self._settings.longest_open_ms * 10 else at
        row = self.row(MessageSent, since, identity, message, hashed, domain, "sent")
        row["size"] = message.size
        return row
