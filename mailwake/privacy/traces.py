"""Finding an address in bytes, in whatever form it is written there, and writing another in its place.

Found: the address in plain text of any case, its letters as `letters.py` has them, each in any way, lines broken within;
`local=domain`, as VERP writes it; the domain with A-labels or U-labels. And all of that in strings of JSON and in forms
(`escaped.py`), in base64 (also base64url, and encoded words of RFC 2047), hex digits, gzip, zlib, bzip2, xz, zip and tar
(`layers.py`), one in the other up to a depth.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import idna

from mailwake.privacy.escaped import escaped
from mailwake.privacy.layers import (
    DEPTH,
    Layer,
    OutOfBudget,
    containers,
    runs,
    runs_by_line,
    runs_over_soft_breaks,
)
from mailwake.privacy.letters import BACKSLASHES, BREAK, letter, spelled, spelled_domain
from schemas.recipient import normalised

_QUOTE = rb'(?:\\{0,7}"{1,2}|[=%]22|\\{1,7}(?:u00|x)22|&(?:amp;)?(?:quot|#34|#x22);)'
"""What a quoted local part begins and ends with (RFC 5321, 4.1.2), in any escapes; twice in a cell of CSV."""

_BLANK = rb"(?:[ \t]{0,4}(?:(?:\r?\n|\\r\\n|\\n)[ \t]{1,8})?)"
"""What may stand before and after an @: blanks, and a fold of a header's line (RFC 5322, 4.4), in JSON too."""

_SAID = rb"[ \t]{0,4}(?:\(at\)|\[at\]|(?<=[ \t])at(?=[ \t]))[ \t]{0,4}"
"""An @ as archives of lists write it."""

ENCODINGS = (runs, runs_by_line, runs_over_soft_breaks)
"""Each is looked through, and what was in it replaced, before the next: they overlap."""

_TOGETHER = 256 * 1024
"""Bytes of texts that are screened together."""

_ATOM = re.compile(rb"[A-Za-z0-9._%+\-]")
"""What goes on with a local part; other letters that an atom may have (= ' / ...) stand more often between than within."""
_ESCAPE_BEFORE = re.compile(
    rb"(?:=([0-9A-Fa-f]{2})|%([0-9A-Fa-f]{2})|\\u00([0-9A-Fa-f]{2})|\\x([0-9A-Fa-f]{2})|&#x([0-9A-Fa-f]{2});|(\\[nrtbfv0]))$"
)
_ESCAPE_AFTER = re.compile(rb"(?:=|%|\\u00|\\x|&#x)([0-9A-Fa-f]{2})")
_SOFT = re.compile(rb"^(?:\x00|=[ \t]*+\r?\n)++")
_GOES_ON = re.compile(rb"[A-Za-z0-9]|\.[A-Za-z0-9]|-[A-Za-z0-9\-]*\.[A-Za-z0-9]")
"""A domain: of another label, or of a longer one."""
_VERP = re.compile(rb"[^@\s<>]{1,320}(?:=|%3D|\\u003d)[^@\s<>]{1,255}(?:@|=40|%40)", re.IGNORECASE)
_IN_WORD = re.compile(rb"=\?[\w*-]{2,40}\?[qQ]\?[^?\s]*$")
"""The beginning of an encoded word, where a _ is a blank (RFC 2047, 4.2)."""
_WORD = 400
"""Bytes that one is looked for in: it has 75 at most, if its writer knew."""


@dataclass(slots=True)
class Budget:
    """How much may be unpacked while one document is looked through, in bytes."""

    left: int = 1 << 30

    def spend(self, size: int) -> None:
        """Raises OutOfBudget."""
        self.left -= size
        if self.left < 0:
            raise OutOfBudget("it unpacks to more than is looked through")


@dataclass(frozen=True, slots=True)
class Traces:
    """One address as it is looked for, and what is written in its place. `Traces.of` makes one."""

    pattern: "re.Pattern[bytes]"
    screen: Callable[[bytes], object]
    """Finds all that the pattern does, and more, in a twentieth of the time; None where there is nothing."""
    stand_in: bytes
    size: int
    """Bytes of the address: what is encoded is not shorter."""

    @classmethod
    def of(cls, address: str, stand_in: str) -> "Traces":
        """The traces of an address. Raises InvalidAddress where it is none."""
        local, domains = _forms(address)
        name, either = spelled(local), b"(?:" + b"|".join(map(spelled_domain, domains)) + b")"
        at = (
            b"(?:"
            + _BLANK
            + letter("@")
            + _BLANK
            + rb"|\+AEA-|"
            + _SAID
            + b"|(?P<verp>%|"
            + letter("=")
            + b"))"
        )
        closing = b"(?:" + BREAK + b"(?P<closing>" + _QUOTE + b"))?"
        plain = name + closing + BREAK + at + BREAK + either
        turned = either + BREAK + b"(?P<turned>" + letter("=") + b")" + BREAK + name
        ahead = b"(?=" + BREAK + b"(?:@|=40|%40))"
        pattern = re.compile(plain + b"|" + turned + ahead, re.IGNORECASE)
        return cls(pattern, _screen(plain + b"|" + turned), stand_in.encode(), len(address.encode()))

    def found_in(self, content: bytes) -> bool:
        """Whether the address is anywhere in there. Raises OutOfBudget where it can't be said."""
        return bool(those_in(content, (self,)))

    def is_in(self, text: bytes) -> bool:
        """Whether it is written out in there, not packed in anything."""
        return next(self.spans(text), None) is not None

    def taken_out_of(self, content: bytes) -> bytes | None:
        """The same bytes with each trace replaced; None where some can't be replaced. Raises OutOfBudget."""
        clean = _Cleaning(self, Budget()).cleaned(content, 0)
        return None if self.found_in(clean) else clean

    def spans(self, content: bytes) -> Iterator[tuple[int, "re.Match[bytes]"]]:
        """Where it is written out in there, from its opening quote on where its local part is a quoted one."""
        if self.screen(content) is None:
            return
        at = 0
        while found := self.pattern.search(content, at):
            start = _opening(content, found)
            if (start < found.start() or _begins(content, start)) and _ends(content, found.end()):
                yield max(start, at), found
                at = found.end()
            else:
                at = found.start() + 1

    def written_for(self, found: "re.Match[bytes]") -> bytes:
        """The stand-in as the bytes it replaces are written: as VERP does, in 16 or 32 bits a letter."""
        match, stand_in = found[0], self.stand_in
        if found["verp"] or found["turned"]:
            stand_in = stand_in.replace(b"@", b"=")
        for width in (4, 2):
            zeros = b"\x00" * (width - 1)
            if match[1:width] == zeros:
                return b"".join(bytes((byte,)) + zeros for byte in stand_in)[: -(width - 1)]
        return stand_in


def those_in(content: bytes, traces: Sequence[Traces]) -> list[Traces]:
    """Which of them are anywhere in there; what is packed in it is unpacked once for all of them.

    Raises OutOfBudget where it can't be said.
    """
    left = list(traces)
    shortest = min((trace.size for trace in traces), default=0)
    _leave_those_not_in((content,), left, Budget(), shortest, 0)
    not_in = set(map(id, left))
    return [trace for trace in traces if id(trace) not in not_in]


def _leave_those_not_in(
    texts: Iterable[bytes], left: list[Traces], budget: Budget, shortest: int, depth: int
) -> None:
    """Take those that are in there off the list."""
    for some in _together(texts):
        # Most of what is unpacked is a few bytes that were never encoded.
        joined = b"\n".join(some)
        left[:] = [trace for trace in left if trace.screen(joined) is None or not any(map(trace.is_in, some))]
        if not left:
            return
        if depth < DEPTH:
            packed = (
                inner
                for text in some
                for layer in chain(
                    containers(text, budget),
                    *(encoded(text, budget, shortest) for encoded in ENCODINGS),
                    escaped(text, budget),
                )
                for inner in layer.contents
            )
            _leave_those_not_in(packed, left, budget, shortest, depth + 1)


def _together(texts: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Some texts at a time: many short ones, or a long one."""
    some: list[bytes] = []
    size = 0
    for text in texts:
        some.append(text)
        size += len(text)
        if size >= _TOGETHER:
            yield some
            some, size = [], 0
    if some:
        yield some


@dataclass(slots=True)
class _Cleaning:
    """One walk through a document and what is packed in it."""

    traces: Traces
    budget: Budget

    def cleaned(self, content: bytes, depth: int) -> bytes:
        """As far as it can be: whoever asked looks again whether anything is left."""
        if depth < DEPTH:
            content = self._within(content, containers, depth)
            for encoded in ENCODINGS:
                content = self._within(content, partial(encoded, size=self.traces.size), depth)
        pieces, at = [], 0
        for start, found in self.traces.spans(content):
            pieces += [content[at:start], self.traces.written_for(found)]
            at = found.end()
        content = b"".join((*pieces, content[at:])) if pieces else content
        # Last, so that what need not be written anew stays as it was written.
        return self._within(content, escaped, depth) if depth < DEPTH else content

    def _within(
        self, content: bytes, opened: Callable[[bytes, Budget], Iterator[Layer]], depth: int
    ) -> bytes:
        pieces, at = [], 0
        for layer in opened(content, self.budget):
            if layer.start < at:
                continue
            inner = [self.cleaned(one, depth + 1) for one in layer.contents]
            if inner != list(layer.contents):
                pieces += [content[at : layer.start], layer.packed(inner)]
                at = layer.end
        return b"".join((*pieces, content[at:])) if pieces else content


_FOR_SCREEN = (
    (b"*+", b"*"),
    (BACKSLASHES, rb"\\+"),
    (b"++", b"+"),
    (rb"(?<=[ \t])", b""),
    (rb"(?=[ \t])", b""),
)


def _screen(pattern: bytes) -> Callable[[bytes], object]:
    """What has no look around it and gives nothing back."""
    import re2

    for ours, its in _FOR_SCREEN:
        pattern = pattern.replace(ours, its)
    options = re2.Options()
    options.case_sensitive = False
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = 64 << 20
    options.log_errors = False
    return re2.compile(pattern, options).search  # type: ignore[no-any-return]


def _forms(address: str) -> tuple[str, list[str]]:
    """The local part, and the domain in each form it has. Raises InvalidAddress."""
    local, _, domain = normalised(address).rpartition("@")
    forms = [domain]
    if "xn--" in domain:
        with contextlib.suppress(idna.IDNAError):
            forms.append(idna.decode(domain))
    return local, forms


def _opening(content: bytes, found: "re.Match[bytes]") -> int:
    """Where an address begins: at its opening quote, if it has both, written alike.

    A quote before it alone is that of what the address stands in: a text in JSON, an attribute, a cell.
    """
    closing = found["closing"]
    if closing is None:
        return found.start()
    before = content[max(0, found.start() - 32) : found.start()]
    quote = before.rstrip(b"\x00")
    if not quote.lower().endswith(closing.lower()):
        return found.start()
    return found.start() - (len(before) - len(quote)) - len(closing)


def _begins(content: bytes, start: int) -> bool:
    """Whether an address begins there, and not amid a longer one."""
    before = content[max(0, start - _WORD) : start].rstrip(b"\x00")
    if escape := _ESCAPE_BEFORE.search(before[-16:]):
        code = next((group for group in escape.groups()[:-1] if group), None)
        last = b"" if code is None else bytes((int(code, 16),))
    else:
        last = before[-1:]
    if last in (b"+", b"-"):
        return _is_verp(content, start) or before.upper().endswith(b"IMCEASMTP-")
    if before[-1:] == b"_":
        return _IN_WORD.search(before) is not None
    return not _ATOM.match(last)


def _is_verp(content: bytes, start: int) -> bool:
    """Whether what follows is written as VERP does: bounces+local=domain@...: there it stands after a + or -."""
    return _VERP.match(content[start : start + 600]) is not None


def _ends(content: bytes, end: int) -> bool:
    """Whether the address ends there, and its domain does not go on: it may stand before dots, or a dash and a word."""
    after = _SOFT.sub(b"", content[end : end + 96]).replace(b"\x00", b"")
    if escape := _ESCAPE_AFTER.match(after):
        after = bytes((int(escape[1], 16),)) + after[escape.end() :]
    if after[:1] == b"_":
        return _IN_WORD.search(content[max(0, end - _WORD) : end]) is not None
    return _GOES_ON.match(after) is None
