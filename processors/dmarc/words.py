"""Values in a report as receivers write them, to what they mean; what was odd about them is a warning."""

import ipaddress
import re
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

import idna

from schemas.record import EARLIEST_MS, LATEST_MS

MOST_MESSAGES = 10**12
"""More messages than one row can stand for: what claims them is a mistake."""
WORD_CHARACTERS = 256
TEXT_CHARACTERS = 1000

_GROUPED = re.compile(r"\d{1,3}(?:[,'_  ]\d{3})+")
_WITH_PORT = re.compile(r"\[?([0-9A-Fa-f:.]+)\](?::\d{1,5})?|([0-9.]+):\d{1,5}")
_RESULTS = {"hardfail": "fail", "unknown": "permerror", "error": "temperror"}
"""Words of earlier drafts, RFC 4408 and local habit, and what RFC 7208 and 8601 call them."""


class Warnings:
    """What was odd and put up with, each kind once with how often."""

    KINDS = 50

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()

    def add(self, warning: str) -> None:
        """Count one more of this kind; beyond so many kinds they are not told apart."""
        if warning not in self._times and len(self._times) >= self.KINDS:
            warning = "more warnings of other kinds"
        self._times[warning] += 1

    def told(self) -> tuple[str, ...]:
        """In the order in which they were first seen."""
        return tuple(w if times == 1 else f"{w} ({times} times)" for w, times in self._times.items())


def word(text: str | None, warnings: Warnings) -> str | None:
    """A word as it is stored: lower-case, without blanks around; None when there is nothing."""
    if not text:
        return None
    if len(text) > WORD_CHARACTERS:
        warnings.add(f"a word longer than {WORD_CHARACTERS} characters was cut")
        text = text[:WORD_CHARACTERS]
    return text.lower()[:WORD_CHARACTERS].strip() or None


def prose(text: str | None, warnings: Warnings, longest: int = TEXT_CHARACTERS) -> str | None:
    """Somebody's words, as they are; None when there are none."""
    if not text:
        return None
    if len(text) > longest:
        warnings.add(f"a text longer than {longest} characters was cut")
        return text[:longest].strip()
    return text


def result(text: str | None, warnings: Warnings) -> str | None:
    """A result of SPF, DKIM or DMARC in today's words."""
    said = word(text, warnings)
    if said in _RESULTS:
        warnings.add(f"result {said} was read as {_RESULTS[said]}")
        return _RESULTS[said]
    return said


def count(text: str | None, warnings: Warnings) -> int | None:
    """How many messages; None when it says no possible number."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        if _GROUPED.fullmatch(text):
            warnings.add("a count with grouped digits was read")
            text = re.sub(r"\D", "", text)
        else:
            number = _decimal(text)
            if number is None or number < 0 or number != number.to_integral_value():
                return None
            warnings.add("a count with decimals was read")
            text = str(int(number))
    if len(text) > 18:
        return None
    value = int(text)
    return value if 0 <= value <= MOST_MESSAGES else None


def _decimal(text: str) -> Decimal | None:
    """A plain number; None for anything else, and for what is too large to be any value in a report."""
    if len(text) > 40:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < 10**20 else None


def address(text: str | None, warnings: Warnings) -> str | None:
    """An IP address in its canonical form; None when it is none."""
    if not text:
        return None
    found, warning = _address(text[:100])
    if warning:
        warnings.add(warning)
    return found


@lru_cache(maxsize=8192)
def _address(text: str) -> tuple[str | None, str | None]:
    warning = None
    bare = "".join(text.split())
    ported = _WITH_PORT.fullmatch(bare)
    if bare != text or ported is not None:
        warning = "an address with a port, brackets or blanks was read without"
    if ported is not None:
        bare = ported.group(1) or ported.group(2)
    try:
        found = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None, None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped), "an IPv4 address written as IPv6 was read as IPv4"
    return str(found), warning


def domain(text: str | None, warnings: Warnings) -> str | None:
    """A domain name, lower-case, as A-labels, without the root's dot; None when there is none or it is too long."""
    if not text:
        return None
    name = text.strip().lower().rstrip(".")
    if not name.isascii():
        name = _a_labels(name[:300])
    if len(name) > 253:
        warnings.add("a domain longer than 253 characters was left out")
        return None
    return name.strip() or None


@lru_cache(maxsize=4096)
def _a_labels(name: str) -> str:
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return name


def moment(text: str | None, warnings: Warnings) -> int | None:
    """A time in ms from epoch seconds, also with decimals, in ms or as ISO 8601; None when it is none.

    RFC 9990 and 7489 want whole seconds: anything else is read with a warning.
    """
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 11:
        return _within(int(text) * 1000)
    number = _decimal(text)
    if number is None:
        return _iso(text, warnings)
    if abs(number) >= 10**14:
        warnings.add("a time in microseconds was read")
        return _within(int(number / 1000))
    if abs(number) >= 10**11:
        warnings.add("a time in milliseconds was read")
        return _within(int(number))
    warnings.add("a time with decimals was read")
    return _within(int(number * 1000))


def _iso(text: str, warnings: Warnings) -> int | None:
    try:
        found = datetime.fromisoformat(text[:64])
    except ValueError:
        return None
    since = (found if found.tzinfo else found.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    warnings.add("a time as text (ISO 8601) was read")
    return _within((since.days * 86_400 + since.seconds) * 1000)


def _within(millis: int) -> int | None:
    return millis if EARLIEST_MS <= millis <= LATEST_MS else None
