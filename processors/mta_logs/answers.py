"""A server's answer as logs quote it: reply code, enhanced status code, words without addresses."""

import re
from typing import NamedTuple

from schemas.mail import without_addresses

LONGEST = 4096
_ANSWER = re.compile(r"(?:smtp;\s*)?([2-5]\d\d)(?:[ -]+#?([245]\.\d{1,3}\.\d{1,3})\b)?")
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}").fullmatch


class Answer(NamedTuple):
    """What a server said."""

    smtp_code: int | None
    enhanced_code: str | None
    response: str | None


def answer_of(said: str, recipient: str = "") -> Answer:
    """The answer in a text that begins with it; the recipient's address in it is replaced, whatever it looks like."""
    found = _ANSWER.match(said)
    words = said
    if "@" in said:
        if recipient and recipient in said:
            words = words.replace(f"<{recipient}>", "<address>").replace(recipient, "<address>")
        words = without_addresses(words)
    response = words[:LONGEST] or None
    if found is None:
        return Answer(None, None, response)
    return Answer(int(found[1]), found[2], response)


def enhanced(code: str | None) -> str | None:
    """An enhanced status code as events hold it (RFC 3463), None for what is none."""
    return code if code and _ENHANCED(code) else None
