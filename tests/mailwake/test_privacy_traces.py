import base64
import bz2
import gzip
import io
import json
import lzma
import quopri
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from html.entities import codepoint2name
from random import Random
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwake.privacy import layers, traces
from mailwake.privacy.layers import Layer, OutOfBudget
from mailwake.privacy.traces import Budget, Traces
from schemas.recipient import InvalidAddress

STAND_IN = f"erased.{'a' * 32}@example.com"
ADDRESSES = ("john.doe+news@example.com", "jöhn@exämple.com", "o'neil_x@sub.example.co.uk", "用户@例え.jp")


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("first.txt", b"nothing")
        archive.writestr("second.txt", content)
    return out.getvalue()


def tarred(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def mail(address: str, encoding: str) -> bytes:
    made = EmailMessage()
    made["Subject"] = f"für {address} und noch viel mehr, das länger ist als eine Zeile von {address}"
    made.set_content(f"{'ä' * 30} {address}\n{'x' * 60}{' '}{address}\n", cte=encoding)
    return made.as_bytes()


def text(address: str) -> bytes:
    return f"Dear <{address}>, your mail\r\n".encode()


def xtext(address: str) -> str:
    """RFC 3461, 4, as of a local part and a domain."""
    return "".join(
        c if c.isascii() and c != "+" else "".join(f"+{b:02X}" for b in c.encode()) for c in address
    )


def q_word(address: str) -> str:
    return "".join(
        f"={byte:02X}" if byte > 126 or chr(byte) in "@+_" else chr(byte) for byte in address.encode()
    )


def padded(address: str) -> str:
    """With blanks in front, so that its base64 ends without padding."""
    return " " * (-len(address.encode()) % 3) + address


def named(letter: str) -> str:
    return f"&{codepoint2name[ord(letter)]};" if ord(letter) in codepoint2name else NAMED.get(letter, letter)


NAMED = {"@": "&commat;", ".": "&period;", "+": "&plus;", "_": "&lowbar;", "'": "&apos;"}

FORMS: dict[str, Callable[[str], bytes]] = {
    "plain": text,
    "capitals": lambda a: text(a.upper()),
    "latin-1": lambda a: a.encode("latin-1", "xmlcharrefreplace"),
    "utf-16": lambda a: f"x {a} y".encode("utf-16"),
    "utf-16-be": lambda a: f"x {a} y".encode("utf-16-be"),
    "utf-32": lambda a: f"x {a} y".encode("utf-32"),
    "base64": lambda a: base64.b64encode(text(a)),
    "base64 in lines": lambda a: base64.encodebytes(text(a) * 5),
    "base64 in a URL": lambda a: b"https://t.example.net/c/" + base64.urlsafe_b64encode(text(a)).rstrip(b"="),
    "base64 of utf-16": lambda a: base64.encodebytes(f"x {a} y".encode("utf-16")),
    "utf-16 in quoted-printable": lambda a: quopri.encodestring(f"x {a} y".encode("utf-16")),
    "base64 in a file of utf-16": lambda a: f"x {base64.b64encode(text(a)).decode()} y".encode("utf-16"),
    "base64 in a file of utf-16-be": lambda a: f"\ufeffx {base64.b64encode(text(a)).decode()}".encode(
        "utf-16-be"
    ),
    "base64, one in each line": lambda a: b"\n".join(
        base64.b64encode(one.encode()) for one in ("jo@x.exampl", padded(a), "ann@y.exampl")
    ),
    "base64 with padding before a word": lambda a: (
        b"token " + base64.b64encode(text(a) + b"x" * ((2 - len(text(a))) % 3)) + b"\nLooked up."
    ),
    "base64 of base64": lambda a: base64.encodebytes(base64.encodebytes(text(a))),
    "quoted-printable": lambda a: quopri.encodestring(text(a) * 3),
    "quoted-printable, all": lambda a: b"".join(b"=%02X" % byte for byte in text(a)),
    "broken by a soft line break": lambda a: b"x " + a.encode()[:3] + b"=\r\n" + a.encode()[3:],
    "percent": lambda a: quote(a, safe="").encode(),
    "percent twice": lambda a: quote(quote(a, safe=""), safe="").encode(),
    "JSON": lambda a: json.dumps({"email": a}).encode(),
    "JSON, all escaped": lambda a: json.dumps("".join(f"\\u{ord(c):04x}" for c in a)).encode(),
    "after a line break in JSON": lambda a: json.dumps(f"a\n{a}\nb").encode(),
    "HTML": lambda a: "".join(f"&#{ord(c)};" for c in a).encode(),
    "HTML in hex": lambda a: "".join(f"&#x{ord(c):X};" for c in a).encode(),
    "hex": lambda a: text(a).hex().encode(),
    "VERP": lambda a: f"bounces+{a.replace('@', '=')}@sender.example.net".encode(),
    "VERP in a form": lambda a: quote(f"bounces+{a.replace('@', '=')}@sender.example.net", safe="").encode(),
    "VERP in quoted-printable": lambda a: f"bounces-{a.replace('@', '=3D')}@sender.example.net".encode(),
    "xtext": lambda a: f"rfc822;{xtext(a)}".encode(),
    "IMCEA": lambda a: f"IMCEASMTP-{xtext(a).replace('.', '+2E').replace('@', '+40')}@x.example".encode(),
    "RFC 6533": lambda a: "".join(c if c.isascii() else f"\\x{{{ord(c):X}}}" for c in a).encode(),
    "code points in braces": lambda a: "".join(f"\\u{{{ord(c):x}}}" for c in a).encode(),
    "bytes of Python": lambda a: repr(a.encode()).encode(),
    "octal": lambda a: b"".join(b"\\%03o" % byte for byte in a.encode()),
    "decomposed": lambda a: text(unicodedata.normalize("NFD", a)),
    "names of HTML": lambda a: "".join(named(c) for c in a).encode(),
    "HTML thrice": lambda a: a.replace("@", "&amp;amp;#64;").encode(),
    "quoted-printable twice": lambda a: b"".join(b"=3D%02X" % byte for byte in a.encode()),
    "between the bytes of letters": lambda a: b"=\r\n".join(b"=%02X" % byte for byte in a.encode()),
    "not seen between": lambda a: (
        f"{a.replace('@', '<wbr>@&#8203;')} {a.replace('@', chr(0xAD) + '@')}".encode()
    ),
    "blanks in an encoded word": lambda a: f"=?utf-8?Q?Undeliverable:_{q_word(a)}_is_unknown?=".encode(),
    "blanks in a form": lambda a: urlencode(
        {"event": json.dumps({"error": f"550 5.1.1 {a} unknown"})}
    ).encode(),
    "folded": lambda a: a.replace("@", "@\r\n ").encode(),
    "folded in JSON": lambda a: json.dumps("To: x, " + a.replace("@", "@\r\n ")).encode(),
    "at": lambda a: a.replace("@", " at ").encode(),
    "other dots": lambda a: "。".join(a.rsplit(".", 1)).encode(),
    "hex after a digit": lambda a: b"1" + a.encode().hex().encode(),
    "mail in base64 in JSON": lambda a: json.dumps({"content": mail(a, "base64").decode()}).encode(),
    "mail in quoted-printable in JSON in JSON": lambda a: json.dumps(
        {"Message": json.dumps({"content": mail(a, "quoted-printable").decode()})}
    ).encode(),
    "mail in base64 in a form": lambda a: urlencode({"body-mime": mail(a, "base64")}).encode(),
    "mail in base64 in XML": lambda a: mail(a, "base64").replace(b"\n", b"&#13;\n"),
    "mail in base64 in quoted-printable": lambda a: mail(a, "base64").replace(b"\n", b"=\r\n"),
    "mail in base64 in quoted-printable, line ends too": lambda a: quopri.encodestring(
        mail(a, "base64").replace(b"\n", b"\r\n")
    ),
    "mail in base64, quoted": lambda a: mail(a, "base64").replace(b"\n", b"\r\n> "),
    "gzip": lambda a: gzip.compress(text(a)),
    "gzip, cut short": lambda a: gzip.compress(text(a) + Random(1).randbytes(5000))[:-1000],
    "gzip twice": lambda a: gzip.compress(gzip.compress(text(a))),
    "gzip, two members": lambda a: gzip.compress(b"first\n") + gzip.compress(text(a)),
    "zlib": lambda a: zlib.compress(text(a)),
    "bzip2": lambda a: bz2.compress(text(a)),
    "xz": lambda a: lzma.compress(text(a)),
    "zip": lambda a: zipped(text(a)),
    "gzip in zip": lambda a: zipped(gzip.compress(text(a))),
    "tar": lambda a: tarred(text(a)),
    "tar.gz in base64": lambda a: base64.encodebytes(gzip.compress(tarred(text(a)))),
    "mail in base64": lambda a: mail(a, "base64"),
    "mail in quoted-printable": lambda a: mail(a, "quoted-printable"),
}


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("form", FORMS)
def test_it_is_found_and_taken_out_however_it_is_written(form: str, address: str) -> None:
    traces, content = Traces.of(address, STAND_IN), FORMS[form](address)
    assert traces.found_in(content)
    without = traces.taken_out_of(content)
    assert without is not None and not traces.found_in(without)
    assert not Traces.of("somebody@else.example", STAND_IN).found_in(content)


@pytest.mark.parametrize("length", range(1, 8))
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_the_last_line_of_base64_may_be_short(length: int, newline: bytes) -> None:
    """57 bytes are a line: what is over is a line of two digits and two =, or of three and one."""
    traces = Traces.of("john@example.com", STAND_IN)
    content = b"x" * 40 + b" " * (57 - 40 - 16 + length) + b"john@example.com"
    without = traces.taken_out_of(base64.encodebytes(content).replace(b"\n", newline) + b"--end")
    assert without is not None and without.endswith(newline + b"--end")
    assert base64.b64decode(without[:-5]) == content.replace(b"john@example.com", STAND_IN.encode())


@pytest.mark.parametrize("address", ["x@y.de", "a@b.co"])
@pytest.mark.parametrize("form", ["base64", "base64 in a URL", "hex", "hex after a digit"])
def test_a_short_address_is_found_alone(form: str, address: str) -> None:
    content = {
        "base64": base64.b64encode(address.encode()),
        "base64 in a URL": b"/c/" + base64.urlsafe_b64encode(address.encode()).rstrip(b"="),
    }.get(form, FORMS["hex after a digit"](address)[form == "hex" :])
    assert Traces.of(address, STAND_IN).found_in(content)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "gzip, cut short"])
def test_what_stands_around_it_stays_and_its_stand_in_can_be_found(form: str) -> None:
    traces = Traces.of(ADDRESSES[0], STAND_IN)
    without = traces.taken_out_of(FORMS[form](ADDRESSES[0]))
    assert without is not None and Traces.of(STAND_IN, "x@example.com").found_in(without)


@pytest.mark.parametrize(
    "other",
    ["bigjohn@example.com", "x.john@example.com", "a+john@example.com", "a-john@example.com", "john@example.com.au",
     "john@example.community", "john@sub.example.com", "john@example.com-x.net", "=41john@example.com", "john@example=2Ecom.au",
     "a_john@example.com", "a%2Bjohn%40example.com", "a+2Djohn@example.com", "bounces+bigjohn=example.com@x.net"],
)  # fmt: skip
def test_a_longer_address_is_another(other: str) -> None:
    traces = Traces.of("john@example.com", STAND_IN)
    assert not traces.found_in(f"to {other} it goes".encode())
    assert traces.taken_out_of(other.encode()) == other.encode()


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "<{}>",
        "mailto:{}?x",
        "to={}&y=1",
        "'{}'",
        "{}.",
        "a=3C{}=3E",
        "%20{}%20",
        "\\n{}\\n",
        "x,{},y",
        "あ{}あ",
        "550 {}...User unknown",
        "550 {}-unknown. Yes",
        "=?utf-8?q?to_{}_?=",
    ],
)
def test_what_delimits_it_does_not_hide_it(around: str) -> None:
    traces, content = Traces.of("john@example.com", STAND_IN), around.format("john@example.com").encode()
    assert traces.taken_out_of(content) == around.format(STAND_IN).encode()


def test_only_the_trace_changes() -> None:
    traces = Traces.of("john@example.com", STAND_IN)
    mail = b"To: <John@Example.COM>, jane@example.com\r\n\r\n\x00\xff binary \x80 stays\r\n"
    assert traces.taken_out_of(mail) == mail.replace(b"John@Example.COM", STAND_IN.encode())


def test_what_is_encoded_stays_encoded_as_it_was() -> None:
    traces = Traces.of("john@example.com", STAND_IN)
    lines = base64.encodebytes(b"one john@example.com two " * 9).replace(b"\n", b"\r\n")
    without = traces.taken_out_of(b"Head: x\r\n\r\n" + lines + b"\r\n--end")
    assert without is not None and without.startswith(b"Head: x\r\n\r\n") and without.endswith(b"\r\n--end")
    body = without[11:-7]
    assert base64.b64decode(body) == f"one {STAND_IN} two ".encode() * 9
    assert {len(line) for line in body.split(b"\r\n")[:-2]} == {76}


def test_members_of_archives_keep_their_names() -> None:
    without = Traces.of("john@example.com", STAND_IN).taken_out_of(zipped(text("john@example.com")))
    assert without is not None
    with zipfile.ZipFile(io.BytesIO(without)) as archive:
        assert archive.read("first.txt") == b"nothing" and archive.read("second.txt") == text(STAND_IN)


def test_a_name_in_an_archive_is_looked_at() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("john@example.com.txt.eml", b"")
        archive.writestr("to john@example.com", b"x")
    without = Traces.of("john@example.com", STAND_IN).taken_out_of(out.getvalue())
    assert without is not None and b"john@example.com " not in without
    with zipfile.ZipFile(io.BytesIO(without)) as archive:
        assert archive.namelist()[1] == f"to {STAND_IN}"


def test_what_is_packed_is_unpacked_once_for_all_who_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A restore looks for everybody who was ever erased."""
    unpacked: list[bytes] = []

    def counted(content: bytes, budget: Budget) -> Iterator[Layer]:
        unpacked.append(content)
        return layers.containers(content, budget)

    monkeypatch.setattr(traces, "containers", counted)
    everyone = [Traces.of(f"jo{number}@example.com", STAND_IN) for number in range(60)]
    hidden = b" ".join(
        [text("jo1@example.com"), base64.b64encode(gzip.compress(text("jo7@example.com"))), text("jo1@example.net"),
         base64.b64encode(text("jo1@example.com")), quote("jo59@example.com", safe="").encode()]
    )  # fmt: skip
    found = traces.those_in(hidden, everyone)
    assert [everyone.index(one) for one in found] == [1, 7, 59]
    at_once = len(unpacked)
    unpacked.clear()
    assert [one for one in everyone if one.found_in(hidden)] == found
    assert len(unpacked) > 40 * at_once
    assert traces.those_in(hidden, []) == []


def test_more_than_is_looked_through_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "Budget", lambda: Budget(1_000_000))
    bomb = gzip.compress(b"\x00" * 20_000_000)
    with pytest.raises(OutOfBudget):
        Traces.of("john@example.com", STAND_IN).found_in(bomb)


def test_what_is_no_address_has_no_traces() -> None:
    with pytest.raises(InvalidAddress):
        Traces.of("john", STAND_IN)


@given(st.binary(max_size=400))
def test_nothing_but_a_trace_is_changed_in_any_bytes(content: bytes) -> None:
    traces = Traces.of("john@example.com", STAND_IN)
    assert traces.taken_out_of(content) == content


HOSTILE = {
    "zeros": bytes(300_000),
    "equals": b"=" * 300_000,
    "soft breaks": b"=\r\n" * 100_000,
    "beginnings": b"john@" * 60_000,
    "almost": b"john@example.co " * 20_000,
    "encoded words": b"=?utf-8?q?j?= " * 20_000,
    "base64": b"QUJD" * 60_000,
    "words of base64": b"=?utf-8?B?QUJD?= " * 15_000,
    "magic": b"\x1f\x8b\x08\x00" * 50_000,
    "utf-16": b"\xff\xfe\x00\xd8j" * 50_001,
    "zip": b"PK\x03\x04" * 50_000,
    "backslashes": b"\\" * 300_000,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_bytes_are_looked_through(what: str) -> None:
    """Those that a backtracking pattern would take for ever for: this ends."""
    assert not Traces.of("john@example.com", STAND_IN).found_in(HOSTILE[what])


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_hostile_beside_an_address_does_not_keep_it_from_being_taken_out(what: str) -> None:
    around = HOSTILE[what][:200_000]
    clean = Traces.of("ann@example.org", STAND_IN).taken_out_of(around + b" <ann@example.org> " + around)
    assert clean is not None
    assert STAND_IN.encode() in clean


@pytest.mark.parametrize("depth", [1, 3, 7, 63, 1023])
def test_it_is_found_in_texts_within_texts_however_deep(depth: int) -> None:
    content = b'"ann' + b"\\" * depth + b"u0040example" + b"\\" * depth + b'u002eorg"'
    clean = Traces.of("ann@example.org", STAND_IN).taken_out_of(content)
    assert clean == b'"' + STAND_IN.encode() + b'"'
