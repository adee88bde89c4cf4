"""Bounces that are no DSN: whether a mail tells of a failure, and what it tells of whom."""

import re

from processors.mails.addresses import addresses_in
from processors.mails.entities import Mail
from processors.mails.notes import Note
from processors.mails.phrases import DELAYS, FAILURES, PERMANENT, SUBJECTS, is_told
from processors.mails.recipients import LINES, Whom
from processors.mails.told import Action, Outcome, has_code
from processors.mails.words import Words

ENOUGH = 3
"""What a mail must score to be a bounce, see `score_of`."""
LOOK = 6000
"""How many characters of a note are looked at to tell what it is."""

_DAEMON = re.compile(
    r"mailer-?daemon|post_?master|mail[ -]?deliver|delivery[ -](?:sub)?system|mail administrator|system administrator"
    r"|microsoftexchange|mail[ -]?(?:system|router|server|gateway|service|agent)|maildaemon|bounce|majordomo|mdaemon"
    r"|administrador|mail-daemon|smtp",
    re.I,
)
_DOMAINS = re.compile(r"@[A-Za-z0-9.-]{1,253}")
"""People work at mailserver.example, too."""
_REPLY_SUBJECT = re.compile(r"\s*(?:re|aw|sv|vs|antw|回复|答复|ответ)\s*(?:\[\d{1,3}\])?\s*[:：]", re.I)
_FORWARD_SUBJECT = re.compile(r"\s*(?:fwd?|wg|tr|rv|enc|vb|转发|轉寄|転送)\s*[:：]", re.I)
_LISTS = ("list-id", "list-post", "list-unsubscribe")
_CONDITION = re.compile(
    r"\b(?:if|should|wenn|falls|si|se|если)\b[^\n.]{0,60}\b(?:permanent|endgültig|définitiv)\w{0,6}", re.I
)
"""What will be said in case of a failure is not said of one."""
_OF_OTHERS = re.compile(r"^[ \t]{0,8}(?:Out: 220[ -]|The sender is <>)", re.M)
_ASKING = re.compile(
    r"\b(?:my|our|meine[rn]?|unsere[rn]?|mon|notre|mi|nuestro|minha|nossa|il mio|mijn|ons|moj[aą]|мо[йёеи]\w{0,2})"
    r" (?:last |previous )?(?:e-?mails?|mails?|messages?|nachricht|courriel|correo|mensaje|mensagem|messaggio|bericht|wiadomo"
    r"|письм|сообщени)|\b(?:i|we) (?:got|get|keep|(?:have )?(?:sent|tried to (?:send|mail|write|reach)))\b",
    re.I,
)
_EMPTY_SENDER = frozenset({"", "<>", "<MAILER-DAEMON>", "MAILER-DAEMON"})
_HOST = re.compile(
    r"(?:host |to |from |server |by |remote[^\n]{0,10} )\[?([a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){1,8})\]?"
    r"\s{0,2}[\[(][0-9a-f.:]{3,45}[\])]",
    re.I,
)


def score_of(mail: Mail, note: Note) -> int:
    """How much speaks for a mail being about a failure.

    The sender's name, the empty envelope sender and a returned message say so a little; a subject or a text
    that says so, much. What a person forwards or answers says it less.
    """
    subject = mail.fields.words("subject")
    score = 1 if is_by_daemon(mail) else 0
    score += has_empty_sender(mail)
    is_answer = bool(_REPLY_SUBJECT.match(subject)) and not score and bool(mail.fields.get("in-reply-to"))
    if _FORWARD_SUBJECT.match(subject) or is_answer:
        score -= 2
    elif is_about_failure(mail):
        score += 2
    if not is_by_daemon(mail) and any(name in mail.fields for name in _LISTS):
        score -= 2
    said = _unquoted(note.text)[:LOOK]
    if is_told(FAILURES, said) or is_told(DELAYS, said):
        score += 2
    return score + 1 if note.has_cut else score


def has_empty_sender(mail: Mail) -> bool:
    """Whether it came by the envelope sender that bounces have: none (RFC 5321, 4.5.5)."""
    return "return-path" in mail.fields and mail.fields.get("return-path").replace(" ", "") in _EMPTY_SENDER


def is_about_others(note: Note) -> bool:
    """Whether a server tells its postmaster of others' mail: what a client tried to bring, a notification that nobody takes."""
    return _OF_OTHERS.search(note.text[:LOOK]) is not None


def is_asking(mail: Mail, note: Note) -> bool:
    """Whether a person writes of their own message that failed: mail systems write of yours, and return it."""
    is_by_system = is_by_daemon(mail) or has_empty_sender(mail) or note.has_cut or note.returned.is_there
    return not is_by_system and _ASKING.search(_unquoted(note.text)[:LOOK]) is not None


def is_by_machine(mail: Mail, note: Note) -> bool:
    """Whether anything but its words speaks for a mail system as the writer."""
    lines = note.text.split("\n")[:LINES]
    is_empty = mail.fields.get("return-path").strip() == "<>" or "auto-submitted" in mail.fields
    return (
        is_empty
        or note.has_cut
        or is_by_daemon(mail)
        or has_code(note.text[:LOOK])
        or Whom(mail, note, lines).is_sure
    )


def is_about_failure(mail: Mail) -> bool:
    """Whether the subject tells of a failure."""
    subject = mail.fields.words("subject")[:300]
    return is_told(SUBJECTS, subject) or is_told(FAILURES, subject)


def is_by_daemon(mail: Mail) -> bool:
    """Whether the sender's name is a mail system's, or there is none."""
    sender = mail.fields.words("from")
    names = _DOMAINS.sub("@", f"{sender} {mail.fields.get('sender')}"[:400])
    return _DAEMON.search(names) is not None or not sender.strip(" <>")


def _unquoted(text: str) -> str:
    """Without what a person quotes."""
    return "\n".join(line for line in text.split("\n") if not line.startswith(">")) if "\n>" in text else text


def outcomes_of(mail: Mail, note: Note) -> list[Outcome]:
    """What a bounce tells, one for each recipient; of None where it names nobody."""
    lines = note.text.split("\n")[:LINES]
    whom = Whom(mail, note, lines)
    named = addresses_in(", ".join(mail.fields.all("x-failed-recipients")))
    recipients = named or whom.recipients()
    action = action_of(mail.fields.words("subject"), note.text)
    words = Words(note.text, len(recipients))
    if not recipients:
        return [Outcome(None, action, None, words.gist, _host_in(words.gist or ""))]
    starts = frozenset(place for one in recipients if (place := whom.place_of(one)) is not None)
    told = []
    for recipient in recipients:
        place = whom.place_of(recipient)
        said = words.at(place, starts) if place is not None else words.gist
        told.append(Outcome(whom.mailed(recipient), action, None, said, _host_in(said or note.text)))
    return told


def action_of(subject: str, text: str) -> Action:
    """Whether a note tells of a failure, or of a delay."""
    text = _CONDITION.sub("", text[:LOOK])
    if is_told(PERMANENT, text):
        return "failed"
    return "delayed" if is_told(DELAYS, text) or is_told(DELAYS, subject[:300]) else "failed"


def _host_in(words: str) -> str | None:
    match = _HOST.search(words[:4000])
    return match.group(1).lower() if match else None
