"""Lists of suppressions as CSV: our own, and those that SES, SendGrid, Mailgun and others export.

    recipient_hash,stream,reason,since,bounce_class,leaf,recipient_domain,by,note

is what is exported: a row for each recipient, stream and reason. What is imported may have any of these columns, an
`address` in place of the hash, and others' names for them (`ALIASES`); or no header at all, and then an address or hash
and perhaps a reason in each line, as SES takes it.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from itertools import chain
from typing import TextIO, get_args

from pydantic import TypeAdapter, ValidationError

from mailwake.suppressed.entries import Entry, safe_name, safe_note
from processors.suppressions.standing import REASONS
from schemas.record import CLOCK_TOLERANCE_MS, EARLIEST_MS, MailDomain, Word, millis_of
from schemas.suppression import SuppressedStream
from sinks.suppressions.index import Suppression

COLUMNS = (
    "recipient_hash",
    "stream",
    "reason",
    "since",
    "bounce_class",
    "leaf",
    "recipient_domain",
    "by",
    "note",
)

ALIASES: Mapping[str, tuple[str, ...]] = {
    "who": (
        "recipient_hash", "hash", "address", "email", "email_address", "emailaddress", "email address", "recipient",
        "recipient address", "suppressed_email",
    ),
    "stream": ("stream", "suppressed_stream"),
    "reason": ("reason", "type", "suppressionreason", "suppression_reason", "bounce_type"),
    "since": (
        "since", "created", "created_at", "createdat", "created at", "lastupdatetime", "last_update_time",
        "last update time", "timestamp", "date", "time", "updated_at",
    ),
    "bounce_class": ("bounce_class",),
    "leaf": ("leaf",),
    "recipient_domain": ("recipient_domain",),
    "by": ("by",),
    "note": ("note", "error", "description", "diagnostic"),
}  # fmt: skip
"""Names that a header may have for each column, in lower case."""

WORDS: Mapping[str, str] = {
    **{reason: reason for reason in REASONS},
    "hard_bounce": "bounce", "hardbounce": "bounce", "hard bounce": "bounce", "bounced": "bounce", "bounces": "bounce",
    "hard_bounces": "bounce", "invalid": "bounce", "invalid email": "bounce", "permanent": "bounce",
    "complained": "complaint", "complaints": "complaint", "spam": "complaint", "spam_report": "complaint",
    "spam report": "complaint", "spamcomplaint": "complaint", "spam_complaint": "complaint",
    "unsub": "unsubscribe", "unsubscribed": "unsubscribe", "unsubscribes": "unsubscribe", "unsubscription": "unsubscribe",
    "group unsubscribe": "unsubscribe", "global unsubscribe": "unsubscribe", "list_unsubscribe": "unsubscribe",
    "manualsuppression": "manual", "manual_suppression": "manual", "blocked": "manual",
}  # fmt: skip
"""Others' words for a reason, in lower case; any other text in that column is a note."""

STREAMS = get_args(SuppressedStream)

_NO_UTF8 = re.compile("[\udc80-\udcff]")
_UTF8_IS_WANTED = "no text in UTF-8, which a list is wanted in: save it as CSV in UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW"

_DOMAIN: TypeAdapter[str] = TypeAdapter(MailDomain)
_WORD: TypeAdapter[str] = TypeAdapter(Word)


class BadList(ValueError):
    """The list as a whole can't be read; the message says why and what is wanted."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for every row that says nothing else."""

    reason: str
    stream: str
    now_ms: int
    by: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that can't be taken."""

    line: int
    """Counted from 1."""
    why: str


def read_rows(
    lines: TextIO, defaults: Defaults, hashed: Callable[[str], tuple[str, str | None]]
) -> Iterator[Entry | BadRow]:
    """Each row as an entry, or why it is none; nothing but the row at hand is held in memory.

    `lines` has bytes that are no UTF-8 as lone surrogates (`surrogateescape`). `hashed` gives the hash of an address or hash,
    and the address's domain; it raises ValueError saying why not. Raises BadList for what has no column of recipients, or is
    of another encoding from its first row on.
    """
    first = next(lines, "")
    # Strict: what follows a quote that is not closed would be somebody's note, and whom it names not suppressed.
    rows = csv.reader(chain((first,), lines), delimiter=_delimiter(first), skipinitialspace=True, strict=True)
    places: Mapping[str, int] | None = None
    while True:
        begun = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            lost = f"lines {begun} to {rows.line_num} are" if rows.line_num > begun else "it is"
            yield BadRow(
                begun, f"no CSV: {error}, a quote in it is not closed or not doubled; {lost} not taken"
            )
            continue
        if not any(cell.strip() for cell in row):
            continue
        if not all(map(str.isascii, row)) and _NO_UTF8.search("".join(row)):
            if places is None:
                raise BadList(f"its first row is {_UTF8_IS_WANTED}")
            yield BadRow(rows.line_num, _UTF8_IS_WANTED)
            continue
        if places is None:
            places, is_header = _places(row)
            if is_header:
                continue
        try:
            yield _entry(row, places, defaults, hashed)
        except ValueError as error:
            yield BadRow(rows.line_num, str(error))


def _delimiter(first: str) -> str:
    """What stands between cells: a comma, or what Excel writes where a comma is in numbers, or a tab."""
    cell = next(csv.reader((first,)), [""])
    return next((other for other in ";\t" if cell and other in cell[0]), ",")


def write_rows(out: TextIO, suppressions: Iterable[Suppression]) -> int:
    """Write a list that `read_rows` takes back as it is; returns how many rows."""
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    written = 0
    for one in suppressions:
        since = datetime.fromtimestamp(one.since / 1000, UTC).isoformat(timespec="milliseconds")
        for reason in one.reasons:
            bounce = (one.bounce_class, one.leaf) if reason == "bounce" else (None, None)
            entered = (one.by, one.note) if reason == one.reason else (None, None)
            rows.writerow(
                [one.recipient_hash, one.stream, reason, since, *bounce, one.recipient_domain, *entered]
            )
            written += 1
    return written


def _places(first: Sequence[str]) -> tuple[Mapping[str, int], bool]:
    """Where each column is, and whether the first row is the header that says so."""
    names = [cell.strip().lstrip("\ufeff").lower() for cell in first]
    places = {
        column: min(names.index(alias) for alias in aliases if alias in names)
        for column, aliases in ALIASES.items()
        if set(aliases) & set(names)
    }
    if "who" in places:
        return places, True
    if "@" in names[0] or re.fullmatch(r"[0-9a-f]{32}", names[0], re.IGNORECASE):
        return {"who": 0, "reason": 1}, False
    raise BadList(
        f"the first line has none of the columns {', '.join(ALIASES['who'][:5])}, and is neither an address nor a hash; "
        "see docs/suppressions.md"
    )


def _entry(
    row: Sequence[str],
    places: Mapping[str, int],
    defaults: Defaults,
    hashed: Callable[[str], tuple[str, str | None]],
) -> Entry:
    said = {name: row[at].strip() for name, at in places.items() if at < len(row)}
    if not said.get("who"):
        raise ValueError("names no recipient")
    recipient_hash, domain = hashed(said["who"])
    given = said.get("reason", "")
    reason = WORDS.get(_word_of(given), defaults.reason)
    stream = said.get("stream") or defaults.stream
    if stream not in STREAMS:
        raise ValueError(f"stream {stream!r} is none of {', '.join(STREAMS)}")
    words = said.get("note") or (given if given and _word_of(given) not in WORDS else None)
    return Entry(
        "import",
        recipient_hash,
        _moment(said.get("since", ""), defaults.now_ms),
        stream,
        (reason,),
        safe_name(said.get("by")) or defaults.by,
        safe_note(words) or defaults.note,
        _domain(domain or said.get("recipient_domain", "")),
        _word("bounce_class", said.get("bounce_class", "")),
        _word("leaf", said.get("leaf", "")),
    )


def _word_of(given: str) -> str:
    return given.lower().replace("-", "_")


# Evidence is written without its model, for speed: these say what the model would. A list has few domains and words.
@lru_cache(4096)
def _domain(text: str) -> str | None:
    if not text:
        return None
    try:
        return _DOMAIN.validate_python(text)
    except ValidationError:
        raise ValueError(
            "the recipient's domain is none: at most 253 characters, and neither an @ nor a space in them"
        ) from None


@lru_cache(4096)
def _word(column: str, text: str) -> str | None:
    if not text:
        return None
    if "@" in text or safe_name(text) != text:
        raise ValueError(f"{column} holds an address or is too long: wants a word of at most 256 characters")
    return _WORD.validate_python(text)


def _moment(text: str, now_ms: int) -> int:
    """A moment in ms: ISO 8601, RFC 5322, or seconds or milliseconds since the epoch; now, where nothing is said."""
    if not text:
        return now_ms
    if text.isdigit():
        number = int(text)
        found = number * 1000 if number < 10**11 else number
    else:
        found = _in_words(text)
    if not EARLIEST_MS <= found <= now_ms + CLOCK_TOLERANCE_MS:
        raise ValueError(f"{text!r} is no moment before now")
    return found


def _in_words(text: str) -> int:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text.removesuffix(" UTC"))
        except (ValueError, TypeError, IndexError):
            continue
        return millis_of(moment)
    raise ValueError(f"{text!r} is no time: ISO 8601, RFC 5322 or seconds since 1970")
