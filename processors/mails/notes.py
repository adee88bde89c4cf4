"""What a mail says to people, apart from the message it returns."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from processors.mails.entities import Mail
from processors.mails.fields import Fields
from processors.mails.returned import Returned, is_returned

NOTE_CHARACTERS = 48 * 1024
"""How much of what a mail says is read."""
TEXTS = 4
"""How many text parts are read."""

_WHERE_IT_RETURNS = (
    r"^[>\s|]*[-=_*#~+]{2,}[^\n]{0,24}(?:original|returned (?:mail|message)|unsent|undelivered"
    r"|forwarded|source (?:mail|message)|bounced|old message|copy of|body of|message (?:follows|text"
    r"|body|content|header)"
    r"|header|mensaje original|mensagem original|messaggio originale|message d['’ ]?origin"
    r"|ursprüngliche|originalnachricht|исходн|оригинал|元の|原(?:信|邮|郵|始)|附件)",
    r"^[^\n]{0,100}(?:is|follows|attached|below|below this line is|here is|aquí"
    r"|anexa)[^\n]{0,30} (?:a )?copy of (?:the|your|this|all|part|original)",
    r"^[>\s]*(?:the )?(?:original|returned|unsent|old|undelivered|offending|rejected) (?:message|mail"
    r"|text|e-?mail)(?: headers?| details)?(?: was)?(?: as received[^\n]{0,20}| follows?| is attached"
    r"| attached| text| body| below| is included[^\n]{0,20})?\s*(?:[:.(\[-][^\n]{0,40})?$",
    r"^[^\n]{0,40}(?:message|mail) (?:headers?|text|body) (?:follows?|is attached|below)",
    r"^[^\n]{0,60}headers? (?:of|from) (?:the|your) (?:original|message|mail|returned)[^\n]{0,20}",
    r"^[>\s]*received: (?:from|by|\()",
    r"^[>\s]*return-path: ?<",
    r"^[>\s]*mime-version: 1\.0",
    r"^[>\s]*dkim-signature: ",
    r"^[>\s]*delivered-to: [^\s]{1,320}$",
    r"^[>\s]*(?:---- )?start of returned message",
    r"^[>\s]*(?:message|mail) from [^\n]{1,80} follows",
    r"^[>\s]*your (?:original )?(?:message|mail) (?:follows|is attached|reads)",
    r"^[^\n]{0,20}(?:copie|kopie|copia|c[óo]pia)[^\n]{0,30}(?:message|nachricht|mensaje|mensagem"
    r"|messaggio|correo|mail)",
    r"^[>\s]*(?:原(?:始)?(?:邮件|郵件|信件)(?:内容|內容|如下|附)|以下是(?:原|您的原)|元のメッセージ|以下(?:は|に)[^\n]{0,12}(?:元|オリジナル"
    r"|メッセージ))",
)
_HEADER_LINE = re.compile(
    r"[ \t>|]{0,20}(?:received|return-path|from|to|date|message-id|subject|mime-version|delivered-to|dkim-signature|x-[\w-]{1,40})[ \t]{0,5}:",
    re.I,
)
_PREFIX = re.compile(r"^[ \t>|]*")


@dataclass(frozen=True, slots=True)
class Note:
    """What a mail says, and what came back with it."""

    text: str
    """What is said before the message that came back."""
    returned: Returned
    """What that message says of itself, whether it is a part or stands in the text."""
    has_cut: bool
    """Whether a returned message, or the place where one begins, is there."""


def note_of(mail: Mail) -> Note:
    """The note in a mail; its text is empty where it says nothing."""
    said: list[str] = []
    length = 0
    plain = [leaf for leaf in mail.leaves if leaf.is_text and leaf.content_type != "text/html"]
    wants_html = True
    for leaf in mail.leaves:
        if is_returned(leaf, mail):
            if said:
                break
            continue
        if not leaf.is_text or len(said) == TEXTS or length > NOTE_CHARACTERS:
            continue
        if leaf.content_type == "text/html" and (not wants_html or _is_said(plain)):
            continue
        text = leaf.text()[:NOTE_CHARACTERS]
        if text.strip():
            said.append(text)
            length += len(text)
            wants_html = False
    text, rest = _cut("\n\n".join(said)[:NOTE_CHARACTERS])
    returned = Returned.in_mail(mail)
    is_part = returned.is_there or any(is_returned(leaf, mail) for leaf in mail.leaves)
    if not returned.is_there and rest:
        returned = _inline(rest)
    return Note(text, returned, is_part or bool(rest))


def _is_said(plain: list[Any]) -> bool:
    return any(leaf.end - leaf.start > 40 for leaf in plain)


@lru_cache(maxsize=1)
def _cuts() -> Any:
    import re2

    options = re2.Options()
    options.case_sensitive = False
    return re2.compile("(?m)" + "|".join(f"(?:{one})" for one in _WHERE_IT_RETURNS), options)


def _cut(text: str) -> tuple[str, str]:
    """What is said, and what comes back after it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for match in _cuts().finditer(text):
        # A list of what is attached is said before what it lists.
        if " as well as " not in match.group(0):
            return text[: match.start()], text[match.start() :]
    return text, ""


def _inline(rest: str) -> Returned:
    lines = rest.split("\n")[:600]
    start = next((at for at, line in enumerate(lines) if _HEADER_LINE.match(line)), None)
    if start is None:
        return Returned()
    prefix = len(_PREFIX.match(lines[start]).group(0))  # type: ignore[union-attr]
    header: list[str] = []
    for line in lines[start:]:
        stripped = line[prefix:] if not line[:prefix].strip(" \t>|") else line
        if not stripped.strip():
            break
        header.append(stripped)
    return Returned.of(Fields("\n".join(header).encode("utf-8", "replace")))
