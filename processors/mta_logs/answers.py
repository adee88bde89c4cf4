"""A server's answer as logs quote it: reply code, enhanced status code, words without addresses."""

import re
from typing import NamedTuple

from schemas.mail import without_addresses

LONGEST = 4096
_ANSWER = re.compile(r"(?:smtp;\s*)?([2-5]\d\d)(?:[ -]+#?([245]\.\d{1,3}\.\d{1,3})\b)?").match
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}").fullmatch


class Answer(NamedTuple):
    """What a server said."""

    smtp_code: int | None
    enhanced_code: str | None
    response: str | None


def answer_of(said: str, recipient: str = "") -> Answer:
    """The answer in a text that begins with it; the recipient's address in it is replaced, whatever it looks like."""
    found = _ANSWER(said)
    if found is None:
        return Answer(None, None, cleaned(said, recipient))
    return Answer(int(found[1]), found[2], cleaned(said, recipient))


def cleaned(said: str, recipient: str = "") -> str | None:
    """The same text as events hold it: addresses replaced, cut where it is too long; None for an empty one."""
    if "@" in said and recipient and recipient in said:
        said = said.replace(f"<{recipient}>", "<address>").replace(recipient, "<address>")
    return without_addresses(said)[:LONGEST] or None


def enhanced(code: str | None) -> str | None:
    """An enhanced status code as events hold it (RFC 3463), None for what is none."""
    return code if code and _ENHANCED(code) else None
