"""A receiver's reply, and what is read of it before any rule is asked."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from processors.classification.codes import enhanced_code_in, reply_code_in
from processors.classification.providers import provider_of

LONGEST = 4096
"""Characters of a text that are looked at: as many as an event keeps of a response."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver said, as far as it is known. Nothing of it is required."""

    text: str | None
    """Its words: one reply of several lines, a Diagnostic-Code, or the sentence of a bounce that is no DSN."""
    smtp_code: int | None = None
    """The reply code (RFC 5321, 4.2); read from the text where not given."""
    enhanced_code: str | None = None
    """The enhanced status code (RFC 3463); read from the text where not given, or where x.0.0 is given."""
    mx: str | None = None
    """The host that said it."""
    provider: str | None = None
    """The mailbox provider, where known already: one of `schemas.mail.PROVIDERS`."""
    is_temporary: bool | None = None
    """Whether the sender will try again; by the codes where None."""


class Heard(NamedTuple):
    """A reply made ready for rules."""

    text: str
    """In lower case, each run of white space one blank, the codes that begin the lines of a reply only once. Addresses,
    IPv4 addresses and queue ids are all the same one, so that most replies are repeats."""
    reply: str | None
    """What the receiver itself said: the text from its reply code on to the end of that paragraph, where something stands
    around it; the text up to its advice where there is no code."""
    smtp_code: int | None
    enhanced_code: str | None
    provider: str
    """By the reply's own word, or its MX; `other` where neither tells."""
    refused_for_now: bool
    """The receiver's codes say that it may work later (RFC 5321, 4.2.1: 4yz)."""
    will_retry: bool
    """The sender tries again: by its own word, or else by those codes."""


_LINE_CODES = re.compile(r"[\r\n]+\s*([245][0-5]\d)[\- ](?:[245]\.\d{1,3}\.\d{1,3} )?")
_FIRST_CODE = re.compile(r"(?:^|[\s:;])(?:[45][0-579]\d|2(?:[0-4]\d|5[0-2]))[\- ]")
_INLINE_CODES = re.compile(r" (?<=[^\d.] )([245][0-5]\d)-(?:[245]\.\d{1,3}\.\d{1,3} )?")
_LAST_CODE = re.compile(r"(?<=[^\d:;,>-]) ([245][0-5]\d) (?:[245]\.\d{1,3}\.\d{1,3} )?")
"""That of a reply's last line, where its lines were joined by blanks. What stands behind a colon is quoted."""
_ESCAPED_BREAK = re.compile(r"(?:\\r)?\\n(?=\s*[245][0-5]\d[\- ])")
"""As Exim writes the lines of a reply into its log."""
_OF_QMAIL = re.compile(r"\b(?:failure|deferral|success): \S+_\S+_\S+")
_RETURNED = re.compile(
    r"this is a copy of (?:the|your) message|below this line is a copy|original message(?: headers?|\b ?-)|header of the original"
    r"|(?:original|returned|unsent|undelivered) (?:message|mail)(?: headers?)? (?:follows?|is (?:attached|following))"
    r"|message headers? follows?|\n(?:return-path|received|dkim-signature): |\n[ \t]+at [\w.<>$]+ \("
).search
"""Where what comes back begins: no word of anybody who refused it."""
_STATUS_FIELDS = re.compile(r"\n(?:reporting-mta|final-recipient|original-recipient): ").search
"""What a DSN says once more for programs (RFC 3464), behind what it says for people."""
_ADVICE = re.compile(
    r" (?:reporting-mta|final-recipient|original-recipient): |how to fix it|more info for e-?mail admins|so (?:beheben|lösen) sie"
    r"|comment (?:résoudre|corriger)|cómo (?:solucionar|corregir|resolver)|come (?:risolvere|correggere)|como (?:corrigir|resolver)"
    r"|如何(?:修复|解决|修正)|修正方法|解決方法|как (?:исправить|устранить)"
).search
"""Where a notice without a code stops to say why, and goes on to what is the same in all of them."""
_TRANSCRIPT = "transcript of session follows"
"""What sendmail puts below the reason: it ends with "User unknown" whatever was said."""
_PASSED_ON = re.compile(r"[45]\d\d [45]\.\d\.\d{1,3} <\S{1,255} #[45]\.\d\.\d{1,3} smtp; ?(?=[45]\d\d)")
"""Exchange's own code around the one that it was told."""
_BLANK_LINE = re.compile(
    r"\n[ \t\r>|]*\n|\n(?=[*=_-]{5})|\n(?=建[议議]解[决決]方案|解[决決]方案|[处處]理建[议議])"
)
_QUOTED = re.compile(r"\n(?:> ?)+")
_PARAGRAPH = "\ue000"
"""Stands for a blank line until the reply is found, which ends there."""
_CODE_HYPHEN = re.compile(r"^([245][0-5]\d)-")
_IN_LOCAL_PART = r"[^\s<>@,;:()\[\]\"\x80-\U0010ffff]"
_ADDRESS = re.compile(
    rf"(?:<|(?<!{_IN_LOCAL_PART})){_IN_LOCAL_PART}{{1,256}}@[\w.-]{{1,253}}\.[a-z]{{2,63}}\b>?", re.ASCII
)
"""Only from where a word begins on; VERP makes local parts longer than the 64 characters of RFC 5321, 4.5.3.1.1. In ASCII:
languages without blanks write their words right beside it."""
_IP = re.compile(r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b")
_QUEUE_ID = re.compile(r"(?<![\w=])(?=[0-9a-z]{10})(?=[a-z]*[0-9])(?=[0-9]*[a-z])[0-9a-z]{10,128}\b")
_SHORTEST_REPLY = 12
_OF_ANOTHER = re.compile("sender|postmaster|call-?back|error in processing").search
_OF_NO_RECIPIENT = re.compile(
    r"after (initial connection|ehlo|helo|starttls|auth|pipelined mail from)\b|refused to talk to (?:me|us)\b"
).search
"""What Exim and Postfix say before what was said to them when they had named no recipient yet."""
_AROUND = (
    (
        "smtp error from",
        re.compile(r"smtp error from remote mail(?:er| ?server)(?: after (?!mail)[\w ]+)?:?"),
    ),
    ("giving up on", re.compile(r"giving up on \S+")),
    ("does not like recipient", re.compile(r"\S+ does not like recipient\.?")),
    ("failed after i sent the message", re.compile(r"\S+ failed after i sent the message\.?")),
    ("all recipients were rejected: ", re.compile(r"can't send mail - all recipients were rejected:")),
    ("google tried to deliver", re.compile(r"google tried to deliver[^\[]{0,300}(?:\[10\.1\.1\.1\])?")),
    (
        "delivery to the following",
        re.compile(r"delivery to the following recipients? failed(?: permanently)?:?"),
    ),
    (
        "was undeliverable.",
        re.compile(r"(?:the following )?message to \S+ was undeliverable\.(?: the reason for the problem:)?"),
    ),
    ("learn more here:", re.compile(r"learn more here: https?://\S+")),
    (
        ",smtp;",
        re.compile(
            r",(?:bad-\w+|content-related|inactive-mailbox|invalid-sender|message-expired|no-answer-from-host|other"
            r"|\w+-related|protocol-errors|\w+-issues|routing-errors)(?=,|$)"
        ),
    ),
    ("reply=", re.compile(r", stat=[\w :]+$")),
    ("#smtp#", re.compile(r" ?#smtp#$")),
    (" command failed", re.compile(r"(?:smtp )?[\w-]+(?: end)? command failed:?(?: detail:)?")),
    ("the server response was:", re.compile(r"[\w ,.]{0,120}the server response was:")),
    ("addresses; nested exception is", re.compile(r"[\w.:]* ?invalid addresses; nested exception is:?")),
    ("smtp module(", re.compile(r"failed to deliver to \S+ smtp module\(\S* \S+ reports:")),
    ("the message to the server failed", re.compile(r"sending the message to the server failed:?")),
    ("smtp server error", re.compile(r"(?:smtp error: [\w ,']{0,80}\.? )?smtp server error:?")),
    ("server rejected recipient: ", re.compile(r"server rejected recipient:")),
)
"""What programs that send (Exim, qmail, Nodemailer, Gmail, IronPort, PowerMTA, Stalwart, PHPMailer, .NET, JavaMail, CommuniGate) write around any
reply, each with what tells that it is there: words that would be taken for the receiver's."""
_SUMMARY = "... service unavailable"
"""What sendmail adds of its own below what the program said that delivers (mail.local, procmail)."""
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII).fullmatch
_OPENING = {")": "(", "]": "[", "}": "{", ">": "<", "'": "'", '"': '"'}
_VAGUE = frozenset({"4.0.0", "5.0.0", "2.0.0"})


def hear(reply: Reply) -> Heard:
    """The reply as rules see it."""
    raw = (reply.text or "")[: 2 * LONGEST].lower()
    if "_" in raw and ("_said:_" in raw or "_up_on_" in raw or _OF_QMAIL.search(raw)):
        raw = raw.replace("_", " ")  # qmail-log(5) has no blanks
    if " smtp;" in raw:
        raw = _PASSED_ON.sub("", raw)
    if "\n>" in raw:
        raw = _QUOTED.sub("\n", raw)
    if "\\n" in raw:
        raw = _ESCAPED_BREAK.sub("\n", raw)
    if not raw.isascii():
        raw = raw.encode("utf-8", "replace").decode("utf-8")
    if "\n" in raw and (returned := _RETURNED(raw)) is not None and returned.start() > _SHORTEST_REPLY:
        raw = raw[: returned.start()]
    if _TRANSCRIPT in raw and reply_code_in(raw[: raw.index(_TRANSCRIPT)]) is not None:
        raw = raw[: raw.index(_TRANSCRIPT)]
    smtp_code = reply.smtp_code if reply.smtp_code is not None else reply_code_in(raw[:LONGEST])
    enhanced_code = reply.enhanced_code
    if enhanced_code is not None and not _ENHANCED(enhanced_code):
        enhanced_code = None
    if enhanced_code is None or enhanced_code in _VAGUE:
        enhanced_code = enhanced_code_in(raw[:LONGEST]) or enhanced_code
    for_now = _is_for_now(smtp_code, enhanced_code)
    provider = reply.provider if reply.provider and reply.provider != "other" else provider_of(reply.mx)
    text = _one_line(_marked(raw))
    too_early = None
    if "smtp error from" in text or "refused to talk" in text:
        too_early = _OF_NO_RECIPIENT(text)
    if smtp_code is not None or enhanced_code is not None or "learn more here:" in text:
        text = _without_what_is_around(text)
    spoken = _from_code_on(text, smtp_code)
    if _PARAGRAPH in text:
        text = text.replace(f" {_PARAGRAPH}", "")
        if spoken is not None:
            spoken = spoken.partition(f" {_PARAGRAPH}")[0]
    if spoken is None and smtp_code is None and (advice := _ADVICE(text)) is not None:
        is_all_fields = text.startswith(("reporting-mta", "final-recipient", "original-recipient"))
        spoken = text[: advice.start()] if advice.start() > _SHORTEST_REPLY and not is_all_fields else None
    if spoken is not None and (spoken[-1] in _OPENING or spoken[-2:-1] in _OPENING):
        spoken = _trimmed(spoken) or spoken
    if spoken is not None and too_early is not None:
        spoken += f" (in reply to {too_early[1] or 'initial connection'})"  # as Postfix says it of later ones
    return Heard(
        text=text,
        reply=spoken,
        smtp_code=smtp_code,
        enhanced_code=enhanced_code,
        provider=provider,
        refused_for_now=for_now or (reply.is_temporary is True and smtp_code is None),
        will_retry=for_now if reply.is_temporary is None else reply.is_temporary,
    )


def _marked(raw: str) -> str:
    """The text of a bounce for people, without its fields for programs, and its paragraphs marked."""
    if "\n" not in raw:
        return raw
    fields = _STATUS_FIELDS(raw)
    if fields is not None and reply_code_in(raw[: fields.start()]) is not None:
        raw = raw[: fields.start()]
    return _BLANK_LINE.sub(f"\n{_PARAGRAPH} ", raw.strip())


def _is_for_now(smtp_code: int | None, enhanced_code: str | None) -> bool:
    if smtp_code is not None:
        return 400 <= smtp_code < 500
    return enhanced_code is not None and enhanced_code.startswith("4")


def _from_code_on(text: str, smtp_code: int | None) -> str | None:
    if smtp_code is None:
        return None
    found = _beginning_with(smtp_code)(text, 1)
    at = found.start() if found else 0
    if at <= 0 or (len(text) - at <= _SHORTEST_REPLY and text.isascii()):
        return None
    if "after mail from" in text[:at]:
        return None  # what was refused is the sender, as Exim tells before the reply
    if text.startswith(str(smtp_code)) and _OF_ANOTHER(text, 0, at):
        return None  # what the receiver heard from its filter, or when it asked for the sender's own mailbox
    reply = text[at + 1 :]
    return None if reply.endswith(_SUMMARY) else reply


@lru_cache(maxsize=512)
def _beginning_with(smtp_code: int) -> Callable[..., re.Match[str] | None]:
    return re.compile(rf"[ ;:='\"(\[>]{smtp_code}[ -]").search


def _trimmed(text: str) -> str:
    """Without quotation marks and brackets at its end that belong to what the reply stands in."""
    if text[-1] == "." and text[-2:-1] in _OPENING:
        text = text[:-1]
    while text and (opening := _OPENING.get(text[-1])) is not None:
        if opening != text[-1] and text.count(opening) >= text.count(text[-1]):
            break
        text = text[:-1].rstrip(" ,")
    return text


def _without_what_is_around(text: str) -> str:
    for mark, pattern in _AROUND:
        if mark in text:
            text = pattern.sub("", text).strip()
    return text


def _one_line(raw: str) -> str:
    first = _FIRST_CODE.search(raw)
    if first is not None:
        rest = raw[first.end() :]
        if "\n" in rest or "\r" in rest:
            rest = _LINE_CODES.sub(" ", rest)
        rest = _INLINE_CODES.sub(" ", rest)
        if first[0].endswith("-"):
            code = first[0][-4:-1]
            rest = _LAST_CODE.sub(lambda last: " " if last[1] == code else last[0], rest)
        raw = raw[: first.end()] + rest
    joined = _CODE_HYPHEN.sub(r"\1 ", " ".join(raw.split()))
    if "@" in joined:
        joined = _ADDRESS.sub("<address>", joined)
    return _QUEUE_ID.sub("…", _IP.sub("10.1.1.1", joined))[:LONGEST]
