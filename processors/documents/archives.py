"""What is in a zip or tar file: its regular files, whole where they can be read, else as far as they can."""

import io
import lzma
import struct
import zipfile
import zlib
from bz2 import BZ2Decompressor
from collections.abc import Iterator
from typing import NamedTuple

from processors.documents.compressed import LZMA_MEMORY, Stream, expand, inflate
from processors.documents.limits import Budget

LOCAL = b"PK\x03\x04"
CENTRAL = b"PK\x01\x02"
END = b"PK\x05\x06"

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 0x1, 0x8, 0x800
_TAR_BLOCK = 512


class Entry(NamedTuple):
    """One file in an archive."""

    name: str
    content: bytes
    problem: str | None = None
    """Why the content is not all of it."""


class _Located(NamedTuple):
    """Where the data of a zip entry is, and what its directory says about it."""

    name: str
    flags: int
    method: int
    start: int
    stop: int
    crc: int | None


def unzip(data: bytes, budget: Budget) -> Iterator[Entry]:
    """The files of a zip archive, without folders and the Mac's `__MACOSX` shadows. Raises OverBudget."""
    directory = data.count(CENTRAL)
    budget.member(directory)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [_located(data, info) for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError, struct.error):
        entries = [None]
    located = [entry for entry in entries if entry is not None]
    if len(located) < len(entries):
        yield from _without_directory(data, budget)
        return
    for entry in located:
        if not _is_shadow(entry.name):
            yield _read(data, entry, budget)


def _located(data: bytes, info: zipfile.ZipInfo) -> _Located | None:
    """Where an entry's data is; None when its own header is not where the directory says."""
    header = (
        data[info.header_offset : info.header_offset + _LOCAL_HEADER.size] if info.header_offset >= 0 else b""
    )
    if len(header) < _LOCAL_HEADER.size or not header.startswith(LOCAL):
        return None
    *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    start = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    stop = min(start + info.compress_size, len(data))
    return _Located(info.filename, info.flag_bits, info.compress_type, start, stop, info.CRC)


def _read(data: bytes, entry: _Located, budget: Budget) -> Entry:
    budget.entry = entry.name
    stream = _unpacked(data, entry, budget)
    problem = stream.problem
    if problem is None and entry.crc is not None and zlib.crc32(stream.content) != entry.crc:
        problem = "the zip checksum does not match"
    return Entry(entry.name, stream.content, problem)


def _unpacked(data: bytes, entry: _Located, budget: Budget) -> Stream:
    start, stop = entry.start, entry.stop
    if entry.flags & _ENCRYPTED:
        return Stream(b"", stop, "the zip entry is encrypted")
    match entry.method:
        case zipfile.ZIP_STORED:
            budget.check_member(stop - start)
            budget.spend(max(0, stop - start))
            return Stream(data[start:stop], stop)
        case zipfile.ZIP_DEFLATED:
            return inflate(data, start, stop, budget)
        case zipfile.ZIP_BZIP2:
            return expand(BZ2Decompressor(), data, start, stop, budget)
        case zipfile.ZIP_LZMA:
            return _lzma(data, start, stop, budget)
        case method:
            return Stream(b"", stop, f"zip compression method {method} is not supported")


def _lzma(data: bytes, start: int, stop: int, budget: Budget) -> Stream:
    """An LZMA entry: 2 bytes version, 2 bytes size of the properties, then the properties (lc/lp/pb, dictionary)."""
    properties = data[start + 4 : start + 9]
    if len(properties) < 5 or int.from_bytes(properties[1:], "little") > LZMA_MEMORY:
        return Stream(b"", stop, "the LZMA header can't be read or asks for too much memory")
    left, lc = divmod(properties[0], 9)
    pb, lp = divmod(left, 5)
    dictionary = max(4096, int.from_bytes(properties[1:], "little"))
    try:
        decompressor = lzma.LZMADecompressor(
            lzma.FORMAT_RAW,
            filters=[{"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": lc, "lp": lp, "pb": pb}],
        )
    except (lzma.LZMAError, ValueError) as error:
        return Stream(b"", stop, f"the LZMA header can't be read ({error})")
    return expand(decompressor, data, start + 9, stop, budget)


def _without_directory(data: bytes, budget: Budget) -> Iterator[Entry]:
    """A zip that was cut off or damaged: what its entries' own headers lead to."""
    at = data.find(LOCAL)
    while at >= 0 and at + _LOCAL_HEADER.size <= len(data):
        budget.member()
        _, _, flags, method, _, _, crc, size, _, name_length, extra_length = _LOCAL_HEADER.unpack_from(
            data, at
        )
        start = at + _LOCAL_HEADER.size + name_length + extra_length
        raw = data[at + _LOCAL_HEADER.size :][:name_length]
        name = raw.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
        follows = bool(flags & _SIZES_FOLLOW)
        entry = _Located(
            name,
            flags,
            method,
            start,
            len(data) if follows else min(start + size, len(data)),
            None if follows else crc,
        )
        stop = start if follows else entry.stop
        if not name.endswith("/") and not _is_shadow(name):
            read = _read(data, entry, budget)
            yield read._replace(problem=read.problem or "the zip directory is damaged")
        at = data.find(LOCAL, max(stop, at + 4))


def _is_shadow(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith("._")


def untar(data: bytes, budget: Budget) -> Iterator[Entry]:
    """The regular files of a tar archive (POSIX ustar, names up to 100 bytes). Raises OverBudget."""
    at = 0
    while at + _TAR_BLOCK <= len(data) and data[at]:
        budget.member()
        header = data[at : at + _TAR_BLOCK]
        name = header[:100].split(b"\x00")[0].decode("utf-8", "replace")
        try:
            size = int(header[124:136].strip(b"\x00 ") or b"0", 8)
        except ValueError:
            size = -1
        if size < 0:
            yield Entry(name, b"", "the tar header can't be read")
            return
        start = at + _TAR_BLOCK
        content = data[start : start + size]
        if header[156:157] in (b"0", b"\x00") and not _is_shadow(name):
            budget.entry = name
            budget.check_member(len(content))
            budget.spend(len(content))
            yield Entry(name, content, "the archive ends early" if len(content) < size else None)
        at = start + -(-size // _TAR_BLOCK) * _TAR_BLOCK
