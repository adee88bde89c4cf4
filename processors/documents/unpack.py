"""Everything in a received document that could be a report, however it was packed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from processors.documents.archives import Entry, untar, unzip
from processors.documents.compressed import Stream, bunzip2, gunzip, unxz
from processors.documents.limits import Budget, Limits, OverBudget
from processors.documents.mail import parts
from processors.documents.sniff import Form, form_of
from processors.mails.transfer_encoding import from_base64

NAME_CHARACTERS = 255
"""How much of a file name inside an archive or mail is kept."""


@dataclass(frozen=True, slots=True)
class Member:
    """One thing found in a document: XML to read, something else, or what could not be unpacked."""

    content: bytes
    member: str | None = None
    """Its path inside archives and mails; None when the document is the whole."""
    form: Form | None = "xml"
    """`xml`; `mail` for one that lies in no other; None for what is no report in any form."""
    reason: str | None = None
    """Why it could not be unpacked at all; then there is no content."""
    damage: tuple[str, ...] = ()
    """What is wrong with its packing: some of it may be missing."""
    warnings: tuple[str, ...] = ()
    """What was odd about its packing and harmless."""


@dataclass(frozen=True, slots=True)
class _Packed:
    """Bytes on the way down: where they are and what was seen on the way."""

    content: bytes
    path: str | None = None
    depth: int = 0
    damage: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    in_mail: bool = False
    """Whether it is a part of a mail."""

    def inside(
        self, content: bytes, name: str | None = None, problem: str | None = None, warning: str | None = None
    ) -> "_Packed":
        """What this holds, one container further in."""
        path = self.path if name is None else _joined(self.path, name)
        damage = (*self.damage, problem) if problem else self.damage
        warnings = (*self.warnings, warning) if warning else self.warnings
        return _Packed(content, path, self.depth + 1, damage, warnings, self.in_mail)

    def leaf(self, form: Form | None) -> Member:
        return Member(self.content, self.path, form, None, self.damage, self.warnings)

    def lost(self, reason: str) -> Member:
        return Member(b"", self.path, None, "; ".join((*self.damage, reason)), (), self.warnings)


def unpack(content: bytes, limits: Limits) -> Iterator[Member]:
    """Everything in a document, in order, opened by what the bytes are and not by their labels.

    Plain and packed XML comes as `xml`; a mail as `mail`, after what is in it; what is neither XML nor a container has
    form None; what can't be unpacked has a reason. Stops at the limits with one last member that says which.
    """
    budget = Budget(limits, len(content))
    if len(content) > limits.document_bytes:
        yield Member(b"", None, None, f"larger than {limits.document_bytes} bytes (limit document_bytes)")
        return
    try:
        yield from _members(_Packed(content), budget)
    except OverBudget as over:
        where = budget.at if budget.entry is None else _joined(budget.at, budget.entry)
        yield Member(b"", where, None, str(over))


def _members(packed: _Packed, budget: Budget) -> Iterator[Member]:
    budget.at, budget.entry = packed.path, None
    form = form_of(packed.content)
    if form is None or form == "xml":
        if form is None and packed.damage:
            yield packed.lost("what can be read of it is no report")
        else:
            yield packed.leaf(form)
        return
    if packed.depth >= budget.limits.depth:
        yield packed.lost(f"packed more than {budget.limits.depth} deep (limit depth)")
        return
    for inner in _opened(packed, form, budget):
        yield from _members(inner, budget)
    if form == "mail" and not packed.in_mail:
        yield packed.leaf(form)


def _opened(packed: _Packed, form: Form, budget: Budget) -> Iterator[_Packed]:
    content = packed.content
    match form:
        case "gzip":
            yield from _documents(packed, *gunzip(content, budget))
        case "bzip2":
            yield from _documents(packed, *bunzip2(content, budget))
        case "xz":
            yield from _documents(packed, *unxz(content, budget))
        case "zip":
            yield from _entries(packed, unzip(content, budget))
        case "tar":
            yield from _entries(packed, untar(content, budget))
        case "mail":
            for part in parts(content.lstrip(), budget):
                yield replace(packed.inside(part.content, part.name, part.problem), in_mail=True)
        case "base64":
            text = from_base64(content)
            budget.spend(len(text))
            yield packed.inside(text)


def _entries(packed: _Packed, entries: Iterator[Entry]) -> Iterator[_Packed]:
    is_empty = True
    for entry in entries:
        is_empty = False
        yield packed.inside(entry.content, entry.name, entry.problem)
    if is_empty:
        yield packed.inside(b"", None, "the archive holds no files")


def _documents(packed: _Packed, streams: list[Stream], oddity: str | None) -> Iterator[_Packed]:
    """Streams one after the other are one document, unless a later one begins another XML document."""
    number = 0

    def which(stream: Stream) -> int:
        nonlocal number
        number += stream.content.lstrip()[:5] == b"<?xml"
        return max(number, 1)

    if not streams:
        yield packed.inside(b"", None, oddity or "no stream in it can be read")
    for _, group in groupby(streams, which):
        run = list(group)
        problem = next((stream.problem for stream in run if stream.problem), None)
        yield packed.inside(b"".join(stream.content for stream in run), None, problem, oddity)


def _joined(path: str | None, name: str) -> str:
    cleaned = "".join(c if c.isprintable() else "\ufffd" for c in name[:NAME_CHARACTERS]) or "unnamed"
    return cleaned if path is None else f"{path}/{cleaned}"
