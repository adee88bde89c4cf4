"""The domains of an event as producers write them, to the one form they are kept and grouped in.

Only what programs tell is held to it (the Emitter, `mailwake emit`, the HTTP intake): what is in the log already, and what
others' documents say, is read as it stands.
"""

from collections.abc import Mapping
from typing import Any

from schemas.mailbox import named_domain
from schemas.recipient import InvalidAddress
from schemas.record import InvalidEvent

FIELDS = ("from_domain", "mail_from_domain", "dkim_domain", "recipient_domain")


def other_domains(record: str, fields: Mapping[str, Any]) -> dict[str, str]:
    """Those of an event's domains that are kept in another form than they were given. Raises InvalidEvent for what is none.

    An address literal may stand for a recipient's domain.
    """
    others: dict[str, str] = {}
    for name in FIELDS:
        value = fields.get(name)
        if not isinstance(value, str) or (name == "recipient_domain" and value.startswith("[")):
            continue
        try:
            domain = named_domain(value)
        except InvalidAddress as error:
            raise InvalidEvent(record, name, value, str(error)) from None
        if domain != value:
            others[name] = domain
    return others
