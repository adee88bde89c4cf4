"""Mails to try the reader with, built from what formats are documented to look like."""

from processors.origin import Origin
from schemas.recipient import InvalidAddress, recipient_hash

KEY = b"a key for tests"
RECEIVED = 1_793_600_000_000


def hash_of(address: str) -> str:
    """The recipient_hash that events have for an address in these tests."""
    return recipient_hash(KEY, address)


def _hashed(address: str) -> str | None:
    try:
        return hash_of(address)
    except InvalidAddress:
        return None


ORIGIN = Origin("acme", "mail", "folder", RECEIVED, RECEIVED, _hashed)

RETURNED = """Return-Path: <b-17@bounce.example.com>
DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1; h=from:to:subject;
 bh=abc=; b=xyz=
From: News <news@news.example.com>
To: user@example.net
Subject: Our offers
Message-ID: <m1@news.example.com>
Date: Sun, 1 Nov 2026 06:00:00 +0000
"""


def mail(header: dict[str, str], body: str | bytes) -> bytes:
    """A mail of these header fields; a body that begins with fields of its own goes on with them."""
    fields = "".join(f"{name}: {value}\n" for name, value in header.items())
    if isinstance(body, bytes):
        return fields.encode() + body
    return (fields + "\n" + body).encode()


def report(
    failed: str | None = None,
    status: str | None = None,
    note: str = "Your mail could not be delivered.\n",
    returned: str = RETURNED,
    part: str = "message/delivery-status",
    header: str = "",
) -> bytes:
    """A delivery status notification; `failed` makes a status of one recipient, `status` is one."""
    status = status or (
        "Reporting-MTA: dns; mta.example.com\nArrival-Date: Sun, 1 Nov 2026 06:00:01 +0000\n\n"
        f"Final-Recipient: rfc822; {failed}\nAction: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.example.net\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 <{failed}>: no such user\n"
    )
    return f"""From: MAILER-DAEMON@mta.example.com
To: b-17@bounce.example.com
Subject: Undelivered Mail Returned to Sender
Date: Sun, 1 Nov 2026 09:00:05 +0000
{header}MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=utf-8

{note}
--b1
Content-Type: {part}

{status}
--b1
Content-Type: message/rfc822

{returned}
Hello.
--b1--
""".encode()
