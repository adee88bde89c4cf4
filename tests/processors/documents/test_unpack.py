import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile
from collections import deque

import pytest
from reports import mailed, packings, part, report, zipped

from processors.documents.limits import MIB, Limits
from processors.documents.unpack import Member, unpack

XML = report().encode()
OTHER = report(org="other.example").encode()


def opened(content: bytes, limits: Limits | None = None) -> list[Member]:
    return list(unpack(content, limits or Limits()))


def xml_in(content: bytes) -> list[Member]:
    return [m for m in opened(content) if m.form == "xml"]


@pytest.mark.parametrize("packing", packings(XML))
def test_the_same_bytes_come_out_of_every_packing(packing: str) -> None:
    (found,) = xml_in(packings(XML)[packing])
    expected = XML.replace(b"\n", b"\r\n") if packing == "mail, XML at its root, quoted-printable" else XML
    assert found.content.strip() in (XML.strip(), expected.strip())
    assert not found.damage
    assert not [m for m in opened(packings(XML)[packing]) if m.reason]


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress])
def test_other_compressions(compress) -> None:  # type: ignore[no-untyped-def]
    assert xml_in(compress(XML)) == [Member(XML)]


def test_a_compressed_tar_gives_its_files() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in (("a.xml", XML), ("b.xml", OTHER)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert [(m.member, m.content) for m in xml_in(out.getvalue())] == [("a.xml", XML), ("b.xml", OTHER)]


def test_members_are_named_by_their_path() -> None:
    content = mailed(
        ("first.zip", zipped(("a.xml", XML), ("b.xml", OTHER))), ("second.xml.gz", gzip.compress(XML))
    )
    assert [m.member for m in xml_in(content)] == ["first.zip/a.xml", "first.zip/b.xml", "second.xml.gz"]


def test_the_whole_document_has_no_member() -> None:
    assert [m.member for m in opened(gzip.compress(XML))] == [None]


def test_a_gzip_of_two_documents_gives_both() -> None:
    assert [m.content for m in xml_in(gzip.compress(XML) + gzip.compress(OTHER))] == [XML, OTHER]


def test_a_gzip_with_every_header_field() -> None:
    plain = gzip.compress(XML, mtime=0)
    header = (
        plain[:3]
        + bytes([2 | 4 | 8 | 16])
        + plain[4:10]
        + b"\x03\x00abc"
        + b"name\x00"
        + b"comment\x00"
        + b"\x12\x34"
    )
    assert xml_in(header + plain[10:]) == [Member(XML)]


def test_a_truncated_gzip_gives_what_there_is() -> None:
    packed = gzip.compress(XML)
    (found,) = xml_in(packed[:-20])
    assert XML.startswith(found.content)
    assert len(found.content) > len(XML) // 2
    assert found.damage == ("the compressed data ends early",)


def test_a_wrong_checksum_is_damage_and_loses_nothing() -> None:
    packed = bytearray(gzip.compress(XML))
    packed[-6] ^= 1
    (found,) = xml_in(bytes(packed))
    assert found.content == XML
    assert found.damage == ("the gzip checksum does not match",)


def test_a_wrong_checksum_in_a_zip_is_damage_and_loses_nothing() -> None:
    packed = bytearray(zipped(("r.xml", XML), ("s.xml", OTHER), method=zipfile.ZIP_STORED))
    at = packed.index(b"192.0.2.1")
    packed[at] = ord("9")
    first, second = xml_in(bytes(packed))
    assert first.content == XML.replace(b"192.0.2.1", b"992.0.2.1")
    assert first.damage == ("the zip checksum does not match",)
    assert second == Member(OTHER, "s.xml")


def test_bytes_after_a_gzip_are_warned_about() -> None:
    (found,) = xml_in(gzip.compress(XML) + b"junk")
    assert found.warnings == ("4 bytes follow the gzip stream",)


def test_a_zip_without_its_directory_gives_its_entries() -> None:
    packed = zipped(("a.xml", XML), ("b.xml", OTHER))
    cut = packed[: packed.index(b"PK\x01\x02")]
    found = xml_in(cut)
    assert [(m.member, m.content) for m in found] == [("a.xml", XML), ("b.xml", OTHER)]
    assert all(m.damage for m in found)


def test_an_encrypted_zip_says_so() -> None:
    packed = bytearray(zipped(("r.xml", XML)))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    (found,) = opened(bytes(packed))
    assert found.member == "r.xml"
    assert "encrypted" in str(found.reason)


def test_what_is_nothing_has_no_form() -> None:
    assert opened(b"hello") == [Member(b"hello", form=None)]
    assert opened(b"") == [Member(b"", form=None)]
    assert opened(b"<html><body>hi</body></html>")[0].form is None


def test_depth_is_limited() -> None:
    content = XML
    for _ in range(4):
        content = gzip.compress(content)
    (found,) = opened(content)
    assert found.reason == "packed more than 3 deep (limit depth)"


def bombs() -> dict[str, bytes]:
    zeros = gzip.compress(b"<" + b"\x00" * (200 * MIB), 9)
    return {
        "gzip": zeros,
        "gzip in gzip": gzip.compress(zeros, 9),
        "zip": zipped(("a", b"<" + b" " * (100 * MIB))),
        "zip of many": zipped(*((f"{n}.xml", b"<") for n in range(1100))),
        "bzip2": bz2.compress(b"<" + b"\x00" * (100 * MIB)),
        "xz": lzma.compress(b"<" + b"\x00" * (100 * MIB), preset=0),
        "gzip of many members": gzip.compress(b"") * 1100,
        "mail of many parts": b"From: a\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n\n" * 1100,
    }


@pytest.fixture(scope="module")
def packed_bombs() -> dict[str, bytes]:
    return bombs()


NAMES = (
    "gzip",
    "gzip in gzip",
    "zip",
    "zip of many",
    "bzip2",
    "xz",
    "gzip of many members",
    "mail of many parts",
)


@pytest.mark.parametrize("name", NAMES)
def test_bombs_stop_at_a_limit_with_memory_flat(name: str, packed_bombs: dict[str, bytes]) -> None:
    tracemalloc.start()
    try:
        (last,) = deque(unpack(packed_bombs[name], Limits()), maxlen=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "limit " in str(last.reason)
    assert peak < 72 * MIB, "no more than one member may have"


def test_what_came_before_a_bomb_is_kept(packed_bombs: dict[str, bytes]) -> None:
    first, second = opened(mailed(("a.xml", XML), ("bomb.gz", packed_bombs["gzip"])))[1:]
    assert first == Member(XML, "a.xml")
    assert second.member == "bomb.gz"
    assert "limit " in str(second.reason)


def test_a_document_too_large_is_not_opened() -> None:
    (found,) = opened(XML, Limits(document_bytes=100))
    assert found.reason == "larger than 100 bytes (limit document_bytes)"


def test_hostile_mail_headers_cost_little() -> None:
    nested = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(400)
    )
    found = opened(b"From: a\n" + nested)
    assert any("nested" in str(m.reason) for m in found)
    semicolons = b"From: a\nContent-Type: multipart/mixed" + b';"' * 100_000 + b"\n\nx"
    assert opened(semicolons)
    assert opened(part(b"x", "base64", "text/plain; name*999999999999999999999=x"))
