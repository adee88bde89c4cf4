"""Whom a bounce that is no DSN is about: the addresses in its words, weighed by where they stand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from processors.mails.addresses import addresses_in, is_unaddressable
from processors.mails.entities import Mail
from processors.mails.notes import Note
from processors.mails.phrases import FAILURES, is_told

LINES = 2000
"""How many lines of a note are looked at for recipients."""

_META = re.compile(
    r"[\s>*]{0,20}(?:from|cc|bcc|subject|sent|date|message-?id|message identifier|reply-to|sender|return-path"
    r"|envelope[- ]from|de|von|da|van|fra|från|reporting-mta|received|asunto|objet|betreff|oggetto|assunto|enviado"
    r"|gesendet|envoyé|inviato|отправитель|от|тема|发件人|寄件者|寄件人|差出人|件名|主题|主旨|日期|mail from|posted by"
    r"|original sender|original (?:recipient )?address)(?:\s[a-z]{1,12})?\s{0,10}[:：]",
    re.I,
)
_TO = re.compile(r"[\s>*]{0,20}(?:to|an|para|à|a|кому|till|til|aan|do|收件人|宛先)\s{0,10}[:：]", re.I)
_ABOUT = re.compile(
    r"[\s>*]{0,20}(?:subject|sent|betreff|gesendet|objet|envoyé|asunto|enviado|oggetto|inviato|assunto|тема|отправлено"
    r"|件名|送信日時|主题|主旨|emne|ämne|onderwerp|temat)[^\n:：]{0,20}[:：]",
    re.I,
)
_CONTACT = re.compile(
    r"(?:contact|\bask|question|assist|support|help|complain|report(?: this)?(?: to)?|forward(?:ed)?|re-?send|instead|visit"
    r"|write to|e-?mail(?:ing)? (?:us|me)|new address|changed to|moved to|call|from|sender|sent by|mailfrom"
    r"|on behalf of|reply[- ]to|by|\bvon|\bde|\bda|от|kontakt|wenden|contacter|contatt|отправител\w{0,3}"
    r"|your address|return[- ]path|envelope-from|(?:mail|http)s?://\S{0,200}|\?\S{0,200}|(?<!smtp)=)[\s:<(\[\"'=]{0,6}$",
    re.I,
)
_ADVICE = re.compile(
    r"please (?:contact|write|(?:e-?)?mail|send|forward|call)|questions|for (?:further )?(?:assistance|help|information)"
    r"|e\.g\.|for example|if you (?:believe|feel|think|need|have)|\btry ",
    re.I,
)
_LABEL = re.compile(
    r"(?:recipients?|address(?:es|ee)?|users?|mailbox(?:es)?|accounts?|\bto|\bfor|rcpt|userid|rcpt to|destinat\w{1,8}"
    r"|empf\w{1,10}|adress\w{0,4}|адрес\w{0,4}|получател\w{0,3}|usu[aá]rio|usuario|utente|indirizzo|direcci[oó]n"
    r"|\ban|\bà|\bpara|\bal?|收件人|地址|宛先|アドレス|受取人|受信者|alias|attempts|reach|person|failed)"
    r"(?:\(e?s\)|\(en\))?(?: (?:was|is|are|were|address|name|id))?[\s:：<\[(\"'=-]{0,8}$",
    re.I,
)
_X400 = re.compile(r"(?:smtp|dda:smtp)[:=]$", re.I)
_BULLET = " \t-*•·>\"'`<([{|#=:;,"
_AND = re.compile(r"[\s,;&<>'\"]{0,8}(?:(?:and|und|et|y|e|и|和|と)\s{1,4})?[\s<'\"]{0,4}")
_LISTED = re.compile(r"^(?:[^\s@]{1,128}@[^\s@,;]{1,253}[\s,;]{1,5}){1,50}")
_PREFIX = re.compile(
    r"^(?:smtp|to|rfc822|mailto|recipient|address|user|\d{1,3}[.)]|failed)\s?[:;=]?\s?<?", re.I
)
_FROM = re.compile(
    r"(?:\((?:expanded|generated|aliased|forwarded) from:?\s{1,3}|^\s{0,20}original (?:recipient )?address:\s{0,20})"
    r"<?([^\s<>()]{1,128}@[^\s<>()]{1,253})>?(?:\)|\s*$)",
    re.I | re.M,
)
_ROLES = frozenset(
    {
        "support",
        "help",
        "helpdesk",
        "abuse",
        "admin",
        "administrator",
        "webmaster",
        "hostmaster",
        "service",
        "contact",
        "noc",
    }
)
_BARE = re.compile(r"[ \t>*-]{0,12}([A-Za-z][\w.+-]{2,63})[ \t]{0,20}(?:\([^)]{0,80}\)|:.{0,80})?$")
_INTRO = re.compile(r"recipient|address|user|following|destinat|empf|адрес|收件|宛先", re.I)


@dataclass(frozen=True, slots=True)
class Mention:
    """An address in a note."""

    address: str
    line: int
    weight: int
    """3: the line is about it; 2: it is named as a recipient; 1: the line tells of a failure; 0: nothing of these
    speaks for it; -1: it is somebody's whom to write to, or the sender's."""


class Whom:
    """The recipients that a note is about."""

    def __init__(self, mail: Mail, note: Note, lines: list[str]) -> None:
        self._mail, self._returned, self._lines = mail, note.returned, lines
        self._mentions = list(self._found())
        self._places: dict[str, int] = {}
        for mention in sorted(self._mentions, key=lambda one: -one.weight):
            self._places.setdefault(mention.address.lower(), mention.line)

    def place_of(self, address: str) -> int | None:
        """The line that is about a recipient."""
        return self._places.get(address.lower())

    @property
    def is_sure(self) -> bool:
        """Whether a line of the note is about somebody."""
        return any(mention.weight == 3 for mention in self._mentions)

    def mailed(self, address: str) -> str:
        """The address that the sender mailed, where the note says which one this was made from, or the message does."""
        place = self.place_of(address)
        before = made_from(self._lines, place) if place is not None else None
        if before is not None:
            return before
        to = self._returned.recipients
        if len(to) == 1 and not self._returned.is_list and _is_alias(address.lower(), to[0].lower()):
            return to[0]
        return address

    def recipients(self) -> list[str]:
        """Those that speak most for being meant; by the returned message where the note names nobody."""
        to = {address.lower() for address in self._returned.recipients}
        for weight in (3, 2, 1):
            found = list(dict.fromkeys(one.address.lower() for one in self._mentions if one.weight == weight))
            if not found:
                continue
            found = [one for one in found if one in to or not _is_role(one)] or found
            sent_to = [address for address in found if address in to]
            spelled = {one.address.lower(): one.address for one in reversed(self._mentions)}
            return [spelled[address] for address in (sent_to if sent_to and weight < 3 else found)]
        left = list(dict.fromkeys(one.address for one in self._mentions if one.weight == 0))
        seen = [address for address in left if address.lower() in to]
        return (
            seen
            or self._made_from()
            or self._by_message()
            or self._by_name()
            or (left if len(left) == 1 and not _is_role(left[0].lower()) else self._by_subject())
        )

    def _found(self) -> Iterator[Mention]:
        excluded = self._excluded()
        for at, line in enumerate(self._lines):
            if line == "-- ":
                return
            if "@" not in line or _META.match(line):
                continue
            line = line[:1000]
            is_heading = _TO.match(line) and any(_ABOUT.match(one) for one in self._lines[at + 1 : at + 4])
            end, listed = 0, -1
            for address in addresses_in(line, 50):
                start = line.find(address, end)
                if start < 0:
                    continue
                before, after = line[:start], line[start + len(address) :]
                follows = end > 0 and _AND.fullmatch(line, end, start) is not None
                end = start + len(address)
                if address.lower() in excluded or is_unaddressable(address) or after.startswith("/"):
                    continue
                # What is said of an address is said of those that are listed after it.
                own = self._weight(before, after, at)
                listed = max(listed, own) if follows else own
                yield Mention(address, at, 0 if is_heading else listed)

    def _excluded(self) -> frozenset[str]:
        """Who surely did not bounce: who the mail is from and to, and who sent the returned message."""
        fields = self._mail.fields
        senders = {
            address.lower()
            for name in ("from", "reply-to", "sender", "to", "return-path")
            for address in addresses_in(fields.get(name), 20)
        }
        return frozenset(senders | self._returned.senders)

    def _weight(self, before: str, after: str, at: int) -> int:
        stripped = _PREFIX.sub("", _LISTED.sub("", before.strip(_BULLET))).strip(_BULLET)
        if _X400.search(before):
            return 3
        if not stripped:
            return self._weight_at_start(after.lstrip(">\"')]}* \t"))
        if (
            _CONTACT.search(before[-80:])
            or _ADVICE.search(before)
            or before.rstrip().endswith("(generated from")
        ):
            return -1
        if "@" in stripped and not _LISTED.sub("", stripped + " ").strip(_BULLET):
            return 3
        if _LABEL.search(before[-60:]):
            return 2
        around = "\n".join(self._lines[max(0, at - 1) : at + 2])[:1500]
        return 1 if is_told(FAILURES, around) and not _ADVICE.search(around) else 0

    def _weight_at_start(self, after: str) -> int:
        """Of an address that begins a line: it is listed there, or a sentence begins with it."""
        if after.startswith(("/", "?")):
            return -1
        is_listed = (
            not after or not after[0].isalpha() or after.startswith("on ") or is_told(FAILURES, after[:300])
        )
        return 3 if is_listed else 0

    def _made_from(self) -> list[str]:
        """Where the failed address is hidden, the one it was made from."""
        return [match.group(1) for match in _FROM.finditer("\n".join(self._lines[:200]))]

    def _by_message(self) -> list[str]:
        """Who the returned message was taken for, or is to."""
        if self._returned.is_report:
            return []
        if self._returned.received_for and self._returned.received_for.lower() not in self._excluded():
            return [self._returned.received_for]
        if len(self._returned.recipients) == 1 and not self._returned.is_list:
            return list(self._returned.recipients)
        return []

    def _by_subject(self) -> list[str]:
        """Who a mail system names in its subject, where nothing else names anybody."""
        sender = addresses_in(self._mail.fields.get("from"), 1)
        named = addresses_in(self._mail.fields.words("subject"), 2)
        is_one = (
            bool(sender) and is_unaddressable(sender[0]) and len(named) == 1 and not self._returned.recipients
        )
        return [one for one in named if is_one and one.lower() not in self._excluded()]

    def _by_name(self) -> list[str]:
        """Names without a domain: it is the bouncing system's own, as AOL had it."""
        senders = addresses_in(self._mail.fields.get("from"), 1)
        if not senders or not is_unaddressable(senders[0]) or senders[0].count(".") != 1:
            return []
        domain = senders[0].rpartition("@")[2]
        for at, line in enumerate(self._lines[:40]):
            if not (
                _INTRO.search(line) and is_told(FAILURES, "\n".join(self._lines[max(0, at - 2) : at + 2]))
            ):
                continue
            found = []
            for following in self._lines[at + 1 : at + 20]:
                bare = _BARE.match(following) if "@" not in following else None
                if bare and not bare.group(1).endswith("."):
                    found.append(f"{bare.group(1)}@{domain}")
                elif following.strip() and found:
                    break
            if found:
                return found
        return []


def made_from(lines: list[str], place: int) -> str | None:
    """The address that the one on this line was made from, where the next lines say so (Sendmail, Exim)."""
    found = _FROM.search("\n".join(lines[place : place + 3]))
    return found.group(1) if found else None


def _is_role(address: str) -> bool:
    """Whether it is where to ask for help, which footers give."""
    return address.partition("@")[0] in _ROLES


def _is_alias(address: str, to: str) -> bool:
    """Whether one is the other at a host below or above: what a receiver's own hosts are called is its business."""
    (local, _, domain), (other, _, above) = address.rpartition("@"), to.rpartition("@")
    return (
        local == other and domain != above and (domain.endswith("." + above) or above.endswith("." + domain))
    )
