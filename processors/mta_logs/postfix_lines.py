"""The shape of Postfix's log lines: syslog's head, queue ids, delivery attempts, relays, what a server said.

Source: Postfix 2.2 to 3.10, src/global/log_adhoc.c (attempts), src/qmgr/qmgr_active.c (expiry), src/cleanup (headers,
milters), postconf(5) `enable_long_queue_ids`; RFC 3164, RFC 5424.
"""

import ipaddress
import re
from typing import NamedTuple

from processors.mta_logs.facts import ADDRESS, mail_domain
from processors.mta_logs.wrapped import unwrapped

QUEUE_ID = r"[0-9A-F]{5,20}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]{10,}z[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]+"
"""A short one (microseconds and inode, in hexadecimal) or a long one (seconds, microseconds, `z`, inode; no vowels)."""

_TIME = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^ \n]{0,16}"

LINES = re.compile(
    rf"^(?:<\d{{1,3}}>)?({_TIME}) ([^ \n]+) ([^ \[:\n]+)(?:\[(\d+)\])?: (?:\[ID \d+ [a-z.\d]+\] )?"
    rf"(?:({QUEUE_ID}|NOQUEUE): ?)?(.*)$|^(.*)$",
    re.MULTILINE,
)
"""Every line of a text, as time, host, program, process, queue id and the rest; or whole, as the last group. Solaris puts a
message's id before the words."""

_RFC5424 = re.compile(
    rf"(?:<\d{{1,3}}>)?1 ({_TIME}) ([^ ]+) ([^ ]+) ([^ ]+) [^ ]+ (?:-|(?:\[[^\]]*\])+) ?(?:\ufeff)?"
    rf"(?:({QUEUE_ID}|NOQUEUE): ?)?(.*)"
).fullmatch
"""The same of a line as RFC 5424 has it."""


def headed(line: str) -> tuple[str, ...] | None:
    """Time, host, program, process, queue id and the rest of a line that is written otherwise than most; None for none of syslog's."""
    found = _RFC5424(line)
    if found is None and (inner := unwrapped(line)) is not None:
        usual = LINES.match(inner)
        found = _RFC5424(inner) if usual is None or usual[1] is None else usual
    return None if found is None else tuple(part or "" for part in found.groups()[:6])


REPEATED = re.compile(rf"({_TIME}) [^ ]+ (?:last message repeated \d+ times|-- MARK --)").match

LONGEST_RECORD = 2000
"""Bytes; a longer one Postfix cuts (src/util/msg_output.c, msg_syslog.c)."""

_ATTEMPT = re.compile(
    rf"to=<({ADDRESS})>, (?:orig_to=<{ADDRESS}>, )?relay=([^,]*), (?:conn_use=\d+, )?delay=([\d.]{{1,15}}), "
    r"(?:delays=[\d./]+, )?(?:dsn=([\d.]{1,15}), )?status=([\w-]+) ?(.*)"
).fullmatch
_SURELY_SHORT = LONGEST_RECORD // 4 - 25
"""Characters of UTF-8 that, behind a queue id, are never too many bytes."""

ACTIVE = re.compile(r"from=<(.*)>, size=(\d{1,18}), nrcpt=\d+").match
EXPIRED = re.compile(r"from=<(.*)>, status=(?:force-)?expired, returned to sender").match
PICKED_UP = re.compile(r"uid=\d+ from=<(.*)>").match
MESSAGE_ID = re.compile(r"(?:resent-)?message-id=(.*)").fullmatch
_HEADER_FROM = re.compile(r"(?:warning|info|filter|hold|prepend|replace): header From: ").match
_REJECTED = re.compile(r"(?:milter-)?(?:reject|discard): ").match
_PARTIES = re.compile(rf"; from=<({ADDRESS})> to=<({ADDRESS})>(?= proto=|$)").match
SECURED = re.compile(
    r"\w+ TLS connection established to ([^\s\[]+\[[^\]]+\]):\d+: .*?(TLSv[\d.]+|SSLv[\d.]+)"
).match
SIGNED = re.compile(r"DKIM-Signature field added \(s=([^,]+), d=([^)]+)\)").match
_SAID = re.compile(r"host ([^\s\[]+)\[[^\]]*\] (?:said|refused to talk to me): ").match
_HOST = re.compile(r"(?:connect to|lost connection with|conversation with) ([^\s\[]+)\[").match
_SUSPENDED = "delivery temporarily suspended: "
"""What stands before the cause where a destination is not tried again for a while, to which other messages came before."""
_RELAY = re.compile(r"([^\[]+)\[([^\]]*)\](?::\d+)?").fullmatch


class Ambiguous(ValueError):
    """A line that can be read in several ways: what somebody else chose (an address, a HELO) may be made to look like a line."""


def attempt(identity: str, words: str) -> re.Match[str] | None:
    """Recipient, relay, delay, enhanced code, status, and the words in parentheses; None for what is no attempt.

    Where addresses are logged without quotes (Postfix before 3.5, `info_log_address_format = internal`), one may hold an
    attempt of another's. Then the line has a second relay, or Postfix has cut that off. Raises Ambiguous.
    """
    found = _ATTEMPT(words)
    if found is None:
        return None
    if words.count(">, relay=", found.end(1)) > 1:
        raise Ambiguous("an attempt with a second relay: which recipient is meant can't be told")
    if len(words) > _SURELY_SHORT and len(identity) + 2 + len(words.encode()) >= LONGEST_RECORD:
        raise Ambiguous(f"an attempt that was cut at {LONGEST_RECORD} bytes: its end may say something else")
    return found


def header_from(words: str) -> str | None:
    """What the From header says, where header_checks had cleanup tell it."""
    begin = _HEADER_FROM(words)
    end = words.rfind("; from=<") if begin else -1
    if begin is None or end < 0:
        return None
    whence = words.rfind(" from ", begin.end(), end)
    return words[begin.end() : whence] if whence >= 0 else None


class Relay(NamedTuple):
    """Where an attempt went."""

    host: str | None
    on_this_machine: bool


def relay_of(relay: str) -> Relay:
    """The host of `mx.example.com[192.0.2.1]:25`; a socket or a loopback address is on this machine, `none` nowhere."""
    found = _RELAY(relay)
    if found is None:
        return Relay(None, False)
    host, address = found[1], found[2]
    if address.startswith(("/", "private/", "public/")):
        return Relay(None, True)
    try:
        local = ipaddress.ip_address(address.removeprefix("IPv6:")).is_loopback
    except ValueError:
        local = False
    return Relay(None if host == "unknown" else mail_domain(host), local)


def said(words: str) -> tuple[str, str | None]:
    """What the server said in an attempt's words, and the host that said it where they name one."""
    if words.startswith("(") and words.endswith(")"):
        words = words[1:-1]
    host, cause = None, words.removeprefix(_SUSPENDED)
    if cause.startswith("host ") and (found := _SAID(cause)):
        host, words = found[1], cause[found.end() :]
    elif found := _HOST(cause):
        host = found[1]
    if words.endswith("command)"):
        words = words.rpartition(" (in reply to ")[0] or words
    return words, host


class Rejected(NamedTuple):
    """What was not taken."""

    why: str
    mail_from: str
    recipient: str


def rejected(words: str) -> Rejected | None:
    """Why a message was rejected or discarded, from whom it was and to whom; None where the words do not say.

    Raises Ambiguous where they say it more than once: reasons, addresses and HELO quote what the client chose.
    """
    end = words.find("; from=<") if _REJECTED(words) else -1
    if end < 0 or "> to=<" not in words:
        return None
    parties = _PARTIES(words, end)
    if parties is None or any(words.count(part) > 1 for part in ("; from=<", "> to=<", "> proto=")):
        raise Ambiguous("a rejection of which it can't be told who is meant")
    return Rejected(words[:end], parties[1], parties[2])


def service_of(program: str) -> tuple[str, str] | None:
    """The instance and the service of a program's name: `postfix-out/submission/smtpd`. None for another program."""
    first, slash, rest = program.partition("/")
    if program == "opendkim":
        return "", "opendkim"
    if not slash or not first.startswith("postfix"):
        return None
    return first, rest.rpartition("/")[2]
