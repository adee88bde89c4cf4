"""An aggregate report as XML: RFC 7489 (appendix C) or RFC 9990, with each reporter's own ways."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from sources.simulator.providers import Reporter
from sources.simulator.world import Organisation


@dataclass(frozen=True, slots=True)
class Auth:
    """One signature or SPF check as the receiver saw it."""

    domain: str
    result: str
    selector: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """So many messages with the same source and results. `dkim` and `spf`: aligned and passing."""

    source_ip: str
    count: int
    disposition: str
    dkim: bool
    spf: bool
    reason: str | None
    header_from: str
    envelope_from: str
    envelope_to: str | None
    dkim_results: tuple[Auth, ...]
    spf_result: Auth


_OF_RFC9990 = {"forwarded": "trusted_forwarder"}
"""Override types that RFC 9990 no longer has, and what it has instead."""


def render(
    reporter: Reporter, organisation: Organisation, report_id: str, begin: int, end: int, rows: Sequence[Row]
) -> bytes:
    """The report's XML; `begin` and `end` in seconds since the epoch."""
    new = reporter.format == "rfc9990"
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    parts.append('<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">\n' if new else "<feedback>\n")
    if reporter.says_version:
        parts.append("  <version>1.0</version>\n")
    contact = reporter.extra_contact_info
    parts.append(
        "  <report_metadata>\n"
        f"    <org_name>{escape(reporter.org_name)}</org_name>\n"
        f"    <email>{escape(reporter.email)}</email>\n"
        + (f"    <extra_contact_info>{escape(contact)}</extra_contact_info>\n" if contact else "")
        + f"    <report_id>{report_id}</report_id>\n"
        f"    <date_range>\n      <begin>{begin}</begin>\n      <end>{end}</end>\n    </date_range>\n"
        + (f"    <generator>{escape(reporter.org_name)} reporting</generator>\n" if new else "")
        + "  </report_metadata>\n"
    )
    parts.append(_policy(organisation, new))
    parts += [_record(reporter, row, new) for row in rows]
    parts.append("</feedback>\n")
    return "".join(parts).encode()


def compressed(xml: bytes) -> bytes:
    """Gzipped, without a time of its own, so that the same report gives the same bytes."""
    return gzip.compress(xml, compresslevel=6, mtime=0)


def _policy(organisation: Organisation, new: bool) -> str:
    extra = (
        "    <discovery_method>treewalk</discovery_method>\n    <testing>n</testing>\n"
        if new
        else "    <pct>100</pct>\n"
    )
    return (
        "  <policy_published>\n"
        f"    <domain>{organisation.domain}</domain>\n"
        f"    <adkim>{organisation.adkim}</adkim>\n    <aspf>{organisation.aspf}</aspf>\n"
        f"    <p>{organisation.policy}</p>\n    <sp>{organisation.subdomain_policy}</sp>\n"
        f"{extra}  </policy_published>\n"
    )


def _record(reporter: Reporter, row: Row, new: bool) -> str:
    reason = ""
    if row.reason:
        kind = _OF_RFC9990.get(row.reason, row.reason) if new else row.reason
        reason = f"        <reason>\n          <type>{kind}</type>\n        </reason>\n"
    disposition = "pass" if new and (row.dkim or row.spf) else row.disposition
    envelope = ""
    if reporter.says_envelope_to and row.envelope_to:
        envelope += f"      <envelope_to>{row.envelope_to}</envelope_to>\n"
    if reporter.says_envelope_from:
        envelope += f"      <envelope_from>{row.envelope_from}</envelope_from>\n"
    signatures = "".join(
        f"      <dkim>\n        <domain>{auth.domain}</domain>\n        <selector>{auth.selector}</selector>\n"
        f"        <result>{auth.result}</result>\n      </dkim>\n"
        for auth in row.dkim_results
    )
    scope = "        <scope>mfrom</scope>\n" if reporter.says_scope else ""
    return (
        "  <record>\n    <row>\n"
        f"      <source_ip>{row.source_ip}</source_ip>\n      <count>{row.count}</count>\n"
        "      <policy_evaluated>\n"
        f"        <disposition>{disposition}</disposition>\n"
        f"        <dkim>{'pass' if row.dkim else 'fail'}</dkim>\n        <spf>{'pass' if row.spf else 'fail'}</spf>\n"
        f"{reason}      </policy_evaluated>\n    </row>\n"
        f"    <identifiers>\n{envelope}      <header_from>{row.header_from}</header_from>\n    </identifiers>\n"
        f"    <auth_results>\n{signatures}"
        f"      <spf>\n        <domain>{row.spf_result.domain}</domain>\n{scope}"
        f"        <result>{row.spf_result.result}</result>\n      </spf>\n    </auth_results>\n  </record>\n"
    )
