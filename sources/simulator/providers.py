"""The mailbox providers that the simulated mail goes to: their domains, hosts, habits, and who reports on DMARC."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who sends DMARC aggregate reports, and how its reports look."""

    org_name: str
    domain: str
    """As in the report's file name (RFC 7489, 7.2.1.1)."""
    email: str
    extra_contact_info: str | None
    format: Literal["rfc7489", "rfc9990"]
    id_style: Literal["number", "hex", "time"]
    delay_hours: float
    """Hours from the day's end to the report."""
    says_version: bool = True
    says_envelope_from: bool = False
    says_envelope_to: bool = False
    says_scope: bool = False
    end_is_next_day: bool = False
    """Whether the reported end is the next midnight rather than the second before it."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A recipient domain: who hosts it, and who reports on its mail."""

    domain: str
    mx_host: str
    weight: float
    reporter: Reporter | None = None


@dataclass(frozen=True, slots=True)
class MailboxProvider:
    """A provider's share of each audience and its habits; shares are probabilities, times in ms."""

    name: str
    consumers: float
    businesses: float
    mailboxes: tuple[Mailbox, ...]
    defers: float = 0.012
    """Share of first attempts that are put off on an ordinary day."""
    reports_complaints: float = 1.0
    """Share of complaints that the sender is told of (feedback loops; Gmail has none by recipient)."""
    proxy_opens: float = 0.0
    """Share of messages whose images a privacy proxy fetches."""
    scanner_clicks: float = 0.0
    """Share of messages whose links a scanner follows."""


_GOOGLE = Reporter(
    "google.com", "google.com", "noreply-dmarc-support@google.com",
    "https://support.google.com/a/answer/2466580", "rfc7489", "number", 3.0, says_version=False,
)  # fmt: skip
_OUTLOOK = Reporter(
    "Outlook.com", "outlook.com", "dmarcreport@microsoft.com", None, "rfc7489", "hex", 7.0,
    says_envelope_from=True, says_envelope_to=True, says_scope=True, end_is_next_day=True,
)  # fmt: skip
_ENTERPRISE = Reporter(
    "Enterprise Outlook", "enterprise.protection.outlook.com", "dmarcreport@microsoft.com", None, "rfc7489", "hex",
    8.0, says_envelope_from=True, says_envelope_to=True, says_scope=True, end_is_next_day=True,
)  # fmt: skip
_YAHOO = Reporter(
    "Yahoo", "yahoo.com", "dmarchelp@yahooinc.com", None, "rfc7489", "time", 1.5, says_version=False
)
_COMCAST = Reporter(
    "comcast.net", "comcast.net", "dmarc-report@alerts.comcast.example", None, "rfc7489", "hex", 5.0,
    says_envelope_from=True, says_scope=True,
)  # fmt: skip
_MAILRU = Reporter(
    "Mail.Ru", "mail.ru", "dmarc_support@corp.mail.ru", "http://help.mail.ru/mail-help", "rfc7489", "number", 4.0,
    says_version=False, says_scope=True, end_is_next_day=True,
)  # fmt: skip
_GMX = Reporter(
    "GMX", "gmx.net", "noreply-dmarc@sicher.gmx.net", "https://postmaster.gmx.net/en/case?c=r2002", "rfc9990", "hex",
    2.5, says_envelope_from=True, says_scope=True,
)  # fmt: skip
_WEBDE = Reporter(
    "WEB.DE", "web.de", "noreply-dmarc@sicher.web.de", "https://postmaster.web.de/en/case?c=r2002", "rfc9990", "hex",
    2.5, says_envelope_from=True, says_scope=True,
)  # fmt: skip
_MIMECAST = Reporter(
    "Mimecast", "mimecast.org", "no-reply@dmarc.mimecast.example", None, "rfc7489", "hex", 10.0,
    says_envelope_from=True, says_scope=True,
)  # fmt: skip
_FASTMAIL = Reporter(
    "Fastmail Pty Ltd", "fastmaildmarc.com", "reports@fastmaildmarc.example", None, "rfc9990", "time", 6.0,
    says_envelope_from=True, says_scope=True,
)  # fmt: skip

PROVIDERS: tuple[MailboxProvider, ...] = (
    MailboxProvider("gmail", 0.46, 0.30, (
        Mailbox("gmail.com", "gmail-smtp-in.l.google.com", 88, _GOOGLE),
        Mailbox("googlemail.com", "gmail-smtp-in.l.google.com", 3, _GOOGLE),
        Mailbox("northwind-labs.example", "aspmx.l.google.com", 5, _GOOGLE),
        Mailbox("juniper-studio.example", "aspmx.l.google.com", 4, _GOOGLE),
    ), defers=0.010, reports_complaints=0.0),
    MailboxProvider("microsoft", 0.17, 0.40, (
        Mailbox("outlook.com", "outlook-com.olc.protection.outlook.com", 34, _OUTLOOK),
        Mailbox("hotmail.com", "hotmail-com.olc.protection.outlook.com", 38, _OUTLOOK),
        Mailbox("live.com", "live-com.olc.protection.outlook.com", 8, _OUTLOOK),
        Mailbox("fabric-works.example", "fabricworks-example.mail.protection.outlook.com", 12, _ENTERPRISE),
        Mailbox("harbour-legal.example", "harbourlegal-example.mail.protection.outlook.com", 8, _ENTERPRISE),
    ), defers=0.014, scanner_clicks=0.02),
    MailboxProvider("yahoo", 0.13, 0.03, (
        Mailbox("yahoo.com", "mta5.am0.yahoodns.net", 70, _YAHOO),
        Mailbox("aol.com", "mx-aol.mail.gm0.yahoodns.net", 18, _YAHOO),
        Mailbox("att.net", "al-ip4-mx-vip1.prodigy.yahoodns.net", 12, _YAHOO),
    ), defers=0.018),
    MailboxProvider("apple", 0.09, 0.03, (
        Mailbox("icloud.com", "mx01.mail.icloud.com", 70),
        Mailbox("me.com", "mx02.mail.icloud.com", 30),
    ), defers=0.006, reports_complaints=0.0, proxy_opens=0.72),
    MailboxProvider("unitedinternet", 0.05, 0.01, (
        Mailbox("gmx.net", "mx00.gmx.net", 40, _GMX),
        Mailbox("gmx.de", "mx01.gmx.net", 20, _GMX),
        Mailbox("web.de", "mx-ha02.web.de", 40, _WEBDE),
    ), defers=0.015),
    MailboxProvider("comcast", 0.025, 0.005, (Mailbox("comcast.net", "mx1a1.comcast.net", 1, _COMCAST),), defers=0.02),
    MailboxProvider("mailru", 0.015, 0.002, (
        Mailbox("mail.ru", "mxs.mail.ru", 80, _MAILRU),
        Mailbox("bk.ru", "mxs.mail.ru", 20, _MAILRU),
    )),
    MailboxProvider("orange", 0.01, 0.002, (Mailbox("orange.fr", "smtp-in.orange.fr", 1),), defers=0.03),
    MailboxProvider("libero", 0.01, 0.001, (Mailbox("libero.it", "smtp-in.libero.it", 1),), defers=0.02),
    MailboxProvider("fastmail", 0.005, 0.01, (
        Mailbox("fastmail.com", "in1-smtp.messagingengine.com", 1, _FASTMAIL),
    )),
    MailboxProvider("proton", 0.01, 0.01, (Mailbox("proton.me", "mail.protonmail.ch", 1),), reports_complaints=0.0),
    MailboxProvider("mimecast", 0.0, 0.08, (
        Mailbox("aldgate-partners.example", "eu-smtp-inbound-1.mimecast.com", 60, _MIMECAST),
        Mailbox("quarry-bank.example", "us-smtp-inbound-1.mimecast.com", 40, _MIMECAST),
    ), defers=0.03, reports_complaints=0.0, scanner_clicks=0.12),
    MailboxProvider("proofpoint", 0.0, 0.07, (
        Mailbox("meridian-health.example", "mxa-001d1702.gslb.pphosted.com", 60),
        Mailbox("state-college.example", "mxb-00206401.gslb.pphosted.com", 40),
    ), defers=0.02, reports_complaints=0.0, scanner_clicks=0.15),
    MailboxProvider("barracuda", 0.0, 0.02, (
        Mailbox("dockside-freight.example", "d102911a.ess.barracudanetworks.com", 1),
    ), defers=0.025, reports_complaints=0.0, scanner_clicks=0.10),
    MailboxProvider("other", 0.025, 0.03, (
        Mailbox("smallisp.example", "mx1.smallisp.example", 50),
        Mailbox("university.example", "mx.university.example", 30),
        Mailbox("cityhall.example", "mail.cityhall.example", 20),
    ), defers=0.035, reports_complaints=0.2),
)  # fmt: skip
"""Every simulated provider; the names are those of schemas.mail.PROVIDERS."""
