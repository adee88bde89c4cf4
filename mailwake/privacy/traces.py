"""Finding an address in bytes, in whatever form it is written there, and writing another in its place.

Found: the address in plain text of any case, UTF-8, Latin-1, UTF-16 or UTF-32; in quoted-printable, percent, JSON,
backslash and HTML escapes, each of its letters in any of them, lines broken within; `local=domain`, as VERP writes it; the
domain with A-labels or U-labels. And all of that inside base64 (also base64url, and encoded words of RFC 2047), hex
digits, gzip, zlib, bzip2, xz, zip and tar, one in the other up to a depth.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import idna

from mailwake.privacy.layers import DEPTH, Layer, OutOfBudget, containers, runs
from schemas.recipient import normalised

_BREAK = rb"(?:\x00|=[ \t]*+\r?\n|\\\r?\n|_?\?=[ \t]*+(?:\r?\n)?[ \t]++=\?[\w*-]{2,40}\?[qQ]\?)*+"
"""What may stand between two letters: the zeros of UTF-16 and UTF-32, a soft line break, the seam of two encoded words."""

_QUOTE = rb'(?:\\{0,7}"{1,2}|[=%]22|\\{1,7}(?:u00|x)22|&(?:amp;)?(?:quot|#34|#x22);)'
"""What a quoted local part begins and ends with (RFC 5321, 4.1.2), in any escapes; twice in a cell of CSV."""

_BACKSLASHES = rb"(?<!\\)\\++"
"""Those of an escape within texts within texts, from the first of them on: so that a run of them is gone through once."""

_ATOM = re.compile(rb"[A-Za-z0-9._%+\-]")
"""What goes on with a local part; other letters that an atom may have (= ' / ...) stand more often between than within."""
_ESCAPE_BEFORE = re.compile(
    rb"(?:=([0-9A-Fa-f]{2})|%([0-9A-Fa-f]{2})|\\u00([0-9A-Fa-f]{2})|\\x([0-9A-Fa-f]{2})|&#x([0-9A-Fa-f]{2});|(\\[nrtbfv0]))$"
)
_ESCAPE_AFTER = re.compile(rb"(?:=|%|\\u00|\\x|&#x)([0-9A-Fa-f]{2})")


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

    @classmethod
    def of(cls, address: str, stand_in: str) -> "Traces":
        """The traces of an address. Raises InvalidAddress where it is none."""
        local, domains = _forms(address)
        spelled, either = _spelled(local), b"(?:" + b"|".join(_spelled(domain) for domain in domains) + b")"
        at = rb"(?:" + _letter("@") + rb"|\+AEA-|(?P<verp>[=%]))"
        closing = b"(?:" + _BREAK + b"(?P<closing>" + _QUOTE + b"))?"
        plain = spelled + closing + _BREAK + at + _BREAK + either
        turned = either + _BREAK + b"(?P<turned>" + _letter("=") + b")" + _BREAK + spelled
        ahead = b"(?=" + _BREAK + b"(?:@|=40|%40))"
        pattern = re.compile(plain + b"|" + turned + ahead, re.IGNORECASE)
        screen = (
            (plain + b"|" + turned).replace(b"*+", b"*").replace(_BACKSLASHES, rb"\\+").replace(b"++", b"+")
        )
        return cls(pattern, _screen(screen), stand_in.encode())

    def found_in(self, content: bytes) -> bool:
        """Whether the address is anywhere in there. Raises OutOfBudget where it can't be said."""
        return _Looking(self, Budget()).found(content, 0)

    def taken_out_of(self, content: bytes) -> bytes | None:
        """The same bytes with each trace replaced; None where some can't be replaced. Raises OutOfBudget."""
        clean = _Looking(self, Budget()).cleaned(content, 0)
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


@dataclass(slots=True)
class _Looking:
    """One walk through a document and what is packed in it."""

    traces: Traces
    budget: Budget

    def found(self, content: bytes, depth: int) -> bool:
        if next(self.traces.spans(content), None) is not None:
            return True
        if depth >= DEPTH:
            return False
        return any(
            self.found(inner, depth + 1) for layer in self._layers(content) for inner in layer.contents
        )

    def cleaned(self, content: bytes, depth: int) -> bytes:
        """As far as it can be: whoever asked looks again whether anything is left."""
        if depth < DEPTH:
            content = self._within(content, containers, depth)
            content = self._within(content, runs, depth)
        pieces, at = [], 0
        for start, found in self.traces.spans(content):
            pieces += [content[at:start], self.traces.written_for(found)]
            at = found.end()
        return b"".join((*pieces, content[at:])) if pieces else content

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

    def _layers(self, content: bytes) -> Iterator[Layer]:
        yield from containers(content, self.budget)
        yield from runs(content, self.budget)


def _screen(pattern: bytes) -> Callable[[bytes], object]:
    import re2

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


def _spelled(text: str) -> bytes:
    return _BREAK.join(_letter(letter) for letter in text)


def _letter(letter: str) -> bytes:
    """Every way in which one letter is written, in both cases."""
    forms: list[bytes] = []
    for variant in dict.fromkeys((letter, letter.lower(), letter.upper())):
        for part in _ways(variant):
            if part not in forms:
                forms.append(part)
    return b"(?:" + b"|".join(forms) + b")"


def _ways(letter: str) -> Iterator[bytes]:
    encoded = letter.encode()
    code = b"".join(f"{unit:04x}".encode() for unit in _units(letter))
    yield re.escape(encoded)
    if len(encoded) > 1:
        yield re.escape(letter.encode("utf-16-le"))
        yield re.escape(letter.encode("utf-16-be"))
        if len(letter) == 1 and ord(letter) < 256:
            yield re.escape(letter.encode("latin-1"))
            yield b"(?:=|%%)%02x" % ord(letter)
    yield b"".join(b"(?:=|%%(?:25)*)%02x" % byte for byte in encoded)
    yield b"".join(_BACKSLASHES + b"u" + code[at : at + 4] for at in range(0, len(code), 4))
    if len(encoded) == 1:
        yield _BACKSLASHES + b"x%02x" % encoded[0]
        if not letter.isalnum():
            yield rb"\\" + re.escape(encoded)
    for unit in letter:
        yield b"&(?:amp;)?#0*%d;?" % ord(unit)
        yield b"&(?:amp;)?#x0*%x;?" % ord(unit)
    if letter == "@":
        yield b"&commat;"


def _units(letter: str) -> list[int]:
    encoded = letter.encode("utf-16-be")
    return [int.from_bytes(encoded[at : at + 2], "big") for at in range(0, len(encoded), 2)]


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
    before = content[max(0, start - 16) : start].rstrip(b"\x00")
    if escape := _ESCAPE_BEFORE.search(before):
        code = next((group for group in escape.groups()[:-1] if group), None)
        return code is None or not _ATOM.match(bytes((int(code, 16),)))
    if before[-1:] in b"+-" and before:
        return content[start : start + 1] != b"" and _is_verp(content, start)
    return not _ATOM.match(before[-1:])


def _is_verp(content: bytes, start: int) -> bool:
    """Whether what follows is written as VERP does: bounces+local=domain@...: there it stands after a + or -."""
    return re.match(rb"[^@\s<>]{1,320}=[^@\s<>]{1,255}@", content[start : start + 600]) is not None


def _ends(content: bytes, end: int) -> bool:
    """Whether the address ends there, and its domain does not go on."""
    after = re.sub(rb"^(?:\x00|=[ \t]*+\r?\n)++", b"", content[end : end + 24]).replace(b"\x00", b"")
    if escape := _ESCAPE_AFTER.match(after):
        after = bytes((int(escape[1], 16),)) + after[escape.end() :]
    if re.match(rb"[A-Za-z0-9_]", after):
        return False
    return re.match(rb"[.\-]+[A-Za-z0-9]", after) is None
