"""How a value in a webhook is read: what stands behind `as` in the tables. A value that says nothing is None."""

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, get_args

from schemas.mail import Stream, without_addresses
from schemas.record import EARLIEST_MS, LATEST_MS, millis_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLIS_FROM = 100_000_000_000
"""From here on a number is milliseconds: as seconds it would be the year 5138, as milliseconds it is 1973."""
LONGEST_READ = 8192
"""Characters of a text that are looked at."""
RESPONSE, TEXT, WORD = 4096, 1024, 256
"""Characters that a response, a text and a word keep."""
STREAMS = frozenset(get_args(Stream))
ONE_OF_SEVERAL = ""
"""What stands for an address where it is known to be one of several, and not which."""

_CODE = re.compile(r"(?<![\w.:])([245][0-9]{2})(?![\w.:])")
_ENHANCED = re.compile(r"(?<![\w.])([245]\.[0-7]\.[0-9]{1,3})(?![\w]|\.\d)")
_ANGLE = re.compile(r"<([^<>]*)>\s*$")
_MX = re.compile(r"\bto ([a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9-]+)+)\b", re.IGNORECASE)
_SERVERS = re.compile(r"\.(?:filter|recvd-)")
_BLANK = re.compile(r"[\x00-\x20]")
_KEY = re.compile(r"^([^.@]{1,63})\._domainkey\.(.{1,190})$", re.IGNORECASE)


class Unreadable(ValueError):
    """A value that is not what its field should be; says what is wanted."""


def text(value: Any) -> str | None:
    """Text, or a number as text; empty is nothing."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise Unreadable("text")


def short(value: Any) -> str | None:
    """At most a text's length of text."""
    found = text(value)
    return found[:TEXT] if found else None


def word(value: Any) -> str | None:
    """A short name; of several the first. Nothing in it is an address, and the number 0 is no name."""
    if value == 0:
        return None
    if isinstance(value, list):
        value = next((each for each in value if each), None)
    found = text(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    return (without_addresses(found[: 4 * WORD])[:WORD].strip() or None) if found else None


def words(value: Any) -> str | None:
    """A server's words: a text, or several in a list, cut where they are long."""
    if isinstance(value, list):
        value = " ".join(each for each in value if isinstance(each, str))
    found = text(value)
    if found is None or len(found) <= LONGEST_READ:
        return found
    # What stands at the cut may be half an address, which nothing would recognise any more.
    return found[:LONGEST_READ].rpartition(" ")[0] or None


def integer(value: Any) -> int | None:
    """A whole number that is not negative, also as text."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise Unreadable("a whole number")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 19:
        value = int(value)
    if isinstance(value, int) and 0 <= value < 2**63:
        return value
    raise Unreadable("a whole number")


def flag(value: Any) -> bool | None:
    """Yes or no: a boolean, 0 or 1, also as text."""
    if value is None or isinstance(value, bool):
        return value
    known = {0: False, 1: True, "0": False, "1": True, "false": False, "true": True, "": None}
    key = value.lower() if isinstance(value, str) else value
    if isinstance(key, str | int) and key in known:
        return known[key]
    raise Unreadable("true or false")


def likely(value: Any) -> bool | None:
    """What a provider takes for likely: `Likely` or `Unlikely`; None for whatever else it says."""
    return {"likely": True, "unlikely": False}.get(value.lower()) if isinstance(value, str) else None


def present(value: Any) -> bool | None:
    """Whether something is said, whatever it is; None where there is not even a place to say it."""
    return None if value is None else bool(value)


def _instant(value: Any, wants: str) -> int:
    if isinstance(value, str):
        try:
            value = float(value) if "." in value else int(value)
        except ValueError:
            raise Unreadable(wants) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable(wants)
    if not abs(value) < 10**15:
        raise Unreadable(wants)
    return round(value if value >= MILLIS_FROM else value * 1000)


def seconds(value: Any) -> int | None:
    """Seconds since the epoch, whole or not, as milliseconds."""
    return None if value is None or value == "" else _instant(value, "seconds since the epoch")


def milliseconds(value: Any) -> int | None:
    """Milliseconds since the epoch."""
    return None if value is None or value == "" else _instant(value, "milliseconds since the epoch")


def instant(value: Any) -> int | None:
    """Seconds or milliseconds since the epoch, which their size tells apart, or ISO 8601."""
    if isinstance(value, str) and "-" in value[1:]:
        return iso(value)
    return None if value is None or value == "" else _instant(value, "a time since the epoch")


def iso(value: Any) -> int | None:
    """ISO 8601; without an offset it is UTC."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Unreadable("an ISO 8601 time")
    try:
        return _millis(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        raise Unreadable("an ISO 8601 time") from None


def mail_date(value: Any) -> int | None:
    """The time of a mail's Date header (RFC 5322, 3.3). Whoever wrote it says what he likes: what is none is none."""
    try:
        return _millis(parsedate_to_datetime(value)) if isinstance(value, str) else None
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None


def _millis(moment: datetime) -> int:
    found = millis_of(moment)
    if not EARLIEST_MS <= found <= LATEST_MS:
        raise ValueError("not a time that can be stored")
    return found


def address(value: Any) -> str | None:
    """The address in `Name <address>`, in `<address>` or by itself; of several the first."""
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None:
        return None
    if not isinstance(value, str):
        raise Unreadable("an address")
    if "<" in value and (found := _ANGLE.search(value)):
        value = found[1]
    return value.strip() or None


def only_address(value: Any) -> str | None:
    """The address in a list of one. Which of several it was nobody can tell: ONE_OF_SEVERAL."""
    if isinstance(value, list) and len(value) > 1:
        return ONE_OF_SEVERAL
    return address(value)


def domain(value: Any) -> str | None:
    """The domain of an address, or a domain itself."""
    found = address(value)
    if found is None:
        return None
    name = found.rpartition("@")[2].strip().rstrip(".").lower()
    if not name or len(name) > 253 or _BLANK.search(name):
        return None
    if name.isascii():
        return name
    import idna

    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        return None


def host(value: Any) -> str | None:
    """A host's name; an address literal is none."""
    found = text(value)
    if found is None:
        return None
    name = found.rstrip(".").lower()
    return name if "." in name and len(name) <= 253 and not any(c in name for c in "@ :[]\t\n") else None


def mx_in(value: Any) -> str | None:
    """The host in `Message sent by SMTP to mx.example.com (192.0.2.1)`."""
    found = text(value)
    match = _MX.search(found[:TEXT]) if found else None
    return match[1].lower() if match and len(match[1]) <= 253 else None


def ip(value: Any) -> str | None:
    """An IP address; what is none says nothing."""
    found = text(value[0] if isinstance(value, list) and value else value) if value else None
    return None if found is None else _ip(found)


@lru_cache(maxsize=4096)
def _ip(found: str) -> str | None:
    try:
        return str(ip_address(found))
    except ValueError:
        return None


def message_id(value: Any) -> str | None:
    """An RFC 5322 Message-ID, with its angle brackets."""
    found = text(value)
    return found if found is None or found.startswith("<") else f"<{found}>"


def x_message_id(value: Any) -> str | None:
    """What SendGrid's API answered with as X-Message-Id: in webhooks the servers that a message went through follow it."""
    found = text(value)
    return _SERVERS.split(found, 1)[0] or found if found else None


def reply_code(value: Any) -> int | None:
    """A reply code of SMTP: a number, or the one a text begins with."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 200 <= value <= 599 else None
    found = text(value)
    match = _CODE.search(found[:64]) if found else None
    return int(match[1]) if match else None


def enhanced(value: Any) -> str | None:
    """An enhanced status code (RFC 3463; its subjects are 0 to 7), wherever in a text it stands first."""
    found = text(value)
    match = _ENHANCED.search(found[:TEXT]) if found else None
    return match[1] if match else None


def digest(value: Any) -> str | None:
    """SHA-256 of a link's target in hex."""
    found = text(value)
    return hashlib.sha256(found.encode("utf-8", "surrogatepass")).hexdigest() if found else None


def day(value: Any) -> str | None:
    """The UTC day of a time in seconds."""
    found = seconds(value)
    if found is None:
        return None
    if not EARLIEST_MS <= found <= LATEST_MS:
        raise Unreadable("a time that can be stored")
    return (_EPOCH + timedelta(milliseconds=found)).date().isoformat()


def stream_in(value: Any, is_named: bool) -> str | None:
    """transactional, marketing, cold or other: said by a field of that name, or by a tag such as stream:marketing."""
    for each in value if isinstance(value, list) else (value,):
        if not isinstance(each, str):
            continue
        name, separator, tagged = each.strip().lower().replace("=", ":").partition(":")
        if separator and name == "stream" and tagged in STREAMS:
            return tagged
        if is_named and name in STREAMS:
            return name
    return None


def dkim_domain(value: Any) -> str | None:
    """The domain in `selector._domainkey.example.com`."""
    found = text(value)
    match = _KEY.match(found) if found else None
    return match[2].lower() if match else None


def dkim_selector(value: Any) -> str | None:
    """The selector in `selector._domainkey.example.com`."""
    found = text(value)
    match = _KEY.match(found) if found else None
    return match[1] if match else None


def region(value: Any) -> str | None:
    """The region in an ARN: arn:aws:ses:eu-west-1:123456789012:identity/example.com."""
    found = text(value)
    parts = found.split(":") if found and found.startswith("arn:") else []
    return parts[3][:WORD] or None if len(parts) > 3 else None


READINGS: dict[str, Callable[[Any], Any]] = {
    function.__name__.replace("_", " "): function
    for function in (
        text, short, word, words, integer, flag, likely, present, seconds, milliseconds, instant, iso, mail_date, address,
        only_address, domain, host, mx_in, ip, message_id, x_message_id, reply_code, enhanced, digest, day, dkim_domain,
        dkim_selector, region,
    )
}  # fmt: skip
"""By the name that stands behind `as`."""
