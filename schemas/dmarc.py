"""DMARC aggregate reports as receivers sent them. Topic `dmarc.records`, keyed by tenant and policy domain.

RFC 7489 appendix C and RFC 9990. Words are as the report says, lower-cased; nulls are what it left out.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.record import Count, Domain, Event, FlatRecord, Millis

Said = Annotated[str, StringConstraints(to_lower=True, strip_whitespace=True, max_length=256)]
Text = Annotated[str, StringConstraints(max_length=4096)]
ContentHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ReportEvent(Event):
    """What identifies an aggregate report, on the report and on each of its records."""

    org_name: Text | None = None
    """Who reports."""
    report_id: Text
    """The reporter's id; made from the content's hash where the report has none."""
    policy_domain: Domain
    """The domain whose policy was applied."""
    begin: Millis
    """Start of the reported span."""
    end: Millis
    """End of the reported span."""
    content_hash: ContentHash
    """SHA-256 of every element's text in order: the same for the same report however it was packed or encoded."""
    receipt_id: Annotated[str, StringConstraints(max_length=256)] | None = None
    """The document it came in."""
    is_conflict: bool = False
    """True when another report with this identity and other content was told before."""


class DmarcReportParsed(ReportEvent):
    """An aggregate report was read. It occurred at the start of its span."""

    format: Literal["rfc7489", "rfc9990"] = "rfc7489"
    """Which specification it is written to, by namespace and elements."""
    email: Text | None = None
    """The reporter's contact."""
    extra_contact_info: Text | None = None
    """More about the reporter."""
    generator: Text | None = None
    """The software that made it (RFC 9990)."""
    errors: tuple[str, ...] = ()
    """What the reporter says went wrong."""
    p: Said | None = None
    """Policy for the domain: none, quarantine, reject."""
    sp: Said | None = None
    """Policy for subdomains."""
    np: Said | None = None
    """Policy for subdomains that do not exist (RFC 9989)."""
    adkim: Said | None = None
    """DKIM alignment mode: r or s."""
    aspf: Said | None = None
    """SPF alignment mode: r or s."""
    pct: Annotated[int, Field(ge=0, le=100)] | None = None
    """Share of mail the policy applies to (RFC 7489)."""
    fo: Said | None = None
    """Failure reporting options."""
    testing: Said | None = None
    """t= tag: y or n (RFC 9989)."""
    discovery_method: Said | None = None
    """psl or treewalk (RFC 9990)."""
    records: Count = 0
    """How many records were read from it."""
    messages: Count = 0
    """How many messages they stand for."""
    is_partial: bool = False
    """True when some of it could not be read; the document's outcome says what."""


class PolicyReason(FlatRecord):
    """Why a receiver did not apply the policy."""

    type: Said
    """forwarded, sampled_out, trusted_forwarder, mailing_list, local_policy, policy_test_mode, other."""
    comment: Text | None = None
    """The reporter's words."""


class DkimResult(FlatRecord):
    """One signature as the receiver checked it."""

    domain: Said
    """d= of the signature; empty where the report leaves it out."""
    selector: Said | None = None
    """s= of the signature."""
    result: Said
    """none, pass, fail, policy, neutral, temperror, permerror; empty where the report leaves it out."""
    human_result: Text | None = None
    """The receiver's words."""


class SpfResult(FlatRecord):
    """SPF as the receiver checked it."""

    domain: Said
    """The domain checked; empty where the report leaves it out."""
    scope: Said | None = None
    """mfrom or helo."""
    result: Said
    """none, neutral, pass, fail, softfail, temperror, permerror; empty where the report leaves it out."""
    human_result: Text | None = None
    """The receiver's words."""


class DmarcRecordReported(ReportEvent):
    """One row of an aggregate report: so many messages from this address, with these results.

    It occurred at the start of the report's span.
    """

    ordinal: Count
    """Which row of the report, from 0."""
    source_ip: Annotated[str, StringConstraints(max_length=45)]
    """The address the messages came from."""
    count: Count
    """How many messages."""
    disposition: Said | None = None
    """What the receiver did: none, quarantine, reject, pass."""
    dkim: Said | None = None
    """Evaluated, aligned DKIM: pass or fail."""
    spf: Said | None = None
    """Evaluated, aligned SPF: pass or fail."""
    dmarc_pass: bool | None = None
    """True when either is aligned and passes; null when the report says neither."""
    header_from: Domain | None = None
    """RFC5322.From domain."""
    envelope_from: Said | None = None
    """RFC5321.MailFrom domain."""
    envelope_to: Said | None = None
    """Recipient domain."""
    p: Said | None = None
    """The policy published for these messages: sp for a subdomain of the policy domain where given, else p."""
    reasons: tuple[PolicyReason, ...] = ()
    """Why the policy was not applied."""
    dkim_results: tuple[DkimResult, ...] = ()
    """Every signature checked."""
    spf_results: tuple[SpfResult, ...] = ()
    """Every SPF check."""
