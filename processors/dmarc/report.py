"""An aggregate report in XML (RFC 7489 appendix C, RFC 9990) to what it says, in one pass.

Elements are matched by their local name without regard to case, in any namespace. What is missing stays null;
what is odd is read and warned about; a record that can't be counted is set aside by itself. The content's hash
is of every element's text in order, so it is the same however the report was packed, encoded or laid out.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

from processors.dmarc import xml as streaming
from processors.dmarc.rows import BadRow, RawRow, fields_of
from processors.dmarc.words import Warnings, domain, moment, prose, word

NAMESPACE_9990 = "urn:ietf:params:xml:ns:dmarc-2.0"
ELEMENTS_9990 = frozenset(("generator", "testing", "discovery_method"))
DEPTH = 64
"""Elements within each other; a report has seven."""
FIELD_CHARACTERS = 64 * 1024
"""How much of one text is read."""
ITEMS = 100
"""Signatures, SPF checks or reasons of one record, and errors of one report (RFC 9990 asks for at most 100)."""
NAME_CHARACTERS = 255
"""How much of org_name and report_id is kept: they are part of every event's key."""
NAMES = 4096
"""How many different tags are remembered."""
LONGEST_REPORT_MS = 86_400_000 + 3_600_000
"""Spans beyond a day and an hour are warned about (a day can have 25 hours)."""

_ROW_PARTS = frozenset(("row", "policy_evaluated", "identifiers"))
_META_PARTS = frozenset(("report_metadata", "date_range", "policy_published", "feedback"))
_UNKNOWN_PARTS = frozenset(("extension", "extensions"))


class NotAReport(ValueError):
    """XML that gives no report; the message says why."""

    def __init__(self, reason: str, is_aggregate: bool) -> None:
        super().__init__(reason)
        self.is_aggregate = is_aggregate
        """True when it set out to be an aggregate report."""


@dataclass(frozen=True, slots=True)
class ParsedReport:
    """What an aggregate report says, without the document it came in."""

    format: Literal["rfc7489", "rfc9990"]
    org_name: str | None
    report_id: str
    policy_domain: str
    begin: int
    """Start of the span, ms."""
    end: int
    """End of the span, ms."""
    content_hash: str
    about: dict[str, Any]
    """The other fields of DmarcReportParsed: the reporter's contact, errors and the policy published."""
    rows: list[dict[str, Any]]
    """For each record the fields of DmarcRecordReported that are its own."""
    warnings: tuple[str, ...]
    is_partial: bool
    """True when records were set aside or cut off."""


def parse_report(xml: bytes, max_records: int = 200_000) -> ParsedReport:
    """Read an aggregate report. Raises NotAReport when there is none in it, or when it must not be read."""
    reader, error = _read(xml, max_records)
    changes: list[str] = []
    if error is not None and not reader.is_complete and len(xml) <= streaming.MENDABLE_BYTES:
        copy, changes = streaming.mended(xml)
        if copy != xml:
            again, error_again = _read(copy, max_records)
            if again.reach >= reader.reach:
                reader, error = again, error_again
            else:
                changes = []
    return _report(reader, error, changes)


def _read(xml: bytes, max_records: int) -> "tuple[_Reader, str | None]":
    reader = _Reader(max_records)
    try:
        error = streaming.read(xml, streaming.Handlers(reader.start, reader.end, reader.text))
    except streaming.Forbidden as forbidden:
        raise NotAReport(str(forbidden), reader.is_aggregate) from None
    return reader, error


@dataclass(slots=True)
class _Reader:
    """Gathers what the tags and texts say."""

    max_records: int
    root: str | None = None
    is_complete: bool = False
    """The root element was closed."""
    is_9990: bool = False
    is_partial: bool = False
    meta: dict[str, str] = field(default_factory=dict)
    policy: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    warnings: Warnings = field(default_factory=Warnings)
    _content: Any = field(default_factory=sha256)
    _row: RawRow | None = None
    _item: dict[str, str] = field(default_factory=dict)
    _ordinal: int = 0
    policies: int = 0
    _unknown: int = 0
    _stack: list[str] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)
    _texts: list[str] = field(default_factory=list)
    _characters: int = 0
    _said: list[str] = field(default_factory=list)

    @property
    def is_aggregate(self) -> bool:
        return self.root == "feedback"

    @property
    def reach(self) -> tuple[bool, int, int]:
        """How far it came, to compare two readings of the same report."""
        return self.is_complete, self._ordinal, len(self.meta) + len(self.policy)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = self._names.get(tag) or self._local(tag)
        stack = self._stack
        parent = stack[-1] if stack else ""
        stack.append(name)
        self._texts.clear()
        self._characters = 0
        if len(stack) > DEPTH:
            raise streaming.Forbidden(f"elements are nested more than {DEPTH} deep")
        if self.root is None:
            self._begin(name, attributes)
        if self._unknown or name in _UNKNOWN_PARTS:
            self._unknown += 1
        elif name == "record" and self._row is None:
            self._row = RawRow(self._ordinal)
            self._ordinal += 1
        elif name == "policy_published" and self._row is None:
            self.policies += 1
        elif self._row is not None:
            self._part_of_row(name, parent, self._row)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self.root = name
        if name != "feedback":
            raise NotAReport(f"its root element is <{name[:80]}>, not <feedback>", is_aggregate=False)
        self.is_9990 = NAMESPACE_9990 in attributes.values()

    def _part_of_row(self, name: str, parent: str, row: RawRow) -> None:
        if name in ("policy_evaluated", "auth_results"):
            row.seen.add(name)
        elif parent == "auth_results" and name in ("dkim", "spf"):
            self._item = {}
            self._keep(row.dkim if name == "dkim" else row.spf, self._item, f"{name} results of a record")
        elif parent == "policy_evaluated" and name == "reason":
            self._item = {}
            self._keep(row.reasons, self._item, "reasons of a record")

    def _keep(self, items: list[Any], item: Any, what: str) -> None:
        if len(items) < ITEMS:
            items.append(item)
        else:
            self.is_partial = True
            self.warnings.add(f"more than {ITEMS} {what}; the rest was left out")

    def text(self, text: str) -> None:
        self._characters += len(text)
        if self._characters <= FIELD_CHARACTERS:
            self._texts.append(text)

    def end(self, tag: str) -> None:
        stack = self._stack
        name = stack.pop()
        parent = stack[-1] if stack else ""
        text = "".join(self._texts).strip()
        self._texts.clear()
        if self._characters > FIELD_CHARACTERS:
            self.warnings.add(f"a text longer than {FIELD_CHARACTERS} characters was cut")
        self._characters = 0
        if text:
            self._said.append(f"{parent}\x1f{name}\x1f{text}\x1e")
        if self._unknown:
            self._unknown -= 1
        elif self._row is None:
            self._end_in_report(name, parent, text)
        elif name == "record" and "record" not in stack:
            self._end_record(self._row)
        elif text:
            if parent in _ROW_PARTS:
                self._row.texts.setdefault(name, text)
            elif parent in ("dkim", "spf", "reason"):
                self._item.setdefault(name, text)

    def _end_in_report(self, name: str, parent: str, text: str) -> None:
        if not self._stack:
            self.is_complete = True
        if not text:
            return
        if name in ELEMENTS_9990:
            self.is_9990 = True
        if parent == "policy_published":
            if self.policies <= 1:
                self.policy.setdefault(name, text)
        elif name == "error":
            self._keep(self.errors, text, "errors")
        elif parent in _META_PARTS:
            self.meta.setdefault(name, text)

    def _end_record(self, row: RawRow) -> None:
        self._row = None
        self._hash()
        if row.ordinal >= self.max_records:
            self.is_partial = True
            self.warnings.add(f"a record beyond the first {self.max_records} was left out (limit records)")
            return
        try:
            self.rows.append(fields_of(row, self.warnings))
        except BadRow as bad:
            self.is_partial = True
            self.warnings.add(f"a record was set aside: {bad}")

    def _hash(self) -> None:
        self._content.update("".join(self._said).encode("utf-8", "replace"))
        self._said.clear()

    def content_hash(self) -> str:
        """SHA-256 of every text so far with the names of its element and the one around it."""
        self._hash()
        return str(self._content.hexdigest())

    def _local(self, tag: str) -> str:
        name = tag.rpartition(":")[2].lower()
        if len(self._names) < NAMES:
            self._names[tag] = name
        return name


def _report(reader: _Reader, error: str | None, changes: list[str]) -> ParsedReport:
    if not reader.is_aggregate:
        raise NotAReport(f"is no XML that can be read: {error or 'it has no element'}", is_aggregate=False)
    warnings, is_partial = reader.warnings, reader.is_partial
    for change in changes:
        warnings.add(change)
    if error is not None and reader.is_complete:
        warnings.add("junk after the report was skipped")
    elif error is not None:
        is_partial = True
        warnings.add(f"the XML breaks off after {len(reader.rows)} whole records: {error}")
    if reader.policies > 1:
        warnings.add("policy_published is there several times; the first was taken")
    begin, end = _span(reader, error)
    policy_domain = domain(reader.policy.get("domain"), warnings)
    if policy_domain is None:
        policy_domain = next((row["header_from"] for row in reader.rows if row["header_from"]), None)
        if policy_domain is None:
            raise NotAReport(
                _broken("it names no policy domain and no record's header_from", error), is_aggregate=True
            )
        warnings.add("no policy domain; the first record's header_from was taken")
    content_hash = reader.content_hash()
    report_id = prose(reader.meta.get("report_id"), warnings, NAME_CHARACTERS)
    if report_id is None:
        report_id = f"sha256:{content_hash[:32]}"
        warnings.add("no report_id; one was made from the content's hash")
    about = _about(reader)
    if not reader.rows and not is_partial:
        warnings.add("it has no records")
    for row in reader.rows:
        row["p"] = _policy_for(row["header_from"], policy_domain, about)
    return ParsedReport(
        "rfc9990" if reader.is_9990 else "rfc7489",
        prose(reader.meta.get("org_name"), warnings, NAME_CHARACTERS),
        report_id,
        policy_domain,
        begin,
        end,
        content_hash,
        about,
        reader.rows,
        warnings.told(),
        is_partial,
    )


def _span(reader: _Reader, error: str | None) -> tuple[int, int]:
    warnings = reader.warnings
    begin, end = (moment(reader.meta.get(name), warnings) for name in ("begin", "end"))
    if begin is None and end is None:
        raise NotAReport(_broken("it has no date_range that can be read", error), is_aggregate=True)
    if begin is None or end is None:
        warnings.add("one end of the date_range is missing; the other was taken for both")
        known = end if begin is None else begin
        assert known is not None
        begin = end = known
    if end < begin:
        warnings.add("the date_range ends before it begins")
    elif end - begin > LONGEST_REPORT_MS:
        warnings.add("the date_range spans more than a day")
    return begin, end


def _about(reader: _Reader) -> dict[str, Any]:
    warnings, meta, policy = reader.warnings, reader.meta, reader.policy
    for name in ("org_name", "email"):
        if name not in meta:
            warnings.add(f"no {name}")
    if "p" not in policy:
        warnings.add("no policy (p)")
    pct = policy.get("pct")
    is_share = pct is not None and pct.isascii() and pct.isdigit() and len(pct) <= 3 and int(pct) <= 100
    if pct is not None and not is_share:
        warnings.add("pct is no share from 0 to 100; it was left out")
    words = ("p", "sp", "np", "adkim", "aspf", "fo", "testing", "discovery_method")
    return {
        "email": prose(meta.get("email"), warnings),
        "extra_contact_info": prose(meta.get("extra_contact_info"), warnings),
        "generator": prose(meta.get("generator"), warnings),
        "errors": [prose(text, warnings) or "" for text in reader.errors],
        "pct": int(pct) if pct is not None and is_share else None,
        **{name: word(policy.get(name), warnings) for name in words},
    }


def _policy_for(header_from: str | None, policy_domain: str, about: dict[str, Any]) -> str | None:
    """The policy published for that domain: `sp` for a subdomain where there is one, else `p`."""
    is_subdomain = header_from is not None and header_from.endswith(f".{policy_domain}")
    policy: str | None = about["sp"] if is_subdomain and about["sp"] else about["p"]
    return policy


def _broken(reason: str, error: str | None) -> str:
    return reason if error is None else f"{reason}; the XML breaks off: {error}"
