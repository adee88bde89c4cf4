"""Aggregate reports, and the ways in which they are packed: what the tests of documents and of DMARC share."""

import gzip
import io
import zipfile
from base64 import encodebytes
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from quopri import encodestring

import pytest

from processors.stage import Slice
from schemas.codec import encode
from schemas.documents import DocumentReceived

CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "dmarc"

RECORD = """  <record>
    <row>
      <source_ip>{ip}</source_ip>
      <count>{count}</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated>
    </row>
    <identifiers><header_from>{header_from}</header_from></identifiers>
    <auth_results>
      <dkim><domain>example.com</domain><selector>s1</selector><result>pass</result></dkim>
      <spf><domain>bounce.example.com</domain><scope>mfrom</scope><result>softfail</result></spf>
    </auth_results>
  </record>
"""

REPORT = """<?xml version="1.0" encoding="UTF-8"?>
<feedback>
  <report_metadata>
    <org_name>{org}</org_name>
    <email>dmarc@{org}</email>
    <report_id>{report_id}</report_id>
    <date_range><begin>1709683200</begin><end>1709769599</end></date_range>
  </report_metadata>
  <policy_published>
    <domain>example.com</domain>
    <adkim>r</adkim><aspf>s</aspf><p>reject</p><sp>quarantine</sp><pct>100</pct>
  </policy_published>
{records}</feedback>
"""


def record(ip: str = "192.0.2.1", count: str = "1", header_from: str = "example.com") -> str:
    """One record."""
    return RECORD.format(ip=ip, count=count, header_from=header_from)


def report(*records: str, org: str = "receiver.example", report_id: str = "r-1") -> str:
    """A report with these records; with two of its own when none are given."""
    own = records or (record("192.0.2.1", "2"), record("2001:db8::1", "3", "news.example.com"))
    return REPORT.format(org=org, report_id=report_id, records="".join(own))


def corpus() -> list[Path]:
    """The real reports; skips where they are not there."""
    if not CORPUS.is_dir():
        pytest.skip(f"the corpus of real reports is not at {CORPUS}")
    return sorted(CORPUS.glob("*.xml"))


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of these."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return out.getvalue()


def mailed(*attachments: tuple[str, bytes], subject: str = "Report Domain: example.com") -> bytes:
    """A mail with these attached, base64."""
    mail = EmailMessage()
    mail["From"] = "dmarc@receiver.example"
    mail["To"] = "reports@example.com"
    mail["Subject"] = subject
    mail.set_content("This is an aggregate report.\n")
    for name, content in attachments:
        mail.add_attachment(content, "application", "octet-stream", filename=name)
    return mail.as_bytes()


def part(content: bytes, encoding: str, content_type: str = "text/xml") -> bytes:
    """A mail whose only part is this, in a transfer encoding."""
    body = {"base64": encodebytes, "quoted-printable": encodestring}.get(encoding, bytes)(content)
    head = (
        f"From: a@b.example\r\nContent-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode() + body


def packings(xml: bytes) -> dict[str, bytes]:
    """The same report in each of the ways in which reports arrive."""
    packed = gzip.compress(xml, mtime=0)
    inner = mailed(("r.xml.gz", packed))
    forwarded = b'Subject: Fwd\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="=o"\n\n--=o\n'
    return {
        "plain": xml,
        "gzip": packed,
        "gzip of gzip": gzip.compress(packed, mtime=0),
        "gzip, several members": gzip.compress(xml[:300], mtime=0) + gzip.compress(xml[300:], mtime=0),
        "gzip, zeros after it": packed + b"\x00" * 100,
        "zip": zipped(("r.xml", xml)),
        "zip in zip": zipped(("in.zip", zipped(("r.xml", xml)))),
        "zip with folder and __MACOSX": zipped(
            ("d/", b""), ("__MACOSX/d/._r.xml", b"\x00\x05\x16\x07"), ("d/r.xml", xml)
        ),
        "zip, bzip2": zipped(("r.xml", xml), method=zipfile.ZIP_BZIP2),
        "zip, lzma": zipped(("r.xml", xml), method=zipfile.ZIP_LZMA),
        "zip, stored": zipped(("r.xml", xml), method=zipfile.ZIP_STORED),
        "zip after junk": b"junk before" + zipped(("r.xml", xml)),
        "gzip in zip in mail": mailed(("r.zip", zipped(("r.xml.gz", packed)))),
        "mail, gzip": mailed(("r.xml.gz", packed)),
        "mail, XML": mailed(("r.xml", xml)),
        "mail, XML at its root, quoted-printable": part(xml, "quoted-printable"),
        "mail, XML at its root, 7bit": part(xml, "7bit"),
        "mail, gzip at its root, as text": part(packed, "base64", "text/plain"),
        "mail, gzip at its root, binary": part(packed, "binary", "application/gzip"),
        "mail, base64 without padding": part(packed, "base64").rstrip().rstrip(b"="),
        "mail in an mbox": b"From a@b.example Thu Mar  7 00:00:00 2024\n" + inner,
        "mail, line ends of the net": inner.replace(b"\n", b"\r\n"),
        "forwarded": forwarded + b"Content-Type: message/rfc822\n\n" + inner + b"\n--=o--\n",
        "forwarded, base64": forwarded
        + b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        + encodebytes(inner)
        + b"\n--=o--\n",
        "forwarded, never closed": forwarded + b"Content-Type: message/rfc822\n\n" + inner,
        "forwarded as a file": mailed(("original.eml", inner)),
        "base64 text": encodebytes(packed),
    }


def document(content: bytes, receipt: str = "receipt-1", /, **fields: object) -> DocumentReceived:
    """A document as received."""
    given: dict[str, object] = {
        "event_id": DocumentReceived.id_of("default", receipt),
        "occurred_at": 1_709_800_000_000,
        "recorded_at": 1_709_800_000_500,
        "source": "file",
        "channel": "upload",
        "receipt_id": receipt,
        "sha256": sha256(content).hexdigest(),
        "size": len(content),
        "content": content,
    }
    return DocumentReceived(**(given | fields))


def slice_of(documents: list[DocumentReceived | bytes | None], first: int = 0) -> Slice:
    """Consecutive records of the topic `documents`."""
    values = [encode(d) if isinstance(d, DocumentReceived) else d for d in documents]
    offsets = list(range(first, first + len(values)))
    return Slice("documents", 0, first, first + len(values), offsets, values)
