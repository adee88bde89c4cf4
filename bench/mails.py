"""How fast bounces become events: `python bench/mails.py`.

Mails of six kinds in equal parts, each of another recipient, 5 to 9 KB as mails are that return a message: DSNs of Postfix
and Exchange, qmail's and Exim's notes, a complaint, a vacation notice. Parsed alone, then through the parse stage, from
the framed document to the framed events. `--json` prints one JSON object.
"""

import resource

from parse_stage import best, received, staged, told

from processors.mails.read import read_mail
from processors.origin import Origin
from schemas.recipient import recipient_hash

MAILS = 1200
WANTED = 400
AT = 1_793_600_000_000
KEY = b"k" * 32

_RETURNED = """Return-Path: <b-{n}@bounce.example.com>
Received: from news.example.com (news.example.com [192.0.2.4])
\tby mx.example.net (Postfix) with ESMTPS id 4c{n}
\tfor <user{n}@example.net>; Sun, 1 Nov 2026 06:00:00 +0000 (UTC)
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=s1;
\th=from:to:subject:date:message-id; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b={signature}
From: News <news@news.example.com>
To: user{n}@example.net
Subject: Our offers
Message-ID: <m{n}@news.example.com>
Date: Sun, 1 Nov 2026 06:00:00 +0000
List-Unsubscribe: <https://news.example.com/u/{n}>
X-Campaign: autumn

{body}
"""
_HEAD = """Return-Path: <>
Received: from mx.example.net by bounce.example.com with ESMTP id {n}; Sun, 1 Nov 2026 09:00:06 +0000
From: {sender}
To: b-{n}@bounce.example.com
Subject: {subject}
Date: Sun, 1 Nov 2026 09:00:05 +0000
Message-ID: <r{n}@mx.example.net>
MIME-Version: 1.0
"""
_REPORT = """Content-Type: multipart/report; report-type={kind}; boundary="b{n}"

--b{n}
Content-Type: text/plain; charset=utf-8

{note}
--b{n}
Content-Type: message/{kind}

{status}
--b{n}
Content-Type: message/rfc822

{returned}
--b{n}--
"""
_STATUS = """Reporting-MTA: dns; mx.example.com
Arrival-Date: Sun, 1 Nov 2026 06:00:01 +0000

Final-Recipient: rfc822; user{n}@example.net
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx{n}.example.net
Diagnostic-Code: smtp; 550 5.1.1 <user{n}@example.net>: Recipient address rejected: User unknown
"""
_DAEMON = "MAILER-DAEMON@mx.example.net"


def mail(n: int) -> bytes:
    """The n-th mail."""
    returned = _RETURNED.format(
        n=n, signature="A" * 340, body="Lorem ipsum dolor sit amet. " * (150 + n % 100)
    )
    head = {"n": n, "sender": _DAEMON, "subject": "Undelivered Mail Returned to Sender"}
    report = {"n": n, "kind": "delivery-status", "status": _STATUS.format(n=n), "returned": returned}
    match n % 6:
        case 0:
            note = f"This is the mail system.\n\n<user{n}@example.net>: host mx.example.net[192.0.2.1] said: 550 5.1.1\n"
            return (_HEAD.format(**head) + _REPORT.format(**report, note=note)).encode()
        case 1:
            head |= {
                "sender": "Microsoft Outlook <postmaster@example.net>",
                "subject": "Unzustellbar: Unsere Angebote",
            }
            note = f"Fehler bei der Nachrichtenzustellung an folgende Empfänger:\n\nuser{n}@example.net\n"
            return (_HEAD.format(**head) + _REPORT.format(**report, note=note)).encode()
        case 2:
            head["subject"] = "failure notice"
            note = (
                "Hi. This is the qmail-send program at mx.example.net.\nI'm afraid I wasn't able to deliver your message.\n\n"
                f"<user{n}@example.net>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
                "--- Below this line is a copy of the message.\n\n"
            )
            return (_HEAD.format(**head) + "\n" + note + returned).encode()
        case 3:
            note = (
                "A message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error.\n\n"
                f"  user{n}@example.net\n    host mx.example.net [192.0.2.9]: 552 5.2.2 mailbox full\n\n"
                "------ This is a copy of the message, including all the headers. ------\n\n"
            )
            field = f"X-Failed-Recipients: user{n}@example.net\n"
            return (_HEAD.format(**head) + field + "\n" + note + returned).encode()
        case 4:
            head |= {"sender": "fbl@isp.example", "subject": "FW: Our offers"}
            report |= {
                "kind": "feedback-report",
                "status": f"Feedback-Type: abuse\nUser-Agent: G/1\nVersion: 1\nOriginal-Rcpt-To: <user{n}@example.net>\n",
            }
            return (_HEAD.format(**head) + _REPORT.format(**report, note="A complaint.")).encode()
        case _:
            head |= {"sender": f"user{n}@example.net", "subject": "Automatic reply: Our offers"}
            note = "I am out of the office until Monday.\n" * 20
            return (_HEAD.format(**head) + "Auto-Submitted: auto-replied\n\n" + note).encode()


class _Keys:
    def hashing_key(self, tenant: str) -> bytes:
        """Everybody's."""
        return KEY

    def data_key(self, tenant: str) -> None:
        """Nobody's: documents are in clear."""


def parsed(mails: list[bytes]) -> int:
    """Read these; how many events came."""
    origin = Origin(
        "default",
        "mail",
        None,
        AT,
        AT,
        lambda address: recipient_hash(KEY, address),
    )
    return sum(len(read_mail(one, origin).events) for one in mails)


def measure() -> dict[str, int]:
    """Rates per second, and the process's peak memory."""
    mails = [mail(n) for n in range(MAILS)]
    documents = [received(content, number, AT, "mail") for number, content in enumerate(mails)]
    if parsed(mails) != MAILS or staged(documents, _Keys()) != 2 * MAILS:
        raise SystemExit("not every mail gave its event")
    return {
        "parsed_per_second": round(MAILS / best(lambda: parsed(mails))),
        "staged_per_second": round(MAILS / best(lambda: staged(documents, _Keys()))),
        "wanted_per_second": WANTED,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


LINES = {
    "parsed_per_second": ("mails parsed", "mails/s"),
    "staged_per_second": ("through the parse stage", f"mails/s   (wanted: {WANTED})"),
    "peak_mb": ("peak memory", "MB"),
}

if __name__ == "__main__":
    told(__doc__, measure, LINES)
