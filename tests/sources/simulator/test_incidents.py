import gzip
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest

from schemas.mail import (
    ComplaintReceived,
    MailEvent,
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    MessageSent,
)
from sources.simulator import KINDS, Incident, Scenario, simulate, write_truth

DAY = 86_400_000
CALM = Scenario(
    seed=11, days=6, domains=10, messages_per_day=6_000, incidents="none", repeat_share=0.0, settle=True
)
START, END = CALM.start_ms + DAY, CALM.start_ms + 4 * DAY


class Outcome:
    def __init__(self, scenario: Scenario) -> None:
        self.frames: dict[type[MailEvent], list[pl.DataFrame]] = {}
        self.rows: list[dict[str, str]] = []
        for part in simulate(scenario):
            for record, frame in part.frames.items():
                self.frames.setdefault(record, []).append(frame)
            for document in part.documents:
                self.rows += rows_of(gzip.decompress(document.content))

    def count(self, record: type[MailEvent], *conditions: pl.Expr, within: bool = True) -> int:
        frame = pl.concat(self.frames[record])
        for condition in conditions:
            frame = frame.filter(condition)
        return frame.filter(pl.col("occurred_at").is_between(START, END, closed="left") == within).height


def rows_of(xml: bytes) -> list[dict[str, str]]:
    root = ElementTree.fromstring(xml)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    begin = root.findtext("report_metadata/date_range/begin") or ""
    org = root.findtext("report_metadata/org_name") or ""
    rows = []
    for record in root.iter("record"):
        row = {leaf.tag: leaf.text or "" for leaf in record.find("row").iter()}  # type: ignore[union-attr]
        rows.append({
            **row, "begin": begin, "org": org,
            "header_from": record.findtext("identifiers/header_from") or "",
            "dkim_domain": record.findtext("auth_results/dkim/domain") or "",
            "dkim_result": record.findtext("auth_results/dkim/result") or "",
        })  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def calm() -> Outcome:
    return Outcome(CALM)


def with_incident(
    kind: str, identity: str, provider: str | None = None, domain: str | None = None
) -> Outcome:
    incident = Incident(kind, identity, provider, START, END, domain)  # type: ignore[arg-type]
    return Outcome(replace(CALM, incidents=(incident,)))


def share(part: int, whole: int) -> float:
    assert whole > 50
    return part / whole


def test_a_bad_list_import_bounces_for_unknown_mailboxes() -> None:
    outcome = with_incident("bad_list_import", "acme.example/import")
    campaign = pl.col("campaign") == "import"
    sent = outcome.count(MessageSent, campaign)
    assert share(outcome.count(MessageBounced, campaign), sent) > 0.2
    assert share(outcome.count(MessageBounced, ~campaign), outcome.count(MessageSent, ~campaign)) < 0.06
    assert outcome.count(MessageSent, campaign, within=False) == 0


def test_a_compromised_account_sends_at_night_and_is_refused(calm: Outcome) -> None:
    domain = pl.col("from_domain") == "acme.example"
    outcome = with_incident("compromised_account", "acme.example")
    assert outcome.count(MessageSent, domain) > 2 * calm.count(MessageSent, domain)
    assert outcome.count(MessageBounced, domain) > 10 * calm.count(MessageBounced, domain)
    assert outcome.count(ComplaintReceived, domain) > calm.count(ComplaintReceived, domain) + 10
    assert outcome.count(MessageSent, domain, within=False) == calm.count(MessageSent, domain, within=False)


def test_a_blocklisted_address_is_refused_by_that_provider_only() -> None:
    ip = next(flow.domain.pool.ips[0] for flow in CALM.world().flows)
    outcome = with_incident("blocklisted_ip", ip, "microsoft")
    here, there = pl.col("ip") == ip, pl.col("provider") == "microsoft"
    assert share(outcome.count(MessageBounced, here, there), outcome.count(MessageSent, here, there)) > 0.6
    assert share(outcome.count(MessageBounced, here, ~there), outcome.count(MessageSent, here, ~there)) < 0.05
    assert share(outcome.count(MessageBounced, ~here, there), outcome.count(MessageSent, ~here, there)) < 0.06
    said = pl.concat(outcome.frames[MessageBounced]).filter(here, there)["response"]
    assert said.str.contains("S3140").sum() > 0.5 * len(said)
    assert said.str.contains(ip, literal=True).any()


def test_throttling_defers_at_that_provider_only() -> None:
    outcome = with_incident("provider_throttling", "acme.example", "gmail")
    here, there = pl.col("from_domain") == "acme.example", pl.col("provider") == "gmail"
    deferred = outcome.count(MessageDeferred, here, there, pl.col("attempt") == 1)
    assert share(deferred, outcome.count(MessageSent, here, there)) > 0.75
    elsewhere = outcome.count(MessageDeferred, here, ~there, pl.col("attempt") == 1)
    assert share(elsewhere, outcome.count(MessageSent, here, ~there)) < 0.05
    codes = pl.concat(outcome.frames[MessageDeferred]).filter(here, there)["enhanced_code"]
    assert (codes == "4.7.28").mean() > 0.8


def test_broken_dkim_fails_in_reports_and_is_refused(calm: Outcome) -> None:
    key = next(d.dkim_domain for d in CALM.world().domains if d.dkim_aligned)
    outcome = with_incident("dkim_broken", key)

    def failing(seen: Outcome, within: bool) -> float:
        signed = [
            row for row in seen.rows if row["dkim_domain"] == key and not row["source_ip"].startswith("203.")
        ]
        signed = [row for row in signed if (START <= int(row["begin"]) * 1000 < END) == within]
        bad = sum(int(row["count"]) for row in signed if row["dkim_result"] == "fail")
        return share(bad, sum(int(row["count"]) for row in signed))

    assert failing(outcome, within=True) > 0.97
    assert failing(outcome, within=False) < 0.03
    assert failing(calm, within=True) < 0.02
    refused = pl.col("dkim_domain") == key, pl.col("response").str.contains("DKIM|5.7.515")
    assert outcome.count(MessageBounced, *refused) > 20
    assert outcome.count(MessageBounced, *refused, within=False) == 0
    assert calm.count(MessageBounced, *refused) == 0


def test_a_complaint_spike_is_one_streams(calm: Outcome) -> None:
    flow = max((f for f in CALM.world().flows if f.stream == "marketing"), key=lambda flow: flow.weight)
    outcome = with_incident("complaint_spike", f"{flow.domain.name}/marketing")
    here = (pl.col("from_domain") == flow.domain.name) & (pl.col("stream") == "marketing")
    before = calm.count(ComplaintReceived, here)
    assert outcome.count(ComplaintReceived, here) > 5 * before + 5
    assert outcome.count(ComplaintReceived, ~here) == calm.count(ComplaintReceived, ~here)
    assert outcome.count(MessageDelivered) == calm.count(MessageDelivered)


def test_a_spoofing_campaign_is_seen_in_reports_only(calm: Outcome) -> None:
    domain = CALM.world().organisations[0].domain
    outcome = with_incident("spoofing_campaign", domain)

    def spoofed(seen: Outcome) -> int:
        rows = [
            row for row in seen.rows if row["source_ip"].startswith("198.1") and row["header_from"] == domain
        ]
        rows = [row for row in rows if START <= int(row["begin"]) * 1000 < END]
        assert all((row["dkim"], row["spf"]) == ("fail", "fail") for row in rows)
        return sum(int(row["count"]) for row in rows)

    assert spoofed(outcome) > 10 * spoofed(calm) > 0
    assert outcome.count(MessageSent) == calm.count(MessageSent)


def test_a_new_source_sends_unaligned_from_a_new_address(calm: Outcome) -> None:
    outcome = with_incident("new_legitimate_source", "198.51.100.222", domain="acme.example")
    new = pl.col("ip") == "198.51.100.222"
    assert outcome.count(MessageSent, new) > 100
    assert outcome.count(MessageSent, new, within=False) == 0 == calm.count(MessageSent, new)
    frame = pl.concat(outcome.frames[MessageSent]).filter(new)
    assert frame["from_domain"].unique().to_list() == ["acme.example"]
    assert frame["dkim_domain"].unique().to_list() == ["crm-relay.example"]
    assert not frame["dmarc_expected"].any()
    reported = [row for row in outcome.rows if row["source_ip"] == "198.51.100.222"]
    assert reported and all((row["dkim"], row["spf"]) == ("fail", "fail") for row in reported)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_made_incidents_befall_those_who_send(seed: int) -> None:
    scenario = Scenario(seed=seed, incidents="all")
    incidents = scenario.truth()
    assert sorted(i.kind for i in incidents) == sorted(KINDS)
    assert all(scenario.start_ms < i.start_ms < i.end_ms for i in incidents)
    assert replace(scenario, incidents=incidents).truth() == incidents
    assert len(replace(scenario, incidents="some").truth()) == 5


def test_the_truth_is_written(tmp_path: Path) -> None:
    incidents = Scenario(incidents="all").truth()
    write_truth(tmp_path / "truth.json", incidents)
    written = json.loads((tmp_path / "truth.json").read_text())
    assert [row["kind"] for row in written] == [incident.kind for incident in incidents]
    assert list(written[0]) == ["kind", "identity_kind", "identity", "provider", "start", "end", "domain"]
    assert all(row["identity"] and row["start"] < row["end"] for row in written)


@pytest.mark.parametrize(
    ("incident", "message"),
    [
        (Incident("dkim_broken", "nobody.example", None, START, END), "no dkim 'nobody.example'"),
        (Incident("bad_list_import", "acme.example", None, START, END), "wants domain/campaign"),
        (Incident("blocklisted_ip", "10.0.0.1", None, START, END), "no ip '10.0.0.1'"),
        (Incident("complaint_spike", "acme.example/marketing", None, END, START), "ends at"),
        (Incident("provider_throttling", "acme.example", "nosuch", START, END), "no provider 'nosuch'"),
        (Incident("new_legitimate_source", "198.51.100.222", None, START, END), "no domain ''"),
        (Incident("flood", "acme.example", None, START, END), "no such kind"),  # type: ignore[arg-type]
    ],
)
def test_incidents_that_cannot_be_are_refused(incident: Incident, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(simulate(replace(CALM, incidents=(incident,))))
